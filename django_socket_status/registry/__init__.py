"""This process: which connections are open, and how many of each type."""
