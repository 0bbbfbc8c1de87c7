"""The command line: what ``manage.py socket_status`` reads and prints."""
