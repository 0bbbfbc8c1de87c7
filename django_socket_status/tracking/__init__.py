"""One socket: observe when it opens and closes by wrapping ``receive`` and ``send``."""
