"""Live push: a WebSocket application that sends the summary as it changes."""
