"""An exception in the middle of tracking: whatever it interrupts, nothing is left.

A signal handler, a debugger or ``PyThreadState_SetAsyncExc`` may raise between any two
instructions, and a deep stack (``RecursionError``) at any call. Each test injects one
exception at each instruction of the package that a WebSocket runs through.
"""

from __future__ import annotations

import contextlib
import dis
import gc
import itertools
import logging
import sys
import warnings
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

import django_socket_status
from django_socket_status.consumers import SocketStatusMixin
from django_socket_status.middleware import SocketStatusMiddleware
from django_socket_status.registry.registry import registry
from django_socket_status.testing import reset_socket_status
from tests.examples import FEW
from tests.support.asgi_driver import (
    ACCEPT,
    CLOSE,
    Books,
    Socket,
    begin_heartbeat,
    disconnect,
    scope_of,
    text,
    wait_until,
)

pytestmark = [pytest.mark.python, pytest.mark.versions]

PACKAGE = Path(django_socket_status.__file__).parent
#: The modules that run on a socket's path.
FILES = {
    str(PACKAGE / f"{name}.py")
    for name in (
        "consumers",
        "middleware",
        "registry/ends",
        "registry/intake",
        "registry/lifecycle",
        "tracking/connection",
        "tracking/entry",
    )
}


class Interrupted(Exception):
    """Comes from nowhere."""


class Ended(BaseException):
    """Comes from nowhere, and is no error."""


NOP = dis.opmap["NOP"]
#: More instructions than any test runs.
NEVER = 10**9


class Injection:
    """Raises at the n-th instruction of some files, in this thread."""

    def __init__(self, at: int, error: type[BaseException], files: set[str]) -> None:
        self.left = at
        self.error = error
        self.files = files
        self.where = ""

    def __enter__(self) -> Injection:
        # Python 3.12 looks at it in ``settrace`` only.
        sys._getframe().f_trace_opcodes = True
        sys.settrace(self._trace)
        return self

    def __exit__(self, *given: object) -> None:
        sys.settrace(None)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        sys.settrace(None)
        try:
            yield
        finally:
            sys.settrace(self._trace)

    def _trace(self, frame: Any, event: str, argument: object) -> Any:
        if frame.f_code.co_filename not in self.files or self.where:
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return self._step

    def _step(self, frame: Any, event: str, argument: object) -> Any:
        if event == "opcode" and not self.where:
            if not self.left:
                code = frame.f_code
                if code.co_code[frame.f_lasti] == NOP:
                    # Nothing can be raised there, and Python 3.11 has such gaps between
                    # a ``try`` and its ``finally``. The next instruction is as good.
                    return self._step
                self.where = f"{code.co_name}:{frame.f_lineno}+{frame.f_lasti}"
                raise self.error
            self.left -= 1
        return self._step


def injections(
    error: type[BaseException], files: set[str] = FILES
) -> Iterator[Injection]:
    """Yield an injection for each instruction, until one was not reached."""
    for at in range(10_000):
        injection = Injection(at, error, files)
        yield injection
        if not injection.where:
            assert at > 50, "hardly anything was interrupted"
            return
    raise AssertionError("it does not end")


class Client:
    """A server that never waits, and knows whether its side of the socket is open."""

    def __init__(self) -> None:
        self.is_open = False
        self.sent: list[str] = []

    async def receive(self) -> Any:
        self.is_open = False
        return disconnect()

    async def send(self, message: Any) -> None:
        self.sent.append(message["type"])
        if message is ACCEPT:
            self.is_open = True
        elif message is CLOSE:
            self.is_open = False


class Scope(dict[str, Any]):
    """A scope that a weak reference can watch."""


async def left_by_the_client(scope, receive, send):
    await send(ACCEPT)
    await send(text("one"))
    await receive()


async def closed_by_the_application(scope, receive, send):
    await send(ACCEPT)
    await send(text("one"))
    await send(text("two"))
    await send(CLOSE)
    await receive()


def report(scope: Any) -> None:
    """Do what the reporter does, on whose thread nothing is injected."""
    with scope["injection"].paused():
        scope["books"].settle()


async def raised(scope, receive, send):
    await send(ACCEPT)
    raise ValueError("broken")


async def refused(scope, receive, send):
    await send(CLOSE)


async def reported_then_closed(scope, receive, send):
    await send(ACCEPT)
    report(scope)
    await send(text("one"))
    begin_heartbeat()
    await send(CLOSE)


