"""Closes connections of the deployment, and says what became of each.

The caller's own process executes the command at once. The others receive it with the
answer to their next report, and their results come back with the reports after it.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from django_socket_status.control.results import DisconnectResult
from django_socket_status.control.selector import selector_of, verify_text
from django_socket_status.control.texts import DisconnectOrder, valid_close
from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.operations import audit
from django_socket_status.operations.commanding import Commanding
from django_socket_status.registry.lifecycle import LiveConnection
from django_socket_status.reporter.sync_thread import is_sync_thread
from django_socket_status.status.arguments import LabelValue, UserOrKey, query_of
from django_socket_status.status.reader import status_reader

__all__ = [
    "adisconnect",
    "carry_out",
    "disconnect",
    "disconnect_order",
    "verify_no_loop",
]


def disconnect(
    *,
    connection_ids: Collection[str] = (),
    user: UserOrKey | None = None,
    type: str | None = None,
    labels: Mapping[str, LabelValue] | None = None,
    worker: str | None = None,
    release: str | None = None,
    all: bool = False,
    keep: Collection[str] = (),
    code: int = 4000,
    reason: str = "",
    rate: float | None = None,
    wait_seconds: float = 5.0,
    dry_run: bool = False,
    requested_by: str = "",
) -> DisconnectResult:
    """Close connections, wait for their ends, and return what became of each.

    Closes the connections that match all selectors and were open at the time of the
    call, also while their applications are stuck. One that opens later is spared. A
    connection leaves the counts when its server has taken the close. The connections
    of this process are closed at once, the others within a heartbeat.

    Do not call it on an event loop. On the thread of sync consumers, it does not wait
    for the applications of this process, which may need that thread: such connections
    are ``sent`` in the result. :meth:`get_command` tells what became of them.

    Args:
        connection_ids: Only connections with these ids.
        user: Only those of this user, or of the user with this primary key.
        type: Only those of this type.
        labels: Only those with all of these labels.
        worker: Only those of the worker with this id.
        release: Only those of workers with this release.
        all: Whether to close every connection of the deployment.
        keep: The ids of connections that stay open.
        code: The close code: 1000, 1012, or from 3000 to 4999. Daphne cannot send
            1012; its clients get 4012.
        reason: At most 123 bytes of UTF-8. Daphne does not send it.
        rate: The most closes per second of each worker; by default some thousands. More
            than fit into ``wait_seconds`` go on after the return, for up to an hour.
        wait_seconds: How long to wait for the ends; at most 60 seconds. A server that
            has not taken a close by then is not waited for: the close is given up.
            A close that had to wait for its turn still goes out, for a minute.
        dry_run: Whether only to count: the result has all matches as ``unsent``.
        requested_by: Who asked for it, for signals and the log.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument breaks a rule, or nothing is selected.
        RuntimeError: an event loop runs in this thread: await :meth:`adisconnect`.
        StatusUnavailableError: the backend fails, does not answer in time, or has 100
            commands that have not expired. Some workers may have got the command.
        NotKeptError: the backend cannot pass commands to other workers.
    """
    verify_no_loop("disconnect()", "adisconnect()")
    arguments = locals()
    return carry_out(disconnect_order(**{name: arguments[name] for name in _NAMES}))


def carry_out(
    order: DisconnectOrder,
    show: Callable[[DisconnectResult], object] = lambda result: None,
) -> DisconnectResult:
    """Give an order, wait for the ends, and return what became of each connection.

    Args:
        order: What :func:`disconnect` is to do.
        show: Called with the result so far, each time after a look at it.

    Raises:
        StatusUnavailableError: as :func:`disconnect`.
    """
    commanding = Commanding(order)
    audit.requested(commanding.command_id, order)
    status_reader.ask(commanding.give)
    # Not before: the executor of a new thread does not know it at once.
    commanding.own = None if is_sync_thread() else frozenset()
    for pause in commanding.pauses():
        time.sleep(pause)
        if commanding.waits_for_others:
            with contextlib.suppress(StatusUnavailableError):
                status_reader.ask(commanding.look)
        show(commanding.result())
    if not commanding.is_certain:
        with contextlib.suppress(StatusUnavailableError):
            status_reader.ask(commanding.count_lost, searches=True)
    result = commanding.result()
    audit.finished(order, result)
    return result


async def adisconnect(
    *,
    connection_ids: Collection[str] = (),
    user: UserOrKey | None = None,
    type: str | None = None,
    labels: Mapping[str, LabelValue] | None = None,
    worker: str | None = None,
    release: str | None = None,
    all: bool = False,
    keep: Collection[str] = (),
    code: int = 4000,
    reason: str = "",
    rate: float | None = None,
    wait_seconds: float = 5.0,
    dry_run: bool = False,
    requested_by: str = "",
) -> DisconnectResult:
    """Close connections, as :meth:`disconnect`.

    A handler of a consumer may close its own connection, too: that one is ``sent`` in
    the result, since it cannot end before the handler goes on.
    """
    arguments = locals()
    order = disconnect_order(**{name: arguments[name] for name in _NAMES})
    commanding = Commanding(order)
    commanding.own = frozenset(_callers())
    await audit.arequested(commanding.command_id, order)
    await status_reader.aask(commanding.give)
    for pause in commanding.pauses():
        await asyncio.sleep(pause)
        if commanding.waits_for_others:
            with contextlib.suppress(StatusUnavailableError):
                await status_reader.aask(commanding.look)
    if not commanding.is_certain:
        with contextlib.suppress(StatusUnavailableError):
            await status_reader.aask(commanding.count_lost, searches=True)
    result = commanding.result()
    await audit.afinished(order, result)
    return result


_NAMES = tuple(inspect.signature(disconnect).parameters)


def disconnect_order(
    *,
    connection_ids: Collection[str],
    user: UserOrKey | None,
    type: str | None,
    labels: Mapping[str, LabelValue] | None,
    worker: str | None,
    release: str | None,
    all: bool,
    keep: Collection[str],
    **how: Any,
) -> DisconnectOrder:
    """Return the order for the arguments of :func:`disconnect`.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument breaks a rule, or nothing is selected.
    """
    verify_text("type", type)
    selector = selector_of(
        query_of(type=type, user=user, labels=labels),
        connection_ids=connection_ids,
        labels=labels,
        worker=worker,
        release=release,
        all=all,
        keep=keep,
    )
    return DisconnectOrder(selector=selector, **valid_close(**how))


def verify_no_loop(name: str, other: str) -> None:
    """Verify that a function may wait in this thread.

    Raises:
        RuntimeError: an event loop runs in it.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError(
        f"{name} waits, and would block the event loop that has to close the "
        f"connections. On an event loop, await {other}."
    )


def _callers() -> Iterator[LiveConnection]:
    """Yield the connections whose applications have called this function."""
    frame = inspect.currentframe()
    while frame is not None:
        # The entry points, the mixin and the middleware, have it under this name.
        known = frame.f_locals.get("connection")
        if isinstance(known, LiveConnection):
            yield known
        frame = frame.f_back
