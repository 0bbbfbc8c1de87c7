"""Consumers that do as they are told, in text messages such as ``close 4001 enough``.

How a handshake goes is told in the query string, such as ``?reject`` or ``?raise``.
Anything else that is sent comes back.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import json
import multiprocessing
import os
import time
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer

from django_socket_status.consumers import SocketStatusMixin

TICK_SECONDS = POLL_SECONDS = 0.02
#: Several heartbeats' worth, and more than Daphne waits; a server must be able to end.
PUSHES = 400
#: The extension for that (ASGI specification, "WebSocket Denial Response").
DENIAL = "websocket.http.response"
DENIED_WITH = 418
#: Longer than a client takes to go away.
SLOW_SECONDS = 2.0


class ToldToRaiseError(Exception):
    """Raised by a consumer that was told to."""


def words(text: str) -> tuple[str, str, str]:
    """Return the three words of a command; those that are missing are empty."""
    command, one, two, *_ = [*text.split(" ", 2), "", "", ""]
    return command, one, two


class AsyncRoomConsumer(SocketStatusMixin, AsyncWebsocketConsumer):
    async def connect(self) -> None:
        match self.scope["query_string"]:
            case b"reject":
                return await self.close()
            case b"raise":
                raise ToldToRaiseError
            case b"slow":
                await asyncio.sleep(SLOW_SECONDS)
            case b"hold":
                await hold_handshake()
        await self.accept()

    async def receive(self, text_data: str = "", bytes_data: bytes = b"") -> None:
        match words(text_data):
            case "sleep", seconds, _:
                await asyncio.sleep(float(seconds))
            case "block", seconds, _:
                time.sleep(float(seconds))  # noqa: ASYNC251 - as bad consumers do
            case "raise", _, _:
                raise ToldToRaiseError
            case "close", code, reason:
                return await self.close(code=int(code), reason=reason or None)
            case "return", _, _:
                raise StopConsumer
            case "label", _, _:
                self.update_socket_status_labels(told="yes")
            case ("fork" | "clock") as what, one, two:
                OF_THE_PROCESS[what](one, two)
            case "wait", what, _:
                await until_released(what)
            case "rest", what, _:
                return await until_released(what)
        await self.send(text_data=reply(text_data))


class SyncRoomConsumer(SocketStatusMixin, WebsocketConsumer):
    def connect(self) -> None:
        match self.scope["query_string"]:
            case b"reject":
                return self.close()
            case b"raise":
                raise ToldToRaiseError
        self.accept()

    def receive(self, text_data: str = "", bytes_data: bytes = b"") -> None:
        match words(text_data):
            case "sleep", seconds, _:
                time.sleep(float(seconds))
            case "raise", _, _:
                raise ToldToRaiseError
            case "close", code, reason:
                return self.close(code=int(code), reason=reason or None)
            case "return", _, _:
                raise StopConsumer
            case "wait", what, _:
                while not has_come(what):
                    time.sleep(POLL_SECONDS)
        self.send(text_data=reply(text_data))


class NotedConsumer(AsyncRoomConsumer):
    """Write down what the server lets the consumer know of the end."""

    @property
    def room(self) -> str:
        room: str = self.scope["url_route"]["kwargs"]["room"]
        return room

    async def receive(self, text_data: str = "", bytes_data: bytes = b"") -> None:
        note(self.room, "began")
        try:
            await super().receive(text_data)
        except BaseException as error:
            note(self.room, "raised", type(error).__name__)
            raise
        note(self.room, "returned")

    async def websocket_disconnect(self, message: Any) -> None:
        note(self.room, "heard", message["code"], message.get("reason") or "")
        touch(f"{self.room}-heard")
        await super().websocket_disconnect(message)

    async def disconnect(self, code: int) -> None:
        note(self.room, "disconnect")


async def bare_room(scope: Any, receive: Any, send: Any) -> None:
    """Serve a room as an ASGI application without a framework."""
    query = scope["query_string"]
    await receive()
    if query == b"return":
        return
    if query == b"deny":
        return await deny(send, has_extension=DENIAL in scope.get("extensions", {}))
    if query == b"late":
        return await wait_for_the_end(receive)
    await send({"type": "websocket.accept"})
    await serve_room(query, receive, send)


async def serve_room(query: bytes, receive: Any, send: Any) -> None:
    """Do what the client says, as the query wants it."""
    if query == b"flood":
        # A client that does not read blocks the server.
        await flood(send)
    if query in (b"push", b"deaf"):
        await push(send, deaf=query == b"deaf")
    while (message := await receive())["type"] == "websocket.receive":
        text = message["text"]
        match words(text):
            case "sleep", seconds, _:
                await asyncio.sleep(float(seconds))
            case "return", _, _:
                return
            case "raise", _, _:
                raise ToldToRaiseError
            case "close", code, _:
                await send({"type": "websocket.close", "code": int(code)})
                continue
        await send({"type": "websocket.send", "text": reply(text)})


async def wait_for_the_end(receive: Any) -> None:
    """Let a handshake wait until its client is gone; leave a file that it began."""
    touch("handshake")
    await receive()


async def hold_handshake() -> None:
    """Let a handshake wait until a test lets it go on; leave a file that it began."""
    touch("handshake")
    await until_released("accept")


def touch(name: str) -> None:
    """Make a file for a test."""
    Path(os.environ["TMPDIR"], name).touch()


def has_come(name: str) -> bool:
    """Return whether a test has made a file."""
    return Path(os.environ["TMPDIR"], name).exists()


async def until_released(name: str) -> None:
    """Wait until a test makes a file."""
    while not has_come(name):  # noqa: ASYNC110 - a test makes it
        await asyncio.sleep(POLL_SECONDS)


def note(room: str, *what: object) -> None:
    """Write a line into a file of the site."""
    with Path(os.environ["TMPDIR"], "notes").open("a") as file:
        file.write(json.dumps([room, *what]) + "\n")


async def deny(send: Any, *, has_extension: bool) -> None:
    """Reject a handshake, with another status if the server can send one."""
    if not has_extension:
        return await send({"type": "websocket.close"})
    await send({"type": f"{DENIAL}.start", "status": DENIED_WITH, "headers": []})
    await send({"type": f"{DENIAL}.body", "body": b"denied"})


async def push(send: Any, *, deaf: bool) -> None:
    """Send, and never receive: only ``send`` can tell that the client left."""
    for _ in range(PUSHES):
        with contextlib.suppress(OSError if deaf else ()):
            await send({"type": "websocket.send", "text": "tick"})
        await asyncio.sleep(TICK_SECONDS)


async def flood(send: Any) -> None:
    """Send more than the buffers of a socket hold, until ``send`` raises.

    Leaves a file when ``send`` blocks, or has taken everything.
    """
    with contextlib.suppress(OSError):
        for _ in range(400):
            # Called off if it is done before: at once, or when the kernel has room.
            timer = asyncio.get_running_loop().call_later(0.3, touch, "blocked")
            await send({"type": "websocket.send", "text": "x" * 65_536})
            timer.cancel()
    touch("blocked")


def reply(text: str) -> str:
    """Return what comes back: with ``who``, which process this is."""
    return json.dumps({"pid": os.getpid()}) if text == "who" else text


def fork(how: str, path: str) -> None:
    """Fork this process; the child writes its pid to a file.

    It then ends at once through the exit handlers, as a script that calls ``sys.exit``
    would, or stays until it is killed.
    """
    with warnings.catch_warnings():
        # That a process with threads should not fork is what this is about.
        warnings.simplefilter("ignore")
        if how == "stay":
            context = multiprocessing.get_context("fork")
            context.Process(target=_stay, args=(path,), daemon=True).start()
            return
        # It would complain, in the exit handlers, of children that are not its own.
        multiprocessing.active_children()
        if not os.fork():
            atexit._run_exitfuncs()
            _write_pid(path)
            os._exit(0)


def set_clock(seconds: str, _: str) -> None:
    """Make the clock of this process wrong by so many seconds."""
    # Its import replaces the clock.
    import_module("tests.servers.project.wrong_clock").set_wrong(float(seconds))


#: What the process is told, and not the consumer.
OF_THE_PROCESS = {"fork": fork, "clock": set_clock}


def _stay(path: str) -> None:
    _write_pid(path)
    time.sleep(60)


def _write_pid(path: str) -> None:
    with open(f"{path}.new", "w") as file:
        file.write(str(os.getpid()))
    os.rename(f"{path}.new", path)
