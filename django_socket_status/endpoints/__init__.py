"""Which URLs serve WebSockets: found by walking the ASGI application."""
