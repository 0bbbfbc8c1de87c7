"""The ASGI application of the test suite: HTTP from Django, and no WebSocket yet.

A test that needs consumers contains them and names its own application.
"""

from __future__ import annotations

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application

application = ProtocolTypeRouter(
    {"http": get_asgi_application(), "websocket": URLRouter([])}
)
