"""Liveness as a plain ASGI application: whether the event loop of a process runs.

Give it a route before Django's application, in a ``URLRouter`` for ``"http"``. A view
of Django cannot promise this answer: Django starts a thread for each synchronous
middleware. This application starts no thread, calls no code of Django, reads no setting
and no backend.
"""

from __future__ import annotations

from django_socket_status.asgi import Receive, Scope, Send

__all__ = ["LIVE", "liveness"]

#: The body of the answer, the same as that of the view ``health/live/``.
LIVE = b'{"status": "ok", "checks": {}}'

_HEADERS = [
    (b"content-type", b"application/json"),
    (b"cache-control", b"private, no-store"),
]


async def liveness(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 200 to GET and HEAD, and 405 to other methods.

    Raises:
        ValueError: the scope is not one of HTTP.
    """
    if scope["type"] != "http":
        raise ValueError(
            f"liveness answers HTTP, and got a scope of the type {scope['type']!r}."
        )
    method = scope["method"]
    if method not in ("GET", "HEAD"):
        headers = [(b"allow", b"GET, HEAD"), (b"content-length", b"0")]
        await _respond(send, 405, headers, b"")
        return
    headers = [*_HEADERS, (b"content-length", b"%d" % len(LIVE))]
    await _respond(send, 200, headers, LIVE if method == "GET" else b"")


async def _respond(
    send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    start = {"type": "http.response.start", "status": status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": body})
