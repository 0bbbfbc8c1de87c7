"""The example's application, under the settings of this site."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.browser.site.settings")

from channels.routing import ProtocolTypeRouter
from django.conf import settings
from django.urls import path

from django_socket_status.status.reader import status_reader
from example_project.asgi import application, django_application
from example_project.routing import websocket_urlpatterns
from tests.browser.site.consumers import AnyConsumer

# What is seen in the browser is no matter of how busy the machine is.
status_reader.read_seconds = 10.0

# The router reads this list for each handshake.
websocket_urlpatterns.insert(0, path("ws/any/<str:room>/", AnyConsumer.as_asgi()))

if not settings.DEBUG:
    # Django serves static files as the example does for a desk alone.
    application = ProtocolTypeRouter(
        {**application.application_mapping, "http": django_application}
    )

__all__ = ["application"]
