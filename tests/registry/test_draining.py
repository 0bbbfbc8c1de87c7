"""A drain counts each connection once, whatever it races with or interrupts it."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import random
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from django_socket_status.records import OpenedConnection
from django_socket_status.registry import draining, intake, lockfree, notes
from django_socket_status.registry import registry as registry_module
from django_socket_status.registry.counts import Counts
from django_socket_status.registry.lifecycle import (
    CLOSED,
    OPEN,
    LiveConnection,
)
from django_socket_status.registry.registry import Registry, registry
from django_socket_status.tracking import connection as tracking
from tests.examples import FEW, as_many_as
from tests.support.asgi_driver import Books, Socket
from tests.support.interleaving import interleave, interruptible
from tests.support.registry import describe

pytestmark = pytest.mark.python


def test_connection_that_is_counted_and_closed_in_one_drain_is_taken_back():
    """It closed while the reporter was at it."""
    ours = Registry()
    socket = Socket()

    def describe_slowly(connection: LiveConnection) -> OpenedConnection:
        if connection is socket.connection:
            connection.state = CLOSED
            connection.ending = ("client", 0.0, None)
            ours.intake.closed(connection)
        return describe(connection)

    socket.connection.opened_at = 1.0
    socket.connection.state = OPEN
    ours.intake.opened(socket.connection)
    changes = ours.drain(describe_slowly)
    assert changes.opened == {}
    assert changes.closed == [1]
    assert ours.counts == {}
    assert not ours.is_dirty


def test_altered_connection_is_reported_again_under_its_number(monkeypatch):
    monkeypatch.setattr(registry.intake, "wake", lambda: None)
    socket = Socket().open()
    (number,) = registry.drain(describe).opened
    socket.label(room=1)
    changes = registry.drain(describe)
    assert changes.opened[number].labels == {"room": "1"}
    assert changes.closed == []
    socket.label(room=2).close()
    changes = registry.drain(describe)
    assert changes.opened == {}
    assert changes.closed == [number]


def test_altered_connection_that_closes_as_it_is_described_is_uncounted(monkeypatch):
    monkeypatch.setattr(registry.intake, "wake", lambda: None)
    socket = Socket().open()
    registry.drain(describe)
    socket.label(room=1)

    def describe_slowly(connection: LiveConnection) -> OpenedConnection:
        socket.leave()
        return describe(connection)

    registry.drain(describe_slowly)
    registry.drain(describe)
    assert registry.counts == {}
    assert not registry.is_dirty


@pytest.mark.parametrize("at", range(10))
def test_drain_that_is_interrupted_loses_nothing(monkeypatch, at):
    """A reader may drain, and Ctrl-C may interrupt it."""
    monkeypatch.setattr(registry.intake, "wake", lambda: None)
    accepts_before = sum(registry.totals().accepts.buckets)
    counted = [Socket(user="1").open() for _ in range(10)]
    registry.drain(describe)
    fresh = [Socket(user="2").open() for _ in range(10)]
    asked = iter(range(20))

    def interrupted(connection: LiveConnection) -> OpenedConnection:
        if next(asked) == at:
            raise KeyboardInterrupt
        return describe(connection)

    with pytest.raises(KeyboardInterrupt):
        registry.drain(interrupted)
    assert registry.is_dirty
    fresh.pop().close()
    for socket in counted:
        socket.close()
    registry.drain(describe)
    assert registry.counts == {"call": 9}
    assert registry.users == {"2": 9}
    assert not registry.is_dirty
    for socket in fresh:
        socket.close()
    registry.drain(describe)
    assert registry.counts == registry.users == {}
    assert sum(registry.totals().accepts.buckets) == accepts_before + 20


@contextlib.contextmanager
def interrupted_at(step: str, *, before: bool) -> Iterator[None]:
    """Interrupt the counting thread, before a step of it or after it."""
    real = getattr(Counts, step)

    def interrupted(*args: Any) -> None:
        if not before:
            real(*args)
        raise KeyboardInterrupt

    with mock.patch.object(Counts, step, interrupted), pytest.raises(KeyboardInterrupt):
        yield


@pytest.mark.parametrize("step", ["add", "add_users", "changed_users"])
@pytest.mark.parametrize("before", [True, False])
def test_everything_is_counted_again_after_an_interruption(monkeypatch, step, before):
    monkeypatch.setattr(registry.intake, "wake", lambda: None)
    sockets = [Socket(user="1").open(), Socket(user="2").open()]
    registry.drain(describe)
    with interrupted_at(step, before=before):
        registry.recount(describe)
    sockets.pop().close()
    registry.drain(describe)
    assert registry.counts == {"call": 1}
    assert registry.users == {"1": 1}


@pytest.mark.parametrize(
    "step", ["add", "add_users", "uncount", "uncount_users", "changed_users"]
)
@pytest.mark.parametrize("before", [True, False])
def test_drain_that_is_interrupted_in_any_step_counts_once(monkeypatch, step, before):
    monkeypatch.setattr(registry.intake, "wake", lambda: None)
    accepts_before = sum(registry.totals().accepts.buckets)
    closing, labelled = Socket(user="1").open(), Socket(user="2").open()
    registry.drain(describe)
    opened = Socket(user="3").open()
    labelled.label(room=1)
    closing.close()
    with interrupted_at(step, before=before):
        registry.drain(describe)
    registry.drain(describe)
    assert registry.counts == {"call": 2}
    assert registry.users == {"2": 1, "3": 1}
    opened.close()
    labelled.close()
    registry.drain(describe)
    assert registry.counts == registry.users == {}
    assert sum(registry.totals().accepts.buckets) == accepts_before + 3


# The race of the socket's path against the drain, which has no lock.

MODULES = (registry_module, intake, draining, lockfree, notes, tracking)


@pytest.fixture(scope="module", autouse=True)
def at_every_line() -> Iterator[None]:
    with interruptible(*MODULES):
        yield


def live(socket: Socket) -> Iterator[Callable[[], object]]:
    """Yield what the socket's path does, one act after the other."""
    yield socket.open
    yield lambda: socket.label(room=1)
    yield socket.leave
    yield socket.end


