"""Commands to workers: their content, and how a worker executes them."""
