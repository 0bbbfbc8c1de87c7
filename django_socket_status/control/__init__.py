"""Commands to workers: what they say, whom they mean, and how a worker obeys."""