def taken_back(socket: Socket) -> Iterator[Callable[[], object]]:
    yield socket.fail_to_open
    yield socket.end


def rejected(socket: Socket) -> Iterator[Callable[[], object]]:
    yield socket.close
    yield socket.end


@dataclasses.dataclass(frozen=True)
class Race:
    """What of a life is over, and whether it was drained, when the race begins."""

    life: Any
    acts_done: int
    is_drained: bool = False


RACES = {
    "opening": Race(live, 0),
    "open": Race(live, 1),
    "open and relabelled": Race(live, 2),
    "counted": Race(live, 1, is_drained=True),
    "counted and relabelled": Race(live, 2, is_drained=True),
    "opening in vain": Race(taken_back, 0),
    "rejected": Race(rejected, 0),
}


@dataclasses.dataclass(frozen=True)
class Setting:
    """What else is going on."""

    #: A receiver of events is connected.
    listened: bool = False
    #: Something changed already since the reporter looked.
    busy: bool = False
    #: Everything is counted again before each drain.
    again: bool = False
    #: Users are counted, and told.
    details: bool = True


SETTINGS = {
    "listened": Setting(listened=True),
    "quiet": Setting(),
    "busy": Setting(busy=True),
    "listened, again": Setting(listened=True, again=True),
    "busy, again": Setting(busy=True, again=True),
    "counts": Setting(details=False),
    "counts, listened": Setting(details=False, listened=True),
    "counts, again": Setting(details=False, again=True),
}


def run(race: Race, schedule: list[int], drains: int, setting: Setting) -> bool:
    """Let the rest of a life go on while drains do.

    Returns:
        Whether it came in between.
    """
    registry.reset()
    registry.intake.listened = setting.listened
    registry.intake.quiet = not setting.busy
    socket = Socket(user="1")
    books = Books(details=setting.details)
    acts = list(race.life(socket))
    for act in acts[: race.acts_done]:
        act()
    if race.is_drained:
        books.settle()

    def path() -> None:
        for act in acts[race.acts_done :]:
            act()

    def drain() -> None:
        for _ in range(drains):
            if setting.again:
                registry.recount(describe, books.count_keys)
            books.settle()

    came_between = interleave(schedule, drain, path)
    # A recount sees no endings.
    assert setting.again or not books.settle().open
    books.assert_nothing_is_left()
    assert registry.counts == {}
    assert socket.connection.scope is None
    if setting.listened:
        assert books.kinds in (["opened", "closed"], ["rejected"])
    return came_between


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.intake, "wake", lambda: None)


