"""Selecting the connections of one user, or of a session, among those of a worker.

It takes the reporter's time, in which the worker reports nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from time import thread_time_ns as cpu
from typing import Any

from benchmarks.options import Options
from benchmarks.results import Goal, Row
from benchmarks.rounds import take_turns
from django_socket_status.control.matching import matching
from django_socket_status.control.openings import Openings
from django_socket_status.control.revocation import RevocationOrder, SessionEnd
from django_socket_status.control.revocations import Revocations
from django_socket_status.control.selector import Selector
from django_socket_status.control.session_keys import keyed_hashes
from django_socket_status.records import ConnectionQuery, OpenedConnection
from django_socket_status.registry.lifecycle import OPEN, LiveConnection
from django_socket_status.registry.registry import Registry

__all__ = ["run"]

#: In milliseconds.
GOAL = Goal(1.0, of="value")

#: How many connections each user has.
SOCKETS = (1, 3)


def run(options: Options) -> Iterator[Row]:
    """Select one user, one type, and one session that has no connection here."""
    size = options.size(100_000, 300)
    for sockets in SOCKETS:
        registry = _filled(size, sockets)
        measures: dict[str, Callable[[], float]] = {
            "a user": functools.partial(
                _select, registry, ConnectionQuery(user_id="7")
            ),
            "a session": functools.partial(_sign_out, registry),
            "a type": functools.partial(_select, registry, ConnectionQuery(type="x")),
        }
        samples = take_turns(measures, options.rounds)
        for name, found in samples.items():
            yield Row(
                benchmark="select",
                setting=f"{size:,} connections, {sockets} of each user",
                contestant=name,
                value=max(found),
                unit="ms",
                goal=GOAL if name != "a type" else None,
            )


def _filled(size: int, sockets: int) -> Registry:
    registry = Registry()
    for number in range(size):
        connection = LiveConnection()
        connection.scope = {"user": str(number // sockets), "headers": []}
        connection.state, connection.phase = OPEN, 0
        connection.number, connection.opened_at = 0, 1.0
        connection.counted_user = 0.5
        connection.source = connection.overrides = connection.loop = None
        registry.intake.opened(connection)
    registry.drain(_describe)
    return registry


def _describe(connection: LiveConnection) -> OpenedConnection:
    scope: Any = connection.scope
    return OpenedConnection(
        connection.number, "call", "/ws/", scope["user"], {}, connection.opened_at
    )


def _select(registry: Registry, query: ConnectionQuery) -> float:
    selector = Selector(query=query).of_worker("worker", "")
    assert selector is not None
    began = cpu()
    matching(registry, selector, lambda number, opened_at: True, _describe)
    return (cpu() - began) / 1e6


def _sign_out(registry: Registry) -> float:
    revocations = Revocations(registry, Openings())
    end = SessionEnd(hashes=keyed_hashes("a session"), user_id="7")
    began = cpu()
    revocations.take(RevocationOrder(sessions=(end,), seconds=60.0), 0.0)
    return (cpu() - began) / 1e6
