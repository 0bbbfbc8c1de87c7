"""Threads and forks: what the rest of the package builds on."""