async def reported_then_left(scope, receive, send):
    await send(ACCEPT)
    report(scope)
    await receive()


async def reported_then_returned(scope, receive, send):
    await send(ACCEPT)
    report(scope)


APPS = [
    left_by_the_client,
    closed_by_the_application,
    raised,
    refused,
    reported_then_closed,
    reported_then_left,
    reported_then_returned,
]


def mixin(app: Any, **choices: Any) -> Any:
    async def run(self: Any, scope: Any, receive: Any, send: Any) -> Any:
        self.scope = scope
        return await app(scope, receive, send)

    consumer: Any = type(
        "CallConsumer", (SocketStatusMixin,), {"__call__": run, **choices}
    )
    return lambda scope, receive, send: consumer()(scope, receive, send)


def choosing_mixin(app: Any) -> Any:
    return mixin(app, get_socket_status_labels=lambda self: {"at": self.scope["path"]})


def both(app: Any) -> Any:
    return SocketStatusMiddleware(mixin(app))


def run(app: Any, scope: Any, client: Client) -> None:
    """Serve one WebSocket, on no event loop: nothing in it ever waits."""
    running = app(scope, client.receive, client.send)
    with contextlib.suppress(StopIteration, Interrupted, Ended, ValueError):
        running.send(None)


@pytest.fixture
def listened(request, monkeypatch):
    def wake() -> None:
        registry.intake.quiet = False
        registry.intake.listened = request.param

    monkeypatch.setattr(registry.intake, "wake", wake)
    logging.getLogger("django_socket_status").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        # Of a coroutine that the exception kept from being awaited.
        warnings.simplefilter("ignore", RuntimeWarning)
        yield request.param
    logging.getLogger("django_socket_status").setLevel(logging.NOTSET)


#: Where an exception may leave the scope to the collector. In Python 3.10, one that is
#: raised while another one is handled keeps the frame that handles it.
MAY_LEAVE_A_CYCLE = {"enter", "__call__"}
if sys.version_info < (3, 11):
    MAY_LEAVE_A_CYCLE.add("failed")


#: Where an exception may come before the connection is observed at all.
NOT_YET_ENTERED = {"enter", "begin", "__call__"}

DOORS = [
    (mixin, Interrupted),
    (mixin, Ended),
    (choosing_mixin, Ended),
    (SocketStatusMiddleware, Interrupted),
    (both, Ended),
]


def combined(*choices: Iterable[Any]) -> list[tuple[Any, ...]]:
    """Return the combinations of choices, and with each whether someone listens.

    On a Python that tries few, each combination meets one of these two, and each choice
    meets both.
    """
    return [
        (*(choice for _, choice in numbered), listened)
        for numbered in itertools.product(*map(enumerate, choices))
        for listened in (False, True)
        if not FEW or sum(number for number, _ in numbered) % 2 == listened
    ]


@pytest.mark.parametrize(
    ("app", "entry", "listened"), combined(APPS, DOORS), indirect=["listened"]
)
@pytest.mark.usefixtures("listened")
def test_no_exception_anywhere_leaves_a_connection(app, entry):
    door, error = entry
    books = Books()
    before = 0
    gc.disable()
    try:
        for injection in injections(error):
            registry.intake.quiet = True
            scope = Scope(scope_of(), books=books, injection=injection)
            gone = weakref.ref(scope)
            entered = door(app)
            with injection:
                run(entered, scope, Client())
            del scope
            books.settle()
            assert registry.counts == {}, injection.where
            books.assert_nothing_is_left()
            ends, before = ends_in_totals() - before, ends_in_totals()
            is_entered = injection.where.partition(":")[0] not in NOT_YET_ENTERED
            assert ends == 1 or (not ends and not is_entered), injection.where
            if gone() is not None:
                # A connection that was only just made: a cycle, for the collector.
                # It is young; a full collection takes most of the time of this test.
                gc.collect(0)
                assert injection.where.partition(":")[0] in MAY_LEAVE_A_CYCLE
            assert gone() is None, injection.where
            books.told.clear()
    finally:
        gc.enable()


def ends_in_totals() -> int:
    """Return how many connections and handshakes ended; none is open."""
    totals = registry.totals()
    assert totals.open() == {}
    ended = sum(sum(it.values()) for it in totals.closed.values())
    assert totals.durations.count == totals.accepts.count == ended
    return ended + sum(sum(it.values()) for it in totals.rejected.values())


