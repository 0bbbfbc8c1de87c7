"""Reports this process to the backend, from a background thread."""
