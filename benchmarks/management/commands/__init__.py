"""Commands that a benchmark starts, one in each module."""
