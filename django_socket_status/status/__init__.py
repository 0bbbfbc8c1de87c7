"""Reads the reports of all workers, once for all callers in this process."""
