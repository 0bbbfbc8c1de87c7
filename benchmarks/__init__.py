"""What this package costs, against named contestants in one run.

``python -m benchmarks`` measures everything and prints a table. Contestants take turns
within each round, in random order, and are compared within the round, so that whatever
else the machine does meets all of them. CPU time counts, that of the reporter's thread
included. What is stated is a ratio; an absolute time says more about the machine.
"""
