"""The example's application; in one state, WSGI answers instead of ASGI."""

from __future__ import annotations

import asyncio
import io
import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.browser.states.settings")

from asgiref.wsgi import WsgiToAsgiInstance
from channels.routing import ProtocolTypeRouter
from django.core.wsgi import get_wsgi_application

from django_socket_status.status.reader import status_reader
from example_project.asgi import application as example
from tests.browser.states.made_up import current

# What is seen in the browser is no matter of how busy the machine is.
status_reader.read_seconds = 10.0

wsgi = get_wsgi_application()


async def http(scope: Any, receive: Any, send: Any) -> None:
    if current.name == "wsgi" and scope["path"].startswith("/admin/"):
        await answer_by_wsgi(scope, send)
    else:
        await example.application_mapping["http"](scope, receive, send)


async def answer_by_wsgi(scope: Any, send: Any) -> None:
    """Answer a request without a body, on a thread as a WSGI server has them."""
    instance = WsgiToAsgiInstance(wsgi)
    instance.scope = scope
    environ = instance.build_environ(scope, io.BytesIO())
    status, headers, body = await asyncio.to_thread(call_wsgi, environ)
    start = {"type": "http.response.start", "status": status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": body})


def call_wsgi(environ: Any) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    started: list[Any] = []
    body = b"".join(wsgi(environ, lambda *start: started.append(start)))
    ((status, headers, *_rest),) = started
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers]
    return int(status[:3]), pairs, body


application = ProtocolTypeRouter({**example.application_mapping, "http": http})
