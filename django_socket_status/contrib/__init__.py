"""Integrations with other products: each has an extra of its name."""
