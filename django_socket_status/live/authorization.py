"""Checks by ``SUMMARY_ACCESS`` whether a client may listen, at the handshake and later.

The rule takes an HTTP request, so :mod:`.handshake` makes one of the scope. It runs on
one of two threads: one for new clients and one for listeners, so that a flood of
handshakes cannot delay the check that keeps a listener connected. Neither is the thread
that all sync code of the process shares. A thread answers the handshakes that wait in
batches and then closes its database connections, so listeners hold no connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import enum
import functools
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

from asgiref.sync import async_to_sync
from django.db import connections
from django.http import HttpRequest

from django_socket_status.access import PUBLIC, is_allowed
from django_socket_status.asgi import Scope
from django_socket_status.concurrency.daemon_executor import (
    DaemonExecutor,
    QueueFullError,
)
from django_socket_status.concurrency.forks import after_fork
from django_socket_status.concurrency.turns import Turns, TurnsFullError
from django_socket_status.conf import get_settings
from django_socket_status.live.failures import FailureLog
from django_socket_status.live.handshake import has_session_cookie, request_of
from django_socket_status.users import user_id_of

__all__ = [
    "BATCH_SIZE",
    "Answer",
    "Client",
    "Decision",
    "client_without_rule",
    "decide",
    "decide_again",
    "reset",
]

#: The most handshakes that wait: all listeners of a process that was restarted.
MAX_WAITING = 10_000
#: The most that wait from one address, which may be a proxy's and so of many clients.
MAX_WAITING_OF_ADDRESS = 2_000
#: The size of a batch, after which the thread closes its database connections.
BATCH_SIZE = 50
#: Seconds that a client waits. Daphne gives up on a handshake after five.
ANSWER_SECONDS = 4.0

failures = FailureLog("SUMMARY_ACCESS failed for a client of live push.")


class Decision(enum.Enum):
    """Whether a client may listen."""

    ALLOWED = "allowed"
    SIGN_IN = "sign in"
    FORBIDDEN = "forbidden"
    #: There was no answer in time.
    BUSY = "busy"
    #: The rule raised.
    UNKNOWN = "unknown"


class Client(NamedTuple):
    """The user, or else the address, that the listener limits count."""

    user_id: str | None
    address: str


Answer = tuple[Decision, Client]


@dataclasses.dataclass(slots=True, eq=False)
class _PendingHandshake:
    """A WebSocket handshake that waits for its decision."""

    scope: Scope
    address: str
    future: Future[Answer] = dataclasses.field(default_factory=Future)
    request: HttpRequest | None = None

    def answer(self, decision: Decision, user_id: str | None = None) -> None:
        address = self.address if user_id is None else ""
        self.future.set_result((decision, Client(user_id, address)))


async def decide(scope: Scope) -> Answer:
    """Return whether the client of a WebSocket scope may listen, and the client.

    Raises nothing: if the rule raises, the error is logged and the client is refused.
    Addresses take turns, so a flood from one address does not delay other addresses.
    """
    return await _ask(_newcomers, scope)


async def decide_again(scope: Scope) -> Answer:
    """Return whether a listener may stay connected, as :func:`decide`.

    It does not wait for new clients, however many there are.
    """
    return await _ask(_listeners, scope)


async def _ask(authorizer: _Authorizer, scope: Scope) -> Answer:
    address = _address_of(scope)
    if get_settings().summary_access == PUBLIC:
        return Decision.ALLOWED, Client(None, address)
    handshake = _PendingHandshake(scope, address)
    try:
        authorizer.submit(handshake)
    except (TurnsFullError, RuntimeError):
        # Too many handshakes wait, or the process cannot start a thread.
        handshake.future.cancel()
        return Decision.BUSY, Client(None, address)
    answer = asyncio.wrap_future(handshake.future)
    try:
        # Not wait_for: before Python 3.12 it may lose a cancellation.
        await asyncio.wait({answer}, timeout=ANSWER_SECONDS)
    finally:
        answer.cancel()
    if answer.cancelled():
        return Decision.BUSY, Client(None, address)
    return answer.result()


def client_without_rule(scope: Scope) -> Client | None:
    """Return the client of a handshake; ``None`` if only a query can identify it.

    A handshake with neither a session cookie nor a user in its scope has no user.
    """
    if get_settings().summary_access != PUBLIC and (
        has_session_cookie(scope) or scope.get("user") is not None
    ):
        return None
    return Client(None, _address_of(scope))


def _address_of(scope: Scope) -> str:
    client = scope.get("client") or ("",)
    return str(client[0])


class _Authorizer:
    """Decides about handshakes on one thread, in batches."""

    def __init__(self, name: str) -> None:
        # One call that waits is enough: it answers all handshakes that wait then.
        self._executor = DaemonExecutor(name, 1)
        self._waiting: Turns[_PendingHandshake] = Turns()

    def reset(self) -> None:
        """Forget the handshakes that wait and end the thread, as in a forked child."""
        self._executor.reset()
        self._waiting = Turns()

    def submit(self, handshake: _PendingHandshake) -> None:
        """Queue a handshake; its future gets the answer.

        Raises:
            TurnsFullError: too many handshakes wait, in all or from this address.
            RuntimeError: the interpreter is shutting down, or has no thread left.
        """
        after_fork(self.reset)
        waiting = self._waiting
        waiting.put(
            handshake.address,
            handshake,
            most=MAX_WAITING,
            most_of_key=MAX_WAITING_OF_ADDRESS,
        )
        # If the queue is full, a call that has not begun finds this handshake.
        with contextlib.suppress(QueueFullError):
            self._executor.submit(functools.partial(self._answer_all, waiting))

    def _answer_all(self, waiting: Turns[_PendingHandshake]) -> None:
        while handshakes := _next_batch(waiting):
            try:
                # Who it is is looked up here, where no event loop forbids a query.
                prepared = [
                    handshake for handshake in handshakes if _prepare(handshake)
                ]
                if prepared:
                    async_to_sync(_judge_all)(prepared)
            finally:
                connections.close_all()


def _next_batch(waiting: Turns[_PendingHandshake]) -> list[_PendingHandshake]:
    """Return some of the handshakes whose clients still wait, in their turns."""
    batch: list[_PendingHandshake] = []
    while len(batch) < BATCH_SIZE and (handshake := waiting.take()) is not None:
        if handshake.future.set_running_or_notify_cancel():
            batch.append(handshake)
    return batch


_newcomers = _Authorizer("django-socket-status-access")
_listeners = _Authorizer("django-socket-status-listeners")


def reset() -> None:
    """Forget all handshakes that wait, failures and threads, for tests."""
    failures.reset()
    _newcomers.reset()
    _listeners.reset()


def _prepare(handshake: _PendingHandshake) -> bool:
    try:
        handshake.request = request_of(handshake.scope)
    except Exception as error:  # noqa: BLE001 - the project's rule
        failures.note(error)
        handshake.answer(Decision.UNKNOWN)
        return False
    return True


async def _judge_all(handshakes: Sequence[_PendingHandshake]) -> None:
    # Concurrently, because an asynchronous rule may wait for I/O.
    await asyncio.gather(*map(_judge, handshakes))


async def _judge(handshake: _PendingHandshake) -> None:
    request: Any = handshake.request
    user = getattr(request, "user", None)
    try:
        if await is_allowed(request):
            decision = Decision.ALLOWED
        elif user is None or user.is_authenticated:
            decision = Decision.FORBIDDEN
        else:
            decision = Decision.SIGN_IN
        user_id = user_id_of(user)
    except Exception as error:  # noqa: BLE001 - the project's rule
        failures.note(error)
        handshake.answer(Decision.UNKNOWN)
    else:
        handshake.answer(decision, user_id)
