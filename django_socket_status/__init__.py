"""Live status of the WebSockets of a Django Channels project."""

__all__ = ["__version__"]

__version__ = "0.1.0"
