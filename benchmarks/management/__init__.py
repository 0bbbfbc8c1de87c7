"""Commands that a benchmark starts."""
