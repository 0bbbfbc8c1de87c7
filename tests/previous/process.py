"""A process of a project, of whichever version of the package is first on its path.

It uses public names alone, and nothing of ``tests``. ``process.py DESCRIPTOR`` imports
the package once, and forks a process for each message on a socket: the message is what
``SOCKET_STATUS`` holds, as JSON, with the end of a connection. Each line that comes in
over the connection is a list, the name of a function below and its arguments; each line
that goes out is the answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import logging
import os
import signal
import socket
import sys
import threading
from collections import Counter
from typing import Any

import django
from django.conf import settings

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=[
        "django.contrib.contenttypes",
        "django.contrib.auth",
        "django_socket_status",
    ],
    SECRET_KEY="the same in every process",
    USE_TZ=True,
)
django.setup()

from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402

import django_socket_status  # noqa: E402
import django_socket_status.backends.redis  # noqa: E402
import django_socket_status.backends.sqlite  # noqa: E402
from django_socket_status.consumers import SocketStatusMixin  # noqa: E402
from django_socket_status.exceptions import StatusUnavailableError  # noqa: E402
from django_socket_status.services import SocketStatusService  # noqa: E402


class CallConsumer(SocketStatusMixin, AsyncWebsocketConsumer):
    """Counted as ``call``, with a room."""

    def get_socket_status_labels(self) -> dict[str, str]:
        return {"room": self.scope["url_route"]["kwargs"]["room"]}


class ChatConsumer(CallConsumer):
    """Counted as ``chat``."""


class PrivateConsumer(CallConsumer):
    """Reject every handshake."""

    async def connect(self) -> None:
        await self.close()


CONSUMERS = {
    "call": CallConsumer.as_asgi(),
    "chat": ChatConsumer.as_asgi(),
    "private": PrivateConsumer.as_asgi(),
}

#: What each open socket waits for.
held: list[asyncio.Event] = []
tasks: set[asyncio.Task[Any]] = set()
warnings: list[str] = []


class _Kept(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        warnings.append(record.getMessage())


logging.getLogger("django_socket_status").addHandler(_Kept(logging.WARNING))


async def _serve(kind: str, user: str | None, room: str) -> None:
    gone, answered = asyncio.Event(), asyncio.Event()
    held.append(gone)
    messages = iter([{"type": "websocket.connect"}])

    async def receive() -> dict[str, Any]:
        for message in messages:
            return message
        await gone.wait()
        return {"type": "websocket.disconnect", "code": 1000}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] in ("websocket.accept", "websocket.close"):
            answered.set()
        if message["type"] == "websocket.close":
            # Its client leaves.
            held.remove(gone)
            gone.set()

    scope = {
        "type": "websocket",
        "path": f"/ws/{kind}/{room}/",
        "headers": [],
        "query_string": b"",
        "client": ("127.0.0.1", 40000),
        "server": ("127.0.0.1", 8000),
        "url_route": {"args": (), "kwargs": {"room": room}},
        "user": None if user is None else User(pk=user),
    }
    tasks.add(asyncio.ensure_future(CONSUMERS[kind](scope, receive, send)))
    await answered.wait()


async def _leave() -> None:
    held.pop().set()


@functools.cache
def loop() -> asyncio.AbstractEventLoop:
    """Return an event loop that runs on a separate thread."""
    made = asyncio.new_event_loop()
    threading.Thread(target=made.run_forever, daemon=True).start()
    return made


def run(coroutine: Any) -> None:
    asyncio.run_coroutine_threadsafe(coroutine, loop()).result(timeout=30)


def opens(kind: str, user: str | None, room: str) -> None:
    """Open a socket."""
    run(_serve(kind, user, room))


def closes() -> None:
    """Close the socket that was opened last."""
    run(_leave())


def is_rejected() -> None:
    """Ask for a socket, and be rejected."""
    run(_serve("private", None, "red"))


def where() -> str:
    """Return the file of the package, which tells its version."""
    return str(django_socket_status.__file__)


def said() -> list[str]:
    """Return the warnings of the package so far."""
    return warnings


def answers() -> dict[str, Any]:
    """Return everything that a project can ask for."""
    try:
        summary = dict(SocketStatusService.get_socket_info_summary())
        page = SocketStatusService.get_connections(limit=100)
        users = sorted(SocketStatusService.online_user_ids())
        workers = SocketStatusService.get_workers()
    except StatusUnavailableError as error:
        return {"error": str(error)}
    return {
        "summary": summary,
        "connections": sorted(
            [it.connection_id, it.type, it.user_id, it.labels["room"]] for it in page
        ),
        "users": users,
        "workers": len(workers),
        "is_online": SocketStatusService.is_online("7"),
        "has_listeners": SocketStatusService.has_listeners("call"),
    }


def walks() -> list[str]:
    """Return the id of each connection, of pages after one another."""
    page = SocketStatusService.get_connections(limit=2)
    found = [it.connection_id for it in page]
    while page.next_after is not None:
        page = SocketStatusService.get_connections(limit=2, after=page.next_after)
        found += [it.connection_id for it in page]
    return found


def happened() -> dict[str, Any]:
    """Return what happened, as versions tell it that know."""
    try:
        return {
            "totals": SocketStatusService.get_totals().as_dict(),
            "closed": [[it.connection_id, it.cause] for it in _listed("closed")],
            "open": [it.connection_id for it in _listed("open")],
        }
    except StatusUnavailableError as error:
        return {"error": str(error)}


def disconnects(selector: dict[str, Any]) -> dict[str, Any]:
    """Close connections of the deployment; return what became of them."""
    result = SocketStatusService.disconnect(**selector, wait_seconds=30)
    return {"matched": result.matched, "closed": result.closed}


def drains() -> dict[str, Any]:
    """Drain the deployment at once; return what became of its connections."""
    result = SocketStatusService.drain(
        all=True, grace_seconds=0, over_seconds=0, wait=True
    )
    return {"closed": result.closed, "remaining": result.remaining}


def history() -> dict[str, Any]:
    """Return what the buckets of the last hour have, added up."""
    closed: Counter[str] = Counter()
    opened = 0
    for bucket in SocketStatusService.get_history("1h").buckets:
        opened += bucket.opened or 0
        closed.update(bucket.closed or {})
    return {"opened": opened, "closed": dict(closed)}


def _listed(state: str) -> Any:
    return SocketStatusService.get_connections(state=state, limit=1000)


FUNCTIONS = {
    it.__name__: it
    for it in (
        *(opens, closes, is_rejected, where, said, answers, walks, happened),
        *(disconnects, drains, history),
    )
}


def reap(*_: object) -> None:
    """Let the system forget each process that has ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def forked(asked: socket.socket) -> socket.socket | None:
    """Return the connection of a process that was forked; ``None`` in the first one."""
    signal.signal(signal.SIGCHLD, reap)
    while True:
        text, ends, _, _ = socket.recv_fds(asked, 65536, 1)
        if not text:
            return None
        if pid := os.fork():
            os.close(*ends)
            asked.send(b"%d" % pid)
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        settings.SOCKET_STATUS = json.loads(text)
        return socket.socket(fileno=ends[0])


def answer(connection: socket.socket) -> None:
    """Answer each line, until the test sends no more."""
    with connection.makefile("rw") as lines:
        for line in iter(lines.readline, ""):
            name, *arguments = json.loads(line)
            print(json.dumps(FUNCTIONS[name](*arguments), default=str), file=lines)
            lines.flush()


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as asked:
        connection = forked(asked)
    if connection is not None:
        with connection:
            answer(connection)
