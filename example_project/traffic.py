"""Simulated visitors: real WebSocket clients that come, talk a while and leave.

A seed decides what each of them does, so that two runs are alike. There are never more
than asked for, and each holds at most two WebSockets.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import random
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from example_project.demo import CONSULTANT, CUSTOMER, STAFF, VISITORS

ROOMS = ("blue", "green", "amber")
PHRASES = ("good morning", "can you hear me?", "one moment, please", "thank you")

PAUSE_SECONDS = (0.2, 4.0)
STAY_SECONDS = (1.0, 15.0)
BETWEEN_WORDS_SECONDS = (0.3, 2.0)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What one visitor does."""

    #: The user who comes; ``None`` for an anonymous visitor.
    user: str | None
    #: The WebSockets that the visitor holds, as path and query.
    paths: Sequence[str]
    stay_seconds: float
    #: Whether the visitor's line is cut, instead of a closing handshake.
    is_cut_off: bool


def plan(rng: random.Random) -> Visit:
    """Make up a visit."""
    user = rng.choice((None, None, CUSTOMER, *VISITORS, CONSULTANT, STAFF))
    call = f"/ws/call/{rng.choice(ROOMS)}/"
    role = "consultant" if user in {CONSULTANT, STAFF} else "customer"
    room = f"/ws/stt/room/?{urlencode({'role': role, 'name': user or 'guest'})}"
    choices = [(call,), (call, room), (room,), ("/ws/stt/",)]
    if user in {CONSULTANT, STAFF}:
        choices += [("/ws/stt/sales/",), (call, "/ws/stt/sales/")]
    if user == STAFF or rng.random() < 0.05:
        # Some visitors try a WebSocket that rejects them.
        choices = [("/ws/stt/admin/",), (call, "/ws/stt/admin/")]
    return Visit(
        user=user,
        paths=rng.choice(choices),
        stay_seconds=rng.uniform(*STAY_SECONDS),
        is_cut_off=rng.random() < 0.2,
    )


async def run(
    origin: str, sessions: Mapping[str, str], *, visitors: int, seed: int
) -> None:
    """Keep up to ``visitors`` of them coming to ``origin``, until cancelled."""
    await asyncio.gather(
        *(
            come_and_go(origin, sessions, random.Random(f"{seed}/{number}"))
            for number in range(visitors)
        )
    )


async def come_and_go(
    origin: str, sessions: Mapping[str, str], rng: random.Random
) -> None:
    """Make one visit after the other."""
    while True:
        await asyncio.sleep(rng.uniform(*PAUSE_SECONDS))
        visit = plan(rng)
        try:
            await make(visit, origin, sessions, rng)
        except (OSError, WebSocketException):
            # Refused, closed by the site, or the site is on its way down.
            continue


async def make(
    visit: Visit, origin: str, sessions: Mapping[str, str], rng: random.Random
) -> None:
    """Open the WebSockets of a visit, talk on them, and leave."""
    headers = {}
    if visit.user is not None:
        headers["Cookie"] = f"sessionid={sessions[visit.user]}"
    async with AsyncExitStack() as stack:
        sockets = [
            await stack.enter_async_context(
                connect(
                    origin.replace("http", "ws", 1) + path,
                    origin=origin,  # type: ignore[arg-type]
                    additional_headers=headers,
                    proxy=None,
                )
            )
            for path in visit.paths
        ]
        talks = [asyncio.ensure_future(talk(socket, rng)) for socket in sockets]
        try:
            # A talk ends before its time only when the site ends it.
            await asyncio.wait(
                talks, timeout=visit.stay_seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for ending in talks:
                ending.cancel()
            await asyncio.gather(*talks, return_exceptions=True)
        if visit.is_cut_off:
            for socket in sockets:
                socket.transport.abort()


async def talk(socket: ClientConnection, rng: random.Random) -> None:
    """Say something at intervals, and listen all the time."""
    listening = asyncio.ensure_future(listen(socket))
    try:
        while True:
            await asyncio.sleep(rng.uniform(*BETWEEN_WORDS_SECONDS))
            await socket.send(json.dumps(rng.choice(PHRASES)))
    finally:
        listening.cancel()


async def listen(socket: ClientConnection) -> None:
    """Take what comes, so that the site never has to wait for this visitor."""
    with suppress(ConnectionClosed):
        async for _ in socket:
            pass
