"""The live connections of a process: exact, from any thread, and nothing left over."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import random
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from django_socket_status import registry as registry_module
from django_socket_status import socket_side, taking, tracking
from django_socket_status.bounds import MAX_TYPES
from django_socket_status.counting import Cell, Counts
from django_socket_status.lives import CLOSED, OPEN, Choice, LiveConnection
from django_socket_status.records import OpenedConnection
from django_socket_status.registry import Registry, registry
from django_socket_status.tracking import Connection
from tests.asgi_driver import Books, CallConsumer, Socket, open_books
from tests.examples import as_many_as
from tests.interleaving import interleave

pytestmark = pytest.mark.python


@pytest.fixture
def books(monkeypatch: pytest.MonkeyPatch) -> Books:
    return open_books(monkeypatch)


def describe(connection: LiveConnection) -> OpenedConnection:
    """Return the record of a connection whose scope says it all."""
    scope = connection.scope or {}
    choice = connection.choice or Choice()
    return OpenedConnection(
        connection.number,
        choice.type or "call",
        "",
        scope.get("user"),
        dict(choice.added or {}),  # type: ignore[arg-type]
        connection.opened_at,
    )


# Counted and coalesced.


def test_connections_are_counted_by_type(books):
    class ChatConsumer:
        pass

    sockets = [Socket().open(), Socket().open(), Socket(ChatConsumer).open()]
    assert books.counts == {"call": 2, "chat": 1}
    sockets.pop().close()
    assert books.counts == {"call": 2}
    for socket in sockets:
        socket.leave()
    assert books.counts == {}
    books.assert_nothing_is_left()


def test_connection_that_came_and_went_between_two_drains_leaves_no_trace(monkeypatch):
    monkeypatch.setattr(registry, "wake", lambda: None)
    Socket().open().close()
    assert not registry.is_dirty
    changes = registry.drain(describe)
    assert not changes
    assert changes.events == []


def test_connection_that_is_counted_and_closed_in_one_drain_is_taken_back():
    """It closed while the reporter was at it."""
    ours = Registry()
    socket = Socket()

    def describe_slowly(connection: LiveConnection) -> OpenedConnection:
        connection.state = CLOSED
        connection.ending = ("client", 0.0, None)
        ours.closed(connection)
        return describe(connection)

    socket.connection.opened_at = 1.0
    socket.connection.state = OPEN
    ours.opened(socket.connection)
    changes = ours.drain(describe_slowly)
    assert changes.opened == {}
    assert changes.closed == [1]
    assert ours.counts == {}
    assert not ours.is_dirty


def test_numbers_are_never_used_again(books):
    seen = set()
    for _ in range(10):
        sockets = [Socket().open() for _ in range(5)]
        numbers = set(books.settle().open)
        assert len(numbers) == 5
        assert not numbers & seen
        seen |= numbers
        for socket in sockets:
            socket.close()
        assert books.counts == {}


def test_users_are_told_when_the_first_connection_comes_and_the_last_one_goes(
    monkeypatch,
):
    monkeypatch.setattr(registry, "wake", lambda: None)

    def drain() -> tuple[list[str], list[str]]:
        changes = registry.drain(describe)
        return sorted(changes.users_joined), sorted(changes.users_left)

    one, two = Socket(user="1").open(), Socket(user="1").open()
    nobody = Socket().open()
    assert drain() == (["1"], [])
    assert registry.users == {"1": 2}
    assert registry.anonymous == 1
    one.close()
    assert drain() == ([], [])
    two.close()
    again = Socket(user="1").open()
    assert drain() == ([], []), "one left and came in the same moment"
    again.close()
    other = Socket(user="2").open()
    assert drain() == (["2"], ["1"])
    other.log_in("3")
    assert drain() == (["3"], ["2"])
    other.log_in("4").log_in("3")
    assert drain() == ([], [])
    other.log_in(None)
    nobody.log_in("3")
    assert drain() == ([], [])
    other.close()
    nobody.close()
    assert drain() == ([], ["3"])
    assert registry.users == {}
    assert registry.anonymous == 0


def test_altered_connection_is_reported_again_under_its_number(monkeypatch):
    monkeypatch.setattr(registry, "wake", lambda: None)
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
    monkeypatch.setattr(registry, "wake", lambda: None)
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


def test_types_above_the_cap_are_counted_as_other(books):
    sockets = []
    for number in range(MAX_TYPES + 50):
        socket = Socket()
        socket.connection.choice = Choice(type=f"type-{number}")
        sockets.append(socket.open())
        books.settle()
    assert len(books.counts) == MAX_TYPES + 1
    assert books.counts["other"] == 50
    assert sum(it.type == "other" for it in books.open.values()) == 50
    # A connection that was counted as another one leaves as it came.
    sockets[-1].close()
    assert books.counts["other"] == 49
    # Places that become free are given to those who come next.
    for socket in sockets[:2]:
        socket.close()
    assert len(books.counts) == MAX_TYPES - 1
    late = Socket()
    late.connection.choice = Choice(type="late")
    sockets.append(late.open())
    assert books.counts["late"] == 1
    for socket in sockets:
        socket.close()
    assert books.counts == {}
    assert {it.type for kind, it, *_ in books.told if kind == "closed"} >= {"other"}
    books.assert_nothing_is_left()


def test_record_keeps_the_user_under_whom_it_is_counted(monkeypatch):
    """Until it is counted anew: the pieces of a full report must add up."""
    monkeypatch.setattr(registry, "wake", lambda: None)
    socket = Socket(user="1").open()
    registry.drain(describe)
    socket.scope["user"] = "2"
    ((connections, users),) = registry.pieces(10)
    records, names = registry.still_counted(describe, connections, users)
    assert [record.user_id for record in records] == names == ["1"]


def test_pieces_leave_out_who_left_meanwhile(monkeypatch):
    monkeypatch.setattr(registry, "wake", lambda: None)
    sockets = [Socket(user=str(number)).open() for number in range(10)]
    registry.drain(describe)
    pieces = registry.pieces(4)
    first = next(pieces)
    for socket in sockets:
        socket.close()
    registry.drain(describe)
    told = [first, *pieces]
    assert [len(connections) for connections, _ in told] == [4, 4, 2]
    for connections, users in told:
        assert registry.still_counted(describe, connections, users) == ([], [])


def test_piece_leaves_out_who_closes_as_it_is_described(monkeypatch):
    monkeypatch.setattr(registry, "wake", lambda: None)
    socket, other = Socket().open(), Socket(user="1").open()
    registry.drain(describe)
    ((connections, users),) = registry.pieces(10)

    def describe_slowly(connection: LiveConnection) -> OpenedConnection:
        socket.close()
        return describe(connection)

    records, _ = registry.still_counted(describe_slowly, connections, users)
    assert [record.user_id for record in records] == ["1"]
    other.close()


@pytest.mark.parametrize("listened", [True, False])
def test_closing_connection_lets_go_of_its_scope_at_once(monkeypatch, listened):
    """Unless somebody wants to hear of it, who is told what it was."""
    monkeypatch.setattr(registry, "wake", lambda: None)
    registry.listened = listened
    socket = Socket(user="1").open()
    registry.drain(describe)
    socket.close()
    assert (socket.connection.scope is not None) is listened
    events = registry.drain(describe).events
    assert [it.connection.user_id for it in events] == ["1"] * listened
    assert socket.connection.scope is None
    assert registry.counts == registry.users == {}


def test_events_are_told_only_while_somebody_listens(monkeypatch):
    monkeypatch.setattr(registry, "wake", lambda: None)
    Socket().open().close()
    Socket().end()
    registry.listened = True
    Socket().open().close()
    Socket().end()
    kinds = [event.kind for event in registry.drain(describe).events]
    assert kinds == ["opened", "closed", "rejected"]


def test_untold_events_are_bounded(monkeypatch):
    monkeypatch.setattr(registry, "wake", lambda: None)
    monkeypatch.setattr(socket_side, "EVENT_LIMIT", 10)
    registry.reset()
    registry.listened = True
    for _ in range(100):
        Socket().open().close()
    assert len(registry.drain(describe).events) == 20


def test_connections_from_before_a_reset_are_nobodys(monkeypatch):
    """In the child of a fork, the sockets of its parent end as well, at its exit."""
    monkeypatch.setattr(registry, "wake", lambda: None)
    counted, altered, fresh = Socket().open(), Socket().open(), Socket(user="1").open()
    registry.drain(describe)
    fresh.log_in("2")
    new, begun = Socket().open(), Socket()
    registry.reset()
    mine = Socket(user="1").open()
    registry.drain(describe)
    for socket in (counted, fresh, new, begun):
        socket.end()
    altered.label(room=1).close()
    registry.drain(describe)
    assert registry.counts == {"call": 1}
    assert registry.users == {"1": 1}
    mine.close()
    registry.drain(describe)
    assert registry.counts == {}


def test_connection_that_was_counted_is_free_as_soon_as_it_closes(monkeypatch):
    """Nobody waits for the reporter to let go of what may be large."""
    monkeypatch.setattr(registry, "wake", lambda: None)
    registry.quiet = False
    socket = Socket(user="1").open()
    registry.drain(describe)
    before = sys.getrefcount(socket.connection)
    socket.close()
    after = sys.getrefcount(socket.connection)
    assert after == before - 1
    assert registry.is_dirty
    assert registry.counts == {"call": 1}
    assert registry.drain(describe).closed == [1]
    assert registry.counts == registry.users == {}


@pytest.mark.parametrize("listened", [True, False])
def test_connection_that_closes_as_it_is_counted_anew_is_uncounted(
    listened, monkeypatch
):
    monkeypatch.setattr(registry, "wake", lambda: None)
    sockets = [Socket(user=str(number)).open() for number in range(3)]
    registry.drain(describe)
    registry.quiet, registry.listened = False, listened
    sockets.pop().close()

    def slowly(connections: Sequence[LiveConnection], counts: Counts) -> list[Cell]:
        sockets.pop().close()
        return [counts.cells("anew").signed_in for _ in connections]

    registry.recount(describe, slowly)
    assert registry.counts == {"anew": 3 if listened else 2}
    events = registry.drain(describe, slowly if not sockets else None).events
    assert registry.counts == {"anew": 1}
    assert [it.kind for it in events] == ["closed", "closed"] * listened
    sockets.pop().close()
    registry.drain(describe)
    assert registry.counts == registry.users == {}
    assert not registry.is_dirty


def test_wake_is_called_while_the_registry_is_quiet(monkeypatch):
    woken = []
    monkeypatch.setattr(registry, "wake", lambda: woken.append(1))
    socket = Socket().open()
    socket.label(room=1)
    socket.close()
    assert len(woken) == 3
    registry.quiet = False
    Socket().open().label(room=1).close()
    assert len(woken) == 3


@pytest.mark.parametrize("at", range(10))
def test_drain_that_is_interrupted_loses_nothing(monkeypatch, at):
    """A reader may drain, and somebody may press a key while it does."""
    monkeypatch.setattr(registry, "wake", lambda: None)
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


@contextlib.contextmanager
def interrupted_at(step: str, *, before: bool) -> Iterator[None]:
    """Interrupt whoever counts, before a step of it or after it."""
    real = getattr(Counts, step)

    def interrupted(*args: Any) -> None:
        if not before:
            real(*args)
        raise KeyboardInterrupt

    with mock.patch.object(Counts, step, interrupted), pytest.raises(KeyboardInterrupt):
        yield


@pytest.mark.parametrize("step", ["add", "add_users", "changed_users"])
@pytest.mark.parametrize("before", [True, False])
def test_everything_is_counted_anew_after_an_interruption(monkeypatch, step, before):
    monkeypatch.setattr(registry, "wake", lambda: None)
    sockets = [Socket(user="1").open(), Socket(user="2").open()]
    registry.drain(describe)
    with interrupted_at(step, before=before):
        registry.recount(describe)
    sockets.pop().close()
    registry.drain(describe)
    assert registry.counts == {"call": 1}
    assert registry.users == {"1": 1}


@pytest.mark.parametrize(
    "step", ["add", "add_users", "take", "take_users", "changed_users"]
)
@pytest.mark.parametrize("before", [True, False])
def test_drain_that_is_interrupted_in_any_step_counts_once(monkeypatch, step, before):
    monkeypatch.setattr(registry, "wake", lambda: None)
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


def test_events_carry_everything_also_while_counts_alone_are_reported(books):
    def tally(connections: Sequence[LiveConnection], counts: Counts) -> list[Cell]:
        return [counts.cells("call").signed_in for _ in connections]

    socket = Socket(user="1").open()
    socket.label(room=1)
    events = registry.drain(describe, tally).events
    assert registry.users == {}
    socket.leave()
    events += registry.drain(describe, tally).events
    assert [event.kind for event in events] == ["opened", "closed"]
    for event in events:
        assert event.connection.user_id == "1"
        assert event.connection.labels == {"room": "1"}
    books.assert_nothing_is_left()


# Any value of a client's.


def test_any_number_of_distinct_values_is_bounded_and_given_back(monkeypatch):
    monkeypatch.setattr(registry, "wake", lambda: None)
    count = 100_000
    others = [Socket(user="42").open() for _ in range(3)]
    registry.drain(describe)
    connections = []
    for number in range(count):
        scope = {"user": f"user-{number}", "path": f"/ws/{number}/"}
        connection = Connection(CallConsumer, scope, None, None, None)
        labels = {f"label-{number}": str(number)}
        connection.choice = Choice(type=f"type-{number}", added=labels)
        connection.opened_at, connection.state = 1.0, OPEN
        registry.opened(connection)
        connections.append(connection)
    assert len(registry.drain(describe).opened) == count
    assert registry.counts["call"] == 3
    assert sum(registry.counts.values()) == count + 3
    assert len(registry.counts) <= MAX_TYPES + 1
    assert len(registry.users) == count + 1
    for connection in connections:
        connection._end("client")
    registry.drain(describe)
    assert registry.counts == {"call": 3}
    assert registry.users == {"42": 3}
    for socket in others:
        socket.close()
    books = Books().settle()
    books.assert_nothing_is_left()
    assert sys.getsizeof(registry.users) < 1000
    # Come and gone before anybody looked.
    for number in range(count // 10):
        Socket(user=f"user-{number}").open().close()
    books.assert_nothing_is_left()


# The race of the socket's path against the drain, which has no lock.

MODULES = (registry_module, socket_side, taking, tracking)


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

    #: Somebody listens to events.
    listened: bool = False
    #: Something changed already since the reporter looked.
    busy: bool = False
    #: Everything is counted anew before each drain.
    anew: bool = False
    #: Users are counted, and told.
    details: bool = True


SETTINGS = {
    "listened": Setting(listened=True),
    "quiet": Setting(),
    "busy": Setting(busy=True),
    "listened, anew": Setting(listened=True, anew=True),
    "busy, anew": Setting(busy=True, anew=True),
    "counts": Setting(details=False),
    "counts, listened": Setting(details=False, listened=True),
    "counts, anew": Setting(details=False, anew=True),
}


def run(race: Race, schedule: list[int], drains: int, setting: Setting) -> bool:
    """Let the rest of a life go on while drains do.

    Returns:
        Whether it came in between.
    """
    registry.reset()
    registry.listened = setting.listened
    registry.quiet = not setting.busy
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
            if setting.anew:
                registry.recount(describe, books.tally)
            books.settle()

    came_between = interleave(schedule, drain, path, *MODULES)
    # Who counts anew is told of no end.
    assert setting.anew or not books.settle().open
    books.assert_nothing_is_left()
    assert registry.counts == {}
    assert socket.connection.scope is None
    if setting.listened:
        assert books.kinds in (["opened", "closed"], ["rejected"])
    return came_between


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "wake", lambda: None)


@pytest.mark.slow
@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS.keys())
@pytest.mark.parametrize("race", RACES.values(), ids=RACES.keys())
def test_connection_that_ends_while_it_is_drained_is_counted_right(race, setting):
    """At every line of the one that the other may come between."""
    for drained in itertools.count():
        turns = (*range(0, 14, 1 if setting.listened else 3), 1000)
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
def test_threads_that_close_while_everything_is_counted_anew_lose_nothing(details):
    registry.quiet = False
    books = Books(details=details)

    def come_and_go(seed: int) -> None:
        chance = random.Random(seed)
        held = [Socket(user=str(chance.randrange(9))).open() for _ in range(20)]
        for _ in range(1500):
            held.append(Socket(user=str(chance.randrange(9))).open())
            held.pop(chance.randrange(len(held))).end()
        for socket in held:
            socket.end()

    def drain() -> None:
        registry.recount(describe, books.tally)
        books.settle()

    run_threads(come_and_go, drain)
    # What ended after the last look is in no count once it is looked at.
    books.assert_nothing_is_left()
    assert registry.counts == {}


@pytest.mark.usefixtures("silent")
def test_threads_that_open_and_close_while_another_drains_lose_nothing():
    registry.listened = True
    books = Books()
    per_thread = 1500

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
