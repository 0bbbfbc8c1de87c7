"""The site of an online consultation, as someone would write it with Channels.

Customers talk to consultants in calls, and speech is turned into text in rooms.
``python -m example_project`` starts it; ``--help`` tells the rest.
"""
