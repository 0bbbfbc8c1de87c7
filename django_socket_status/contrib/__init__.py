"""Integrations with other packages, each with an extra of the same purpose."""
