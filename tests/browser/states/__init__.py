"""A site that brings about every state of the admin page, when a test asks for it."""
