"""What happened: counters, ended connections, conditions, history and commands."""
