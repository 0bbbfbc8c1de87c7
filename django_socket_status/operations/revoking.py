"""Hands over to the workers which sessions and users have lost their access.

A view only queues what happened. One thread of this package makes commands of what
waits: the first one at once, and those of the next second together, since a store
has room for a hundred commands. While the backend is down, the thread tries again until
the command would have expired.
"""

from __future__ import annotations

import atexit
import collections
import contextlib
import dataclasses
import logging
import os
import secrets
import threading
from collections.abc import Sequence

from django_socket_status.activity.stored import Command
from django_socket_status.backends import get_backend
from django_socket_status.concurrency.clock import monotonic, wall_clock
from django_socket_status.concurrency.daemon_executor import (
    Call,
    DaemonExecutor,
    QueueFullError,
    result,
)
from django_socket_status.concurrency.forks import after_fork
from django_socket_status.conf import get_settings
from django_socket_status.control.revocation import (
    SessionEnd,
    UserEnd,
    packed,
)
from django_socket_status.exceptions import NotKeptError, SocketStatusError
from django_socket_status.operations import audit
from django_socket_status.operations.commanding import give
from django_socket_status.reporter.thread import reporter

__all__ = ["EXPIRES_SECONDS", "Revoker", "revoker"]

logger = logging.getLogger("django_socket_status")

#: For how long workers receive a command, and it concerns what opens.
EXPIRES_SECONDS = 60.0
#: The least that is left of it after retries.
LEAST_SECONDS = 5.0
#: Between two commands of this process; and if the store has room for few others.
PAUSE_SECONDS, CROWDED_SECONDS = 1.0, 5.0
#: Of the hundred commands that a store keeps.
CROWD = 50
#: The most ends that wait, about 10 MB.
MAX_WAITING = 10_000
#: How long the end of the process waits.
GOODBYE_SECONDS = 1.0


@dataclasses.dataclass(frozen=True, slots=True)
class _Waiting:
    """What happened, and when."""

    end: SessionEnd | UserEnd
    at: float

    def told(self, now: float) -> SessionEnd | UserEnd:
        """Return the end as the command has it."""
        if isinstance(self.end, SessionEnd):
            return self.end
        return dataclasses.replace(self.end, ago_seconds=max(0.0, now - self.at))


class _State:
    """What a thread works on, until the next reset."""

    def __init__(self) -> None:
        self.queue: collections.deque[_Waiting] = collections.deque()
        #: Taken from the queue and executed here, and not given to the backend yet.
        self.unsent: list[_Waiting] = []
        #: Set to end the thread, or to make it hurry.
        self.interrupt = threading.Event()
        self.call: Call[None] | None = None
        self.has_failed = self.has_overflowed = False


class Revoker:
    """Queues ends, and makes commands of them on a thread of its process."""

    def __init__(self) -> None:
        self._executor = DaemonExecutor("django-socket-status-close-on", 1)
        self._watches_process = False
        self._state = _State()

    def reset(self) -> None:
        """Forget what waits, and end the thread, as in a forked child."""
        before, self._state = self._state, _State()
        self._watches_process = False
        before.queue.clear()
        before.unsent = []
        self._executor.reset()
        before.interrupt.set()

    def put(self, end: SessionEnd | UserEnd) -> None:
        """Queue what happened. From any thread; does not wait, and does no I/O.

        Raises:
            RuntimeError: the interpreter is ending, or is out of threads.
        """
        state = self._state
        if len(state.queue) >= MAX_WAITING:
            return _tell_of_overflow(state)
        state.queue.append(_Waiting(end, monotonic()))
        self._watch_process()
        # A call that waits already finds this end.
        with contextlib.suppress(QueueFullError):
            state.call = self._executor.submit(lambda: _run(state))

    def _watch_process(self) -> None:
        if not self._watches_process:
            self._watches_process = True
            atexit.register(self._at_exit, os.getpid())

    def _at_exit(self, pid: int) -> None:
        """Let a short command hand over what it did, such as to deactivate a user."""
        state = self._state
        if pid == os.getpid() and state.call is not None:
            state.interrupt.set()
            with contextlib.suppress(Exception):
                result(state.call, GOODBYE_SECONDS)


def _run(state: _State) -> None:
    while True:
        _take(state)
        if not state.unsent:
            return
        given = _give(state)
        del state.unsent[:given]
        if state.interrupt.is_set() and not given:
            return
        state.interrupt.wait(_pause(is_failing=not given))


def _take(state: _State) -> None:
    """Take what waits, drop what has expired, and execute here what is new."""
    new = []
    while state.queue:
        new.append(state.queue.popleft())
    oldest = monotonic() - EXPIRES_SECONDS
    state.unsent = [it for it in (*state.unsent, *new) if it.at > oldest]
    _execute_here(new)


def _execute_here(left: Sequence[_Waiting]) -> None:
    """Execute at once what the backend may hand over later."""
    while left:
        now = monotonic()
        order, number = packed([it.told(now) for it in left], EXPIRES_SECONDS)
        reporter.sender.execute(secrets.token_hex(8), order, now)
        left = left[number:]


def _give(state: _State) -> int:
    """Give a command with the first ends that wait; return how many of them."""
    now, waiting = monotonic(), state.unsent
    seconds = max(LEAST_SECONDS, EXPIRES_SECONDS - (now - waiting[0].at))
    order, number = packed([it.told(now) for it in waiting], seconds)
    command = Command(secrets.token_hex(8), order.to_text(), seconds)
    try:
        give(get_backend(), command)
    except NotKeptError as error:
        _tell_of_failure(state, error)
        return len(waiting)
    except Exception as error:  # noqa: BLE001 - a third party's backend
        _tell_of_failure(state, error)
        return 0
    if state.has_failed:
        state.has_failed = False
        logger.info("What lost its access is handed over to the workers again.")
    audit.revoked(command.command_id, order)
    return number


def _pause(*, is_failing: bool) -> float:
    if is_failing:
        return min(get_settings().heartbeat_seconds, CROWDED_SECONDS)
    try:
        now = wall_clock()
        current = sum(
            now - it.given_at < it.command.expires_seconds
            for it in get_backend().read_commands()
        )
    except Exception:  # noqa: BLE001 - a third party's backend
        return PAUSE_SECONDS
    return PAUSE_SECONDS if current < CROWD else CROWDED_SECONDS


def _tell_of_overflow(state: _State) -> None:
    if not state.has_overflowed:
        state.has_overflowed = True
        logger.warning(
            "Sockets of sessions and users that lost their access may stay open: "
            "%d of them wait to be handed over to the workers already.",
            MAX_WAITING,
        )


def _tell_of_failure(state: _State, error: Exception) -> None:
    """Log one warning per outage."""
    if state.has_failed:
        return
    state.has_failed = True
    is_final = isinstance(error, NotKeptError)
    logger.warning(
        "Sockets of sessions and users that lost their access stay open in other "
        "processes; %s: %s",
        "it is not tried again" if is_final else _RETRIES,
        error,
        exc_info=None if isinstance(error, SocketStatusError) else error,
    )


_RETRIES = f"it is tried again for {EXPIRES_SECONDS:g} seconds"

#: The queue of this process.
revoker = Revoker()
after_fork(revoker.reset)
