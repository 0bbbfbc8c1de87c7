"""The ASGI application: pages from Django, WebSockets from Channels.

``SocketStatusMiddleware`` is inside ``AuthMiddlewareStack``, so that it knows the user,
and around the router, so that it sees every WebSocket.
"""

from __future__ import annotations

import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_project.settings")

django_application = get_asgi_application()

from django_socket_status.middleware import SocketStatusMiddleware  # noqa: E402
from example_project.routing import websocket_urlpatterns  # noqa: E402

application = ProtocolTypeRouter(
    {
        # On the internet, a web server would serve the static files.
        "http": ASGIStaticFilesHandler(django_application),
        "websocket": AllowedHostsOriginValidator(
            AuthMiddlewareStack(
                SocketStatusMiddleware(URLRouter(websocket_urlpatterns))
            )
        ),
    }
)