async def goes_on(scope, receive, send):
    """Catch whatever is raised, try again, and see what is counted each time."""
    for message in (ACCEPT, text("one"), CLOSE):
        for _ in range(2):
            sent = len(scope["client"].sent)
            try:
                await send(message)
            except (Interrupted, Ended):
                if len(scope["client"].sent) > sent:
                    # For us a ``send`` that raised, though it had done its work.
                    return
                scope["check"]()
            else:
                scope["check"]()
                break


@pytest.mark.parametrize(
    ("door", "error", "reported", "listened"),
    combined(
        [mixin, choosing_mixin, SocketStatusMiddleware],
        [Interrupted, Ended],
        [False, True],
    ),
    indirect=["listened"],
)
@pytest.mark.usefixtures("listened")
def test_exception_before_the_send_of_the_server_changes_nothing(door, error, reported):
    books = Books()

    def see() -> None:
        with injection.paused():
            if not injection.where and not reported:
                return
            where = injection.where.partition(":")[0]
            books.settle()
            seen = sum(registry.counts.values())
            if error is Interrupted and where in ("enter", "begin"):
                # It is logged that this connection is not counted.
                assert not seen
            else:
                assert seen == client.is_open, (injection.where, client.sent)

    for injection in injections(error):
        registry.intake.quiet = True
        client = Client()
        app = door(goes_on)
        with injection:
            run(app, Scope(scope_of(), check=see, client=client), client)
        books.settle()
        assert registry.counts == {}, injection.where
        books.assert_nothing_is_left()
        books.told.clear()


async def closes_in_the_deep(scope, receive, send):
    def descend(depth: int) -> None:
        if depth:
            descend(depth - 1)
        else:
            run_to_the_end(send(CLOSE))

    await send(ACCEPT)
    report(scope)
    try:
        descend(scope["depth"])
    except RecursionError:
        report(scope)
        assert sum(registry.counts.values()) == scope["client"].is_open
        raise


def run_to_the_end(coroutine: Any) -> None:
    try:
        coroutine.send(None)
    except StopIteration:
        return


@pytest.mark.parametrize("door", [mixin, SocketStatusMiddleware])
@pytest.mark.parametrize("with_details", [False, True], ids=["counts", "details"])
@pytest.mark.parametrize("listened", [False, True], indirect=True)
@pytest.mark.usefixtures("listened")
def test_close_at_any_depth_of_the_stack_leaves_no_connection(door, with_details):
    """As of a consumer that walks what a client has nested as deep as it likes."""
    books = Books(details=with_details)
    ended: set[type] = set()
    scopes = []
    for depth in range(60, 130):
        registry.intake.quiet = True
        injection = Injection(-1, Interrupted, set())
        client = Client()
        scope = Scope(
            scope_of(), books=books, client=client, injection=injection, depth=depth
        )
        scopes.append(weakref.ref(scope))
        app = door(closes_in_the_deep)
        before = sys.getrecursionlimit()
        sys.setrecursionlimit(depth_of_the_stack() + 120)
        try:
            run(app, scope, client)
        except RecursionError:
            ended.add(RecursionError)
        else:
            ended.add(type(None))
        finally:
            sys.setrecursionlimit(before)
        sys.settrace(None)
        books.settle()
        assert registry.counts == {}, depth
        books.assert_nothing_is_left()
        del scope
    gc.collect()
    assert {it() for it in scopes} == {None}
    assert ended == {RecursionError, type(None)}


def depth_of_the_stack() -> int:
    frame, depth = sys._getframe(), 0
    while frame is not None:
        frame, depth = frame.f_back, depth + 1
    return depth


@pytest.mark.parametrize("error", [Interrupted, Ended])
def test_no_exception_keeps_the_reporter_asleep(error):
    """What an interrupted call did not say, the next one does."""
    files = {str(PACKAGE / "reporter" / "thread.py")}
    for injection in injections(error, files):
        # After an exception, Python 3.13 reports instructions only of what has been
        # traced again.
        for it in (Injection(NEVER, error, files), injection):
            reset_socket_status()
            first = Socket()
            with it, contextlib.suppress(Interrupted, Ended):
                first.open()
            first.end()
        held = Socket().open()
        wait_until(lambda: registry.counts.get("call"))
        held.close()
        wait_until(lambda: not registry.counts)