@pytest.mark.slow
@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS.keys())
@pytest.mark.parametrize("race", RACES.values(), ids=RACES.keys())
def test_connection_that_ends_while_it_is_drained_is_counted_right(race, setting):
    """At every line of the one that the other may come between."""
    for drained in itertools.count():
        # Each turn meets every second, third or fourth place of the drain. A recount
        # makes more of them, of which most are the drain's that follows.
        step = 4 if setting.again else 2 if setting.listened else 3
        turns = (*range(drained % step, 14, step), 1000)
        came_between = [run(race, [drained, it], 1, setting) for it in turns]
        if not any(came_between):
            break
    assert drained > 10


@pytest.mark.usefixtures("silent")
@given(
    schedule=st.lists(st.integers(0, 12), max_size=25),
    race=st.sampled_from(list(RACES.values())),
    drains=st.integers(1, 3),
    setting=st.sampled_from(list(SETTINGS.values())),
)
@hypothesis_settings(max_examples=as_many_as(300), deadline=None, derandomize=True)
def test_no_order_of_path_and_drain_miscounts(schedule, race, drains, setting):
    run(race, schedule, drains, setting)


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize("is_drained", [True, False], ids=["counted", "new"])
def test_page_reload_during_a_drain_keeps_its_order(is_drained):
    """At every line of the drain, and of the reload."""
    for drained in itertools.count():
        came_between = False
        for turn in (*range(0, 16, 4 if FEW else 1), 1000):
            registry.reset()
            registry.intake.listened = True
            books = Books()
            old, new = Socket(user="old"), Socket(user="new")
            old.open()
            if is_drained:
                books.settle()

            def reload(old: Socket = old, new: Socket = new) -> None:
                old.leave()
                new.open()

            def drain(books: Books = books) -> None:
                books.settle()

            schedule = [drained, turn]
            came_between |= interleave(schedule, drain, reload)
            books.settle()
            told = [(kind, record.user_id) for kind, record, *_ in books.told]
            assert told == [("opened", "old"), ("closed", "old"), ("opened", "new")]
            new.close()
            books.assert_nothing_is_left()
        if not came_between:
            break
    assert drained > 10


@contextlib.contextmanager
def rapid_switches() -> Iterator[None]:
    """Let Python change from thread to thread as often as it can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)


def run_threads(come_and_go: Callable[[int], None], drain: Callable[[], None]) -> None:
    """Let four threads open and close, each with a seed, while another one drains."""
    stop = threading.Event()

    def keep_draining() -> None:
        while not stop.is_set():
            drain()

    with rapid_switches(), ThreadPoolExecutor(5) as pool:
        drained = pool.submit(keep_draining)
        lives = [pool.submit(come_and_go, seed) for seed in range(4)]
        try:
            for life in lives:
                life.result()
        finally:
            stop.set()
        drained.result()


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize("details", [True, False])
def test_threads_that_close_during_a_recount_lose_nothing(details):
    registry.intake.quiet = False
    books = Books(details=details)

    def come_and_go(seed: int) -> None:
        chance = random.Random(seed)
        held = [Socket(user=str(chance.randrange(9))).open() for _ in range(20)]
        for _ in range(500):
            held.append(Socket(user=str(chance.randrange(9))).open())
            held.pop(chance.randrange(len(held))).end()
        for socket in held:
            socket.end()

    def drain() -> None:
        registry.recount(describe, books.count_keys)
        books.settle()

    run_threads(come_and_go, drain)
    # What ended after the last look is in no count once it is looked at.
    books.assert_nothing_is_left()
    assert registry.counts == {}


@pytest.mark.usefixtures("silent")
def test_threads_that_open_and_close_while_another_drains_lose_nothing():
    registry.intake.listened = True
    books = Books()
    per_thread = 500

    def come_and_go(seed: int) -> None:
        chance = random.Random(seed)
        held: list[Socket] = []
        for _ in range(per_thread):
            held.append(Socket(user=str(chance.randrange(20))))
            if chance.random() < 0.9:
                held[-1].open()
            if chance.random() < 0.3:
                chance.choice(held).label(room=chance.randrange(9))
            while len(held) > chance.randrange(1, 6):
                held.pop(chance.randrange(len(held))).end()
        for socket in held:
            socket.end()

    def drain() -> None:
        books.settle()
        assert sum(registry.counts.values()) == len(books.open)

    run_threads(come_and_go, drain)
    assert books.settle().open == {}
    books.assert_nothing_is_left()
    told = [
        connection.number for kind, connection, *_ in books.told if kind == "closed"
    ]
    assert len(told) == len(set(told))
    kinds = [kind for kind, *_ in books.told]
    assert kinds.count("opened") == kinds.count("closed")
    assert kinds.count("closed") + kinds.count("rejected") == 4 * per_thread
