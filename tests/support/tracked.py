"""Applications behind the mixin, for tests of what it observes."""

from __future__ import annotations

from typing import Any

from django_socket_status.consumers import SocketStatusMixin
from tests.support.asgi_driver import ACCEPT, text


def tracked(app: Any, **methods: Any) -> Any:
    """Return an application in a consumer with the mixin and these methods."""

    async def run(self: Any, scope: Any, receive: Any, send: Any) -> Any:
        self.scope = scope
        return await app(scope, receive, send)

    consumer: Any = type(
        "CallConsumer", (SocketStatusMixin,), {"__call__": run, **methods}
    )
    # One for each connection, as ``as_asgi`` has it.
    return lambda scope, receive, send: consumer()(scope, receive, send)


async def echo(scope: Any, receive: Any, send: Any) -> str:
    await receive()
    await send(ACCEPT)
    while (message := await receive())["type"] == "websocket.receive":
        await send(text(message["text"]))
    return "done"
