"""Who listens to live push, and whether they may: asked as they come, and again later.

The rule is that of the summary, so the handshake is made into the request that the rule
takes. It is asked on a thread of its own, so that nobody waits for the one thread that
all of the process's sync code shares. Those who wait together are answered together,
and then that thread's database connections are closed: a listener holds none.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import enum
import logging
from collections.abc import MutableMapping, Sequence
from concurrent.futures import Future
from importlib import import_module
from io import BytesIO
from typing import Any, NamedTuple

from asgiref.sync import async_to_sync
from django.apps import apps
from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.db import connections
from django.db.models import Model
from django.http import HttpRequest

from django_socket_status.access import PUBLIC, is_allowed
from django_socket_status.conf import get_settings
from django_socket_status.forks import after_fork
from django_socket_status.lanes import Lane, LaneFullError
from django_socket_status.users import user_id_of

__all__ = [
    "TOGETHER",
    "Answer",
    "Decision",
    "Person",
    "decide",
    "request_of",
    "reset",
]

logger = logging.getLogger("django_socket_status")

#: Handshakes that may wait to be asked about: a whole process that comes back.
WAITING = 10_000
#: How many are answered before the database connections are closed.
TOGETHER = 50
#: Seconds that a client waits; Daphne gives a handshake up after five.
ANSWER_SECONDS = 4.0

SESSIONS = "django.contrib.sessions"

FAILED = "SUMMARY_ACCESS cannot be asked whether somebody may listen."

#: The methods of a session that would change it.
WRITES = ("create", "cycle_key", "delete", "flush", "save")

Scope = MutableMapping[str, Any]


class Decision(enum.Enum):
    """Whether somebody may listen."""

    ALLOWED = "allowed"
    SIGN_IN = "sign in"
    FORBIDDEN = "forbidden"
    #: There was no answer in time.
    BUSY = "busy"
    #: The rule raised.
    UNKNOWN = "unknown"


class Person(NamedTuple):
    """Whom a listener is counted for: a user, or else an address."""

    user_id: str | None
    address: str


Answer = tuple[Decision, Person]


@dataclasses.dataclass(slots=True, eq=False)
class _Question:
    """Whether the client of a WebSocket scope may listen."""

    scope: Scope
    address: str
    future: Future[Answer] = dataclasses.field(default_factory=Future)
    request: HttpRequest | None = None

    def answer(self, decision: Decision, user_id: str | None = None) -> None:
        address = self.address if user_id is None else ""
        self.future.set_result((decision, Person(user_id, address)))


async def decide(scope: Scope) -> Answer:
    """Return whether the client of a WebSocket scope may listen, and who it is.

    Raises nothing: a rule that fails is logged, and lets nobody in.
    """
    client = scope.get("client") or ("",)
    address = str(client[0])
    if get_settings().summary_access == PUBLIC:
        return Decision.ALLOWED, Person(None, address)
    question = _Question(scope, address)
    try:
        _desk.ask(question)
    except (LaneFullError, RuntimeError):
        # Too many wait, or there is no thread left in this process.
        question.future.cancel()
        return Decision.BUSY, Person(None, address)
    answer = asyncio.wrap_future(question.future)
    try:
        # Not wait_for: before Python 3.12 it loses a cancellation now and then.
        await asyncio.wait({answer}, timeout=ANSWER_SECONDS)
    finally:
        answer.cancel()
    if answer.cancelled():
        return Decision.BUSY, Person(None, address)
    return answer.result()


class _Desk:
    """Answers questions on one thread, those that wait together in one go."""

    def __init__(self) -> None:
        self._lane = Lane("django-socket-status-access", WAITING)
        self._waiting: collections.deque[_Question] = collections.deque()

    def reset(self) -> None:
        """Start anew, as in a forked child."""
        self._lane.reset()
        self._waiting.clear()

    def ask(self, question: _Question) -> None:
        """Have a question answered.

        Raises:
            LaneFullError: too many wait already.
            RuntimeError: the interpreter is ending, or is out of threads.
        """
        after_fork(self.reset)
        if len(self._waiting) >= WAITING:
            raise LaneFullError("too many others wait already")
        self._waiting.append(question)
        # Once for each question, of which the first call answers many.
        self._lane.submit(self._answer)

    def _answer(self) -> None:
        questions = self._take()
        if not questions:
            return
        try:
            # Who it is is looked up here, where no event loop forbids a query.
            prepared = [question for question in questions if _prepare(question)]
            if prepared:
                async_to_sync(_judge_all)(prepared)
        finally:
            connections.close_all()

    def _take(self) -> list[_Question]:
        taken: list[_Question] = []
        while self._waiting and len(taken) < TOGETHER:
            question = self._waiting.popleft()
            if question.future.set_running_or_notify_cancel():
                taken.append(question)
        return taken


_desk = _Desk()


def reset() -> None:
    """Forget who asks, for tests; a thread that was there ends."""
    _desk.reset()


def _prepare(question: _Question) -> bool:
    try:
        question.request = request_of(question.scope)
    except Exception:
        logger.exception(FAILED)
        question.answer(Decision.UNKNOWN)
        return False
    return True


async def _judge_all(questions: Sequence[_Question]) -> None:
    # At once, for those who wait for something else than this thread.
    await asyncio.gather(*map(_judge, questions))


async def _judge(question: _Question) -> None:
    request: Any = question.request
    user = getattr(request, "user", None)
    try:
        if await is_allowed(request):
            decision = Decision.ALLOWED
        elif user is None or user.is_authenticated:
            decision = Decision.FORBIDDEN
        else:
            decision = Decision.SIGN_IN
        user_id = user_id_of(user)
    except Exception:
        logger.exception(FAILED)
        question.answer(Decision.UNKNOWN)
    else:
        question.answer(decision, user_id)


def request_of(scope: Scope) -> HttpRequest:
    """Return a handshake as a request with a session and a user, as of now.

    The session is the cookie's and not the scope's, which holds what it was when the
    socket opened. No answer goes out that could bring a new cookie, so the session
    cannot be changed: after a change of ``SECRET_KEY``, Django would give it a new key.
    """
    scheme = {"ws": "http", "wss": "https"}.get(scope.get("scheme", ""))
    request: Any = ASGIRequest(
        {**scope, "type": "http", "method": "GET", "scheme": scheme}, BytesIO()
    )
    if apps.is_installed(SESSIONS) or _has_session_middleware():
        engine = import_module(settings.SESSION_ENGINE)
        key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
        request.session = session = engine.SessionStore(key)
        for name in WRITES:
            setattr(session, name, _write_nothing)
            setattr(session, f"a{name}", _awrite_nothing)
    user = _user_of(request, scope)
    if user is not None:

        async def auser() -> Any:
            return user

        request.user, request.auser = user, auser
    return request  # type: ignore[no-any-return]


def _has_session_middleware() -> bool:
    return f"{SESSIONS}.middleware.SessionMiddleware" in settings.MIDDLEWARE


def _write_nothing(*args: object, **kwargs: object) -> None:
    pass


async def _awrite_nothing(*args: object, **kwargs: object) -> None:
    pass


def _user_of(request: HttpRequest, scope: Scope) -> Any:
    """Return the user of the session, else the scope's; ``None`` if there is no such.

    A middleware of the project's may have found the scope's user in its own way, by a
    token for example. If a session did, what that session says now is what counts.
    """
    given = scope.get("user")
    found = None
    if apps.is_installed("django.contrib.auth") and hasattr(request, "session"):
        from django.contrib.auth import SESSION_KEY, get_user

        found = get_user(request)
        if found.is_authenticated or SESSION_KEY in scope.get("session", ()):
            return found
    if given is None or not given.is_authenticated:
        return given if found is None else found
    return _renewed(given) or found


def _renewed(user: Any) -> Any:
    """Return a user as the database has it now; ``None`` if it is gone."""
    if not isinstance(user, Model):
        return user
    return user._meta.model._default_manager.filter(pk=user.pk).first()
