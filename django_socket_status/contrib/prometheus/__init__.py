"""Metrics for Prometheus, with the extra ``prometheus``: see the how-to in the docs."""
