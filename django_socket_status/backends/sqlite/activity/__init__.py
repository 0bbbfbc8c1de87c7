"""What the SQLite backend keeps beside the open connections.

Counters, ended connections and the history are in a file of their own, the *activity
file*: the status file is replaced when it is damaged, since workers can report again
what is in it. Conditions, commands and the last sampler are in new tables of the status
file, so that a heartbeat reads one file.
"""
