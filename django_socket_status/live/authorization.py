"""Checks by ``SUMMARY_ACCESS`` whether a client may listen, at the handshake and later.

The rule takes an HTTP request, so :mod:`.handshake` makes one of the scope. The rule
runs on one of two threads: one for new clients and one for listeners, so that a flood
of handshakes cannot delay the check that keeps a listener connected. Neither is the
thread that all sync code of the process shares. After each batch of clients, a thread
closes its database connections, so that none stays open for the listeners.
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
    "client_without_query",
    "decide",
    "decide_again",
    "reset",
]

#: The most clients that wait: all listeners of a process that was restarted.
MAX_WAITING = 10_000
#: The most that wait from one address, which may be a proxy's and so of many clients.
MAX_WAITING_OF_ADDRESS = 2_000
#: The size of a batch, after which the thread closes its database connections.
BATCH_SIZE = 50
#: Seconds that a client waits. Daphne gives up on a handshake after five.
ANSWER_SECONDS = 4.0

failures = FailureLog("SUMMARY_ACCESS failed for a client of live push.")


class Decision(enum.Enum):
    """Whether a client may listen: receive live push."""

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
class _Applicant:
    """A client that waits for a decision: a new one, or a listener."""

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
    applicant = _Applicant(scope, address)
    try:
        authorizer.submit(applicant)
    except (TurnsFullError, RuntimeError):
        # Too many clients wait, or the process cannot start a thread. Then this one is
        # queued: do not answer it later.
        applicant.future.cancel()
        return Decision.BUSY, Client(None, address)
    answer = asyncio.wrap_future(applicant.future)
    try:
        # Not wait_for: before Python 3.12 it may lose a cancellation.
        await asyncio.wait({answer}, timeout=ANSWER_SECONDS)
    finally:
        answer.cancel()
    if answer.cancelled():
        return Decision.BUSY, Client(None, address)
    return answer.result()


def client_without_query(scope: Scope) -> Client | None:
    """Return the client of a handshake; ``None`` if that may take a query.

    Both a session cookie and the user of a scope may be looked up in the database when
    they are used. A handshake with neither has no user.
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
    """Decides about clients on one thread, in batches."""

    def __init__(self, name: str) -> None:
        # One call that waits is enough: it answers all clients that wait then.
        self._executor = DaemonExecutor(name, 1)
        self._waiting: Turns[_Applicant] = Turns()

    def reset(self) -> None:
        """Forget the clients that wait and end the thread, as in a forked child."""
        self._executor.reset()
        self._waiting = Turns()

    def submit(self, applicant: _Applicant) -> None:
        """Queue a client; its future gets the answer.

        Raises:
            TurnsFullError: too many clients wait, in all or from this address.
            RuntimeError: the interpreter is shutting down, or has no thread left. The
                client is queued.
        """
        after_fork(self.reset)
        waiting = self._waiting
        waiting.put(
            applicant.address,
            applicant,
            most=MAX_WAITING,
            most_of_key=MAX_WAITING_OF_ADDRESS,
        )
        # If the executor is full, a call that has not begun will find this client.
        with contextlib.suppress(QueueFullError):
            self._executor.submit(functools.partial(self._answer_all, waiting))

    def _answer_all(self, waiting: Turns[_Applicant]) -> None:
        # After a reset, this is not the queue of the next call.
        while batch := _next_batch(waiting):
            try:
                # Queries for the users run here, where no event loop forbids them.
                prepared = [applicant for applicant in batch if _prepare(applicant)]
                if prepared:
                    async_to_sync(_judge_all)(prepared)
            finally:
                connections.close_all()


def _next_batch(waiting: Turns[_Applicant]) -> list[_Applicant]:
    """Return some of the clients that still wait, in their turns."""
    batch: list[_Applicant] = []
    while len(batch) < BATCH_SIZE and (applicant := waiting.take()) is not None:
        if applicant.future.set_running_or_notify_cancel():
            batch.append(applicant)
    return batch


_newcomers = _Authorizer("django-socket-status-access")
_listeners = _Authorizer("django-socket-status-listeners")


def reset() -> None:
    """Forget all clients that wait, failures and threads, for tests."""
    failures.reset()
    _newcomers.reset()
    _listeners.reset()


def _prepare(applicant: _Applicant) -> bool:
    try:
        applicant.request = request_of(applicant.scope)
    except Exception as error:  # noqa: BLE001 - the project's sessions and users
        failures.note(error)
        applicant.answer(Decision.UNKNOWN)
        return False
    return True


async def _judge_all(applicants: Sequence[_Applicant]) -> None:
    # Concurrently, because an asynchronous rule may wait for I/O.
    await asyncio.gather(*map(_judge, applicants))


async def _judge(applicant: _Applicant) -> None:
    request: Any = applicant.request
    # ``None``: the project has no users, so signing in cannot help.
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
        applicant.answer(Decision.UNKNOWN)
    else:
        applicant.answer(decision, user_id)
