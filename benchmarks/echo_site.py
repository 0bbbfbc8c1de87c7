"""A site that echoes, by an application for each contestant, and tells the time."""

from __future__ import annotations

import time

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path

http = get_asgi_application()

from benchmarks.contestants import bases, contestants  # noqa: E402
from django_socket_status.asgi import Receive, Scope, Send  # noqa: E402


async def tell_the_time(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer each message with the CPU time of the event loop's thread, in ns."""
    await receive()
    await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        await send({"type": "websocket.send", "text": str(time.thread_time_ns())})


application = ProtocolTypeRouter(
    {
        "http": http,
        "websocket": URLRouter(
            [
                path("ws/clock/", tell_the_time),
                *(
                    path(f"ws/{base.name}/{number}/", contestant.app)
                    for base in bases()
                    for number, contestant in enumerate(contestants(base, "sqlite"))
                ),
            ]
        ),
    }
)
