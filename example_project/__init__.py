"""The site of an online consultation, as a project with Channels looks.

Customers talk to consultants in calls, and speech is turned into text in rooms.
``python -m example_project`` starts it; ``--help`` lists the options.
"""
