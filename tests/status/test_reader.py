from __future__ import annotations

import asyncio
import dataclasses
import functools
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.exceptions import ImproperlyConfigured

from django_socket_status.backends.sqlite import search as sqlite_search
from django_socket_status.conf import SQLITE_BACKEND
from django_socket_status.exceptions import (
    BackendError,
    BackendUnusableError,
    StatusUnavailableError,
)
from django_socket_status.records import ConnectionQuery, Snapshot
from django_socket_status.registry.registry import registry
from django_socket_status.reporter.describe import ConnectionDescriber
from django_socket_status.reporter.thread import reporter
from django_socket_status.services import SocketStatusService
from django_socket_status.status import reader as status_module
from django_socket_status.status.read_cache import ReadCache
from django_socket_status.status.reader import StatusReader, status_reader
from django_socket_status.status.reading import Reading
from django_socket_status.testing.isolation import MEMORY_BACKEND
from tests.support.asgi_driver import own_threads, wait_until
from tests.support.held_sockets import STTRoomConsumer, close_socket, open_socket
from tests.support.scripted_backend import (
    SCRIPTED,
    Gate,
    ScriptedBackend,
    fails_with,
    scripted,
)
from tests.support.source import ROOT

pytestmark = pytest.mark.python

CACHE_SECONDS = 10.0
HEARTBEAT_SECONDS = 1.0
STALE_SECONDS = 100.0
SECONDS = 60.0
#: Longer than a test may take: a test that waits for it fails.
FOREVER = 3600.0


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def backend(settings: Any, monkeypatch: pytest.MonkeyPatch) -> ScriptedBackend:
    # The reporter's thread would report in between, or not.
    monkeypatch.setattr(registry.intake, "wake", lambda: None)
    settings.SOCKET_STATUS = {
        "BACKEND": SCRIPTED,
        "CACHE_SECONDS": CACHE_SECONDS,
        "HEARTBEAT_SECONDS": HEARTBEAT_SECONDS,
        "STALE_SECONDS": STALE_SECONDS,
    }
    return scripted()


@pytest.fixture
def reader(backend: ScriptedBackend, clock: Clock) -> Iterator[StatusReader]:
    reader = StatusReader(registry, reporter, read_seconds=FOREVER, clock=clock)
    yield reader
    reader.reset()


@pytest.fixture
def gate() -> Iterator[Gate]:
    with Gate() as gate:
        yield gate


def total(reading: Reading) -> int:
    return sum(status.total_sockets for status in reading.snapshot.workers)


def in_threads(count: int, call: Callable[[], Any]) -> list[Any]:
    """Call from many threads that begin together."""
    barrier = threading.Barrier(count)

    def begin() -> Any:
        barrier.wait(SECONDS)
        return call()

    with ThreadPoolExecutor(count) as pool:
        futures = [pool.submit(begin) for _ in range(count)]
        return [future.result(SECONDS) for future in futures]


# What is read, and what is kept.


def test_own_sockets_are_seen_at_once(reader):
    assert total(reader.read()) == 0
    first = open_socket()
    assert total(reader.read()) == 1
    second = open_socket()
    assert total(reader.read()) == 2
    close_socket(first)
    assert total(reader.read()) == 1
    close_socket(second)
    assert total(reader.read()) == 0


async def test_own_sockets_are_seen_at_once_on_a_loop(reader):
    for expected in range(1, 20):
        open_socket()
        assert total(await reader.aread()) == expected


def test_own_socket_is_seen_at_once_also_when_another_thread_reported_it(reader):
    open_socket()
    assert total(reader.read()) == 1
    open_socket()
    assert reporter.flush()
    assert not registry.is_dirty
    assert total(reader.read()) == 2


def test_own_socket_is_seen_at_once_after_a_question(reader):
    assert total(reader.read()) == 0
    open_socket(user=7)
    assert reader.ask(lambda backend: backend.is_online("7"))
    assert total(reader.read()) == 1


def test_own_socket_is_seen_at_once_while_the_reporter_drains(reader, monkeypatch):
    """The connections that a running drain has found are not known yet."""
    assert total(reader.read()) == 0
    draining, finish = threading.Event(), threading.Event()
    describe = ConnectionDescriber.__call__

    def slowly(self, connection):
        draining.set()
        assert finish.wait(SECONDS)
        return describe(self, connection)

    monkeypatch.setattr(ConnectionDescriber, "__call__", slowly)
    open_socket()
    with ThreadPoolExecutor(2) as pool:
        flushed = pool.submit(reporter.flush)
        assert draining.wait(SECONDS)
        assert registry.is_dirty
        reading = pool.submit(reader.read)
        finish.set()
        assert total(reading.result(SECONDS)) == 1
        assert flushed.result(SECONDS)


def test_one_read_answers_everybody_for_a_moment(reader, backend, clock):
    reading = reader.read()
    clock.now += CACHE_SECONDS - 0.1
    assert reader.read() is reading
    assert asyncio.run(reader.aread()) is reading
    assert backend.reads == 1
    clock.now += 0.2
    assert reader.read() is not reading
    assert backend.reads == 2


def test_no_moment_at_all_is_a_choice(reader, backend, settings):
    settings.SOCKET_STATUS = {**settings.SOCKET_STATUS, "CACHE_SECONDS": 0}
    reader.reset()
    assert [total(reader.read()) for _ in range(3)] == [0, 0, 0]
    assert scripted().reads == 3


def test_crowd_costs_one_or_two_reads(reader, backend, gate):
    open_socket()
    backend.before_read = gate
    with ThreadPoolExecutor(100) as pool, gate:
        futures = [pool.submit(reader.read) for _ in range(100)]
        assert gate.arrived.wait(SECONDS)
        gate.open()
        assert {total(future.result(SECONDS)) for future in futures} == {1}
    assert backend.reads <= 2


def test_crowd_that_came_during_a_read_is_given_its_answer(reader, backend, gate):
    backend.before_read = gate
    with ThreadPoolExecutor(100) as pool, gate:
        first = pool.submit(reader.read)
        assert gate.arrived.wait(SECONDS)
        crowd = [pool.submit(reader.read) for _ in range(99)]
        wait_until(lambda: reader._cache.queued is not None)
        gate.open()
        answer = first.result(SECONDS)
        assert {future.result(SECONDS) for future in crowd} == {answer}
    assert backend.reads == 1


async def test_crowd_on_a_loop_costs_one_or_two_reads(reader, backend, gate):
    open_socket()
    backend.before_read = gate
    crowd = [asyncio.ensure_future(reader.aread()) for _ in range(100)]
    await asyncio.to_thread(gate.arrived.wait, SECONDS)
    gate.open()
    assert {total(reading) for reading in await asyncio.gather(*crowd)} == {1}
    assert backend.reads <= 2


def test_who_asks_after_a_socket_opened_is_not_given_a_read_that_began_before(
    reader, backend, gate
):
    backend.before_read = gate
    with ThreadPoolExecutor(2) as pool, gate:
        before = pool.submit(reader.read)
        assert gate.arrived.wait(SECONDS)
        open_socket()
        after = pool.submit(reader.read)
        gate.open()
        assert total(after.result(SECONDS)) == 1
        assert total(before.result(SECONDS)) <= 1


# From everywhere.


def test_any_number_of_loops_may_read_and_leave_nothing_behind(reader):
    open_socket()
    reader.read()
    reader.ask(lambda backend: backend.is_online("7"))
    threads = own_threads()
    for _ in range(100):
        assert total(asyncio.run(reader.aread())) == 1
        assert total(async_to_sync(reader.aread)()) == 1
        assert async_to_sync(reader.aask)(lambda backend: True)
    assert own_threads() == threads


@pytest.fixture
def turns_that_are_short() -> Iterator[None]:
    """Let threads take turns often: one that never waits starves those that do."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.0001)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("turns_that_are_short")
def test_two_loops_in_two_threads_read_while_sockets_come_and_go(reader):
    async def read_often() -> list[int]:
        return [total(await reader.aread()) for _ in range(200)]

    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(asyncio.run, read_often()) for _ in range(2)]
        while not all(future.done() for future in futures):
            close_socket(open_socket())
        for future in futures:
            assert set(future.result(SECONDS)) <= {0, 1}
    assert total(reader.read()) == 0


def test_many_threads_read_and_ask_at_once(reader):
    open_socket(user=7)

    def read_and_ask() -> tuple[int, bool]:
        return total(reader.read()), reader.ask(lambda it: it.is_online("7"))

    assert set(in_threads(20, read_and_ask)) == {(1, True)}


async def test_caller_who_gives_up_does_not_hurt_the_others(reader, backend, gate):
    backend.before_read = gate
    leaving, staying = (asyncio.ensure_future(reader.aread()) for _ in range(2))
    await asyncio.to_thread(gate.arrived.wait, SECONDS)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    gate.open()
    assert total(await staying) == 0
    assert total(await reader.aread()) == 0


def test_loop_that_was_closed_before_the_answer_came_is_left_alone(
    reader, backend, gate, caplog
):
    async def give_up() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(reader.aread(), 0.01)

    backend.before_read = gate
    asyncio.run(give_up())
    gate.open()
    assert total(reader.read()) == 0
    assert not caplog.records


async def test_question_whose_caller_gave_up_is_dropped(reader, backend, gate):
    backend.before_question = gate
    first, second = (
        asyncio.ensure_future(reader.aask(lambda it: it.is_online("7")))
        for _ in range(2)
    )
    await asyncio.to_thread(gate.arrived.wait, SECONDS)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    gate.open()
    assert await first is False
    assert await reader.aask(lambda backend: "next") == "next"
    assert backend.questions == 1


# A backend that hangs.


def test_no_caller_waits_longer_than_the_read_timeout(reader, backend, gate):
    reader.read_seconds = 0.01
    backend.before_read = backend.before_question = gate
    for wait in (
        reader.read,
        lambda: asyncio.run(reader.aread()),
        lambda: reader.ask(lambda it: it.is_online("7")),
        lambda: asyncio.run(reader.aask(lambda it: it.is_online("7"))),
    ):
        with pytest.raises(StatusUnavailableError, match=r"within 0\.01 seconds"):
            wait()
    assert not gate.is_open


@pytest.mark.parametrize(
    ("place", "call"),
    [
        ("before_read", lambda reader: reader.read()),
        ("before_read", lambda reader: asyncio.run(reader.aread())),
        ("before_question", lambda reader: reader.ask(lambda it: it.is_online("7"))),
    ],
)
def test_who_comes_later_need_not_wait_and_is_answered_again_when_it_goes_on(
    reader, backend, gate, clock, place, call
):
    setattr(backend, place, gate)
    with ThreadPoolExecutor(1) as pool, gate:
        first = pool.submit(call, reader)
        assert gate.arrived.wait(SECONDS)
        clock.now += FOREVER
        for _ in range(3):
            # It would be forever.
            with pytest.raises(StatusUnavailableError, match="no answer within"):
                call(reader)
        gate.open()
        first.result(SECONDS)
    wait_until(lambda: not reader._summaries.busy_seconds)
    wait_until(lambda: not reader._questions.busy_seconds)
    call(reader)


def test_questions_that_wait_are_bounded_in_number(reader, backend, gate):
    backend.before_question = gate
    with ThreadPoolExecutor(1) as pool, gate:
        first = pool.submit(reader.ask, lambda it: it.is_online("7"))
        assert gate.arrived.wait(SECONDS)
        for _ in range(status_module.QUESTIONS):
            reader._submit(lambda it: True, searches=False)
        with pytest.raises(StatusUnavailableError, match="too many"):
            reader.ask(lambda it: True)
        gate.open()
        assert first.result(SECONDS) is False


# What is known without waiting.


def test_latest_reading_is_none_before_the_first_which_it_begins(reader, backend, gate):
    backend.before_read = gate
    assert reader.latest() is None
    assert gate.arrived.wait(SECONDS)
    assert reader.latest() is None
    gate.open()
    wait_until(reader.latest)
    assert not reader.latest().stale


def test_latest_reading_is_the_last_one_until_it_is_too_old(
    reader, backend, gate, clock
):
    read = reader.read()
    reads = backend.reads
    assert reader.latest() is read
    assert backend.reads == reads
    clock.now += CACHE_SECONDS
    backend.before_read = gate
    assert reader.latest() is read
    assert gate.arrived.wait(SECONDS)
    clock.now += STALE_SECONDS - CACHE_SECONDS
    assert reader.latest() is None


def test_latest_reading_is_stale_once_this_process_knows_better(reader, backend, gate):
    read = reader.read()
    backend.before_read = gate
    open_socket()
    latest = reader.latest()
    assert (total(latest), latest.stale, latest.whole) == (0, True, False)
    gate.open()
    wait_until(lambda: total(reader.latest()) == 1)
    assert not read.stale
    assert not reader.latest().stale


def test_latest_reading_is_stale_while_the_backend_fails(
    reader, backend, clock, caplog
):
    reader.read()
    backend.before_read = fails_with(BackendError("it is away"))
    for _ in range(3):
        clock.now += CACHE_SECONDS
        reader.latest()
        wait_until(lambda: reader.latest().stale)
    assert len(caplog.records) == 1
    clock.now += STALE_SECONDS
    wait_until(lambda: reader.latest() is None)


@pytest.mark.parametrize("form", ["ask", "aask"])
def test_second_question_of_a_caller_has_the_rest_of_the_time(
    reader, backend, gate, form
):
    """A caller of ``get_workers()`` asks twice, and waits less than a second in all."""
    backend.before_question = gate
    ask = reader.ask if form == "ask" else async_to_sync(reader.aask)
    for used in (reader.read_seconds, reader.read_seconds + 5):
        with pytest.raises(StatusUnavailableError, match="within 0 seconds"):
            ask(lambda it: it.is_online("7"), used_seconds=used)


def test_latest_reading_is_stale_while_the_backend_hangs(reader, backend, gate, clock):
    reader.read()
    backend.before_read = gate
    clock.now += CACHE_SECONDS
    assert not reader.latest().stale
    assert gate.arrived.wait(SECONDS)
    reader.read_seconds = 0.8
    clock.now += 1
    assert reader.latest().stale
    assert not gate.is_open


async def test_question_and_search_do_not_wait_for_each_other(reader, backend):
    """However many of the other kind wait, and however long."""
    for hangs in (True, False):
        hanging = Gate()
        with hanging:
            waiting = [
                asyncio.ensure_future(
                    reader.aask(lambda it, gate=hanging: gate(), searches=hangs)
                )
                for _ in range(10)
            ]
            await asyncio.to_thread(hanging.arrived.wait, SECONDS)
            for _ in range(3):
                assert await reader.aask(lambda it: "yes", searches=not hangs) == "yes"
            assert not any(it.done() for it in waiting)
        await asyncio.gather(*waiting)


@pytest.mark.parametrize(
    ("path", "place", "name"),
    [
        (SQLITE_BACKEND, sqlite_search, "search"),
        (MEMORY_BACKEND, ConnectionQuery, "matches"),
    ],
    ids=["sqlite", "memory"],
)
def test_slow_search_for_labels_delays_no_other_answer(
    settings, tmp_path, monkeypatch, gate, path, place, name
):
    options = {"path": tmp_path / "other"} if path == SQLITE_BACKEND else {}
    settings.SOCKET_STATUS = {"BACKEND": path, "OPTIONS": options}
    open_socket(user=7, room="1")
    assert SocketStatusService.is_online(8) is False
    real = getattr(place, name)

    def searches_for_long(*arguments: Any) -> Any:
        gate()
        return real(*arguments)

    monkeypatch.setattr(place, name, searches_for_long)
    with ThreadPoolExecutor(2) as pool, gate:
        ask = functools.partial(SocketStatusService.get_connections, limit=1)
        slow = [pool.submit(ask, labels={"room": "1"}) for _ in range(2)]
        assert gate.arrived.wait(SECONDS)
        for user, expected in ((7, True), (8, False)):
            assert SocketStatusService.is_online(user) is expected
        assert SocketStatusService.has_listeners() is True
        assert SocketStatusService.get_socket_info_summary()["total_sockets"] == 1
        assert not any(it.done() for it in slow)
        gate.open()
        assert [it.result(SECONDS).total for it in slow] == [1, 1]


def test_read_that_comes_back_after_a_reset_changes_nothing(
    reader, backend, gate, settings, clock
):
    backend.before_read = gate
    backend.seen = lambda snapshot: Snapshot(workers=(), unique_users=99)
    with ThreadPoolExecutor(1) as pool, gate:
        late = pool.submit(reader.read)
        assert gate.arrived.wait(SECONDS)
        settings.SOCKET_STATUS = {**settings.SOCKET_STATUS, "OPTIONS": {"name": "b"}}
        reader.reset()
        assert reader.read().snapshot.unique_users == 0
        gate.open()
        assert late.result(SECONDS).snapshot.unique_users == 99
        assert reader.read().snapshot.unique_users == 0
    assert scripted().name == "b"
    assert scripted().reads == 1


# A backend that fails.


def test_last_good_answer_is_given_for_a_while_and_says_that_it_is_stale(
    reader, backend, clock
):
    open_socket()
    assert not reader.read().stale
    backend.before_read = fails_with(BackendError("it is away"))
    clock.now += CACHE_SECONDS
    stale = reader.read()
    assert (total(stale), stale.stale, stale.whole) == (1, True, False)
    assert reader.read() is stale
    clock.now += STALE_SECONDS - CACHE_SECONDS - 1
    assert reader.read() is stale
    clock.now += 2
    with pytest.raises(StatusUnavailableError, match="it is away"):
        reader.read()
    backend.before_read = lambda: None
    clock.now += HEARTBEAT_SECONDS
    assert not reader.read().stale


@pytest.mark.parametrize("cache_seconds", [CACHE_SECONDS, 0.05, 0])
def test_failure_answers_everybody_for_a_heartbeat(
    reader, clock, settings, cache_seconds
):
    settings.SOCKET_STATUS = {
        **settings.SOCKET_STATUS,
        "CACHE_SECONDS": cache_seconds,
    }
    reader.reset()
    backend = scripted()
    backend.before_read = fails_with(BackendError("it is away"))
    for _ in range(3):
        with pytest.raises(StatusUnavailableError, match="it is away"):
            reader.read()
        with pytest.raises(StatusUnavailableError, match="it is away"):
            asyncio.run(reader.aread())
    assert backend.reads == (1 if cache_seconds else 6)
    backend.before_read = lambda: None
    clock.now += HEARTBEAT_SECONDS if cache_seconds else 0
    assert not reader.read().stale


def test_failure_that_ends_at_this_moment_is_no_error(reader, backend, monkeypatch):
    backend.before_read = fails_with(BackendError("it is away"))
    with pytest.raises(StatusUnavailableError):
        reader.read()
    backend.before_read = lambda: None

    class Vanishing(ReadCache):
        """A cache whose failure is gone at the second look."""

        looks = 0

        @property
        def failed(self):
            self.looks += 1
            return (reader._clock(), BackendError("over")) if self.looks == 1 else None

        @failed.setter
        def failed(self, value):
            pass

    monkeypatch.setattr(reader, "_cache", Vanishing(registry, reader._clock))
    with pytest.raises(StatusUnavailableError, match="over"):
        reader.read()
    assert not reader.read().stale


def test_process_that_has_a_socket_by_now_says_so_at_once(reader, backend):
    backend.before_read = fails_with(BackendUnusableError("it cannot be used"))
    with pytest.raises(StatusUnavailableError, match="it cannot be used"):
        reader.read()
    open_socket()
    assert (total(reader.read()), reader.read().coverage) == (1, "process")


def test_stale_answers_can_be_refused(reader, backend, settings):
    settings.SOCKET_STATUS = {
        **settings.SOCKET_STATUS,
        "STALE_SECONDS": 0,
        "CACHE_SECONDS": 0,
    }
    reader.reset()
    reader.read()
    scripted().before_read = fails_with(BackendError("it is away"))
    with pytest.raises(StatusUnavailableError):
        reader.read()


@pytest.mark.parametrize(
    "error",
    [BackendError("it is away"), OSError("a wire is cut"), ZeroDivisionError()],
)
def test_whatever_a_backend_raises_means_that_nothing_is_known(reader, backend, error):
    backend.before_read = backend.before_question = fails_with(error)
    reason = str(error) or "ZeroDivisionError"
    with pytest.raises(StatusUnavailableError, match=reason) as caught:
        reader.read()
    assert caught.value.__cause__ is error
    with pytest.raises(StatusUnavailableError, match=reason):
        asyncio.run(reader.aread())
    with pytest.raises(StatusUnavailableError, match=reason):
        reader.ask(lambda it: it.is_online("7"))
    with pytest.raises(StatusUnavailableError, match=reason):
        asyncio.run(reader.aask(lambda it: it.online_user_ids()))


def test_timeout_of_the_backend_is_not_said_to_be_ours(reader, backend):
    backend.before_read = fails_with(TimeoutError("the server took 0.1 seconds"))
    with pytest.raises(StatusUnavailableError, match=r"took 0\.1 seconds"):
        reader.read()


def test_outage_is_one_warning_and_its_end_one_line(reader, backend, clock, caplog):
    caplog.set_level(logging.INFO, "django_socket_status")
    backend.before_read = fails_with(BackendError("it is away"))
    for _ in range(3):
        with pytest.raises(StatusUnavailableError):
            reader.read()
        clock.now += HEARTBEAT_SECONDS
    backend.before_read = lambda: None
    reader.read()
    reader.read()
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "WebSocket status cannot be read: it is away"),
        ("INFO", "WebSocket status can be read again."),
    ]


def test_process_without_a_thread_to_spare_says_so_and_reads_when_it_has_one(
    reader, backend, monkeypatch
):
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        for _ in range(3):
            with pytest.raises(StatusUnavailableError, match="can't start new thread"):
                reader.read()
            with pytest.raises(StatusUnavailableError, match="can't start new thread"):
                reader.ask(lambda it: True)
    assert total(reader.read()) == 0
    assert reader.ask(lambda it: True)


# How far an answer goes.


@pytest.mark.parametrize(
    "error", [BackendUnusableError("no room"), ImproperlyConfigured("no such class")]
)
@pytest.mark.parametrize("place", ["before_read", "before_report"])
def test_process_answers_for_itself_when_the_backend_cannot_be_used(
    reader, backend, error, place
):
    open_socket()
    setattr(backend, place, fails_with(error))
    reading = reader.read()
    assert (total(reading), reading.coverage) == (1, "process")
    assert not reading.whole
    open_socket()
    assert total(reader.read()) == 2
    setattr(backend, place, lambda: None)


def test_process_without_sockets_does_not_answer_for_itself(reader, backend):
    backend.before_read = fails_with(BackendUnusableError("no room"))
    with pytest.raises(StatusUnavailableError, match="no room"):
        reader.read()


def test_process_that_had_sockets_answers_for_itself_with_none(reader, backend):
    close_socket_after_read = open_socket()
    assert total(reader.read()) == 1
    close_socket(close_socket_after_read)
    backend.before_read = fails_with(BackendUnusableError("no room"))
    reading = reader.read()
    assert (total(reading), reading.coverage, reading.whole) == (0, "process", False)


def test_backend_setting_that_makes_no_backend_leaves_each_process_to_itself(
    reader, settings
):
    open_socket()
    for wrong in ({"BACKEND": "no.such.Backend"}, {"OPTIONS": {"colour": "blue"}}):
        settings.SOCKET_STATUS = {**settings.SOCKET_STATUS, **wrong}
        reader.reset()
        reading = reader.read()
        assert (total(reading), reading.coverage) == (1, "process")


def test_process_that_cannot_report_adds_its_own_to_what_others_report(
    reader, backend, settings
):
    open_socket(user=1)
    reader.read()
    other = backend.read().workers[0]
    backend.seen = lambda snapshot: Snapshot(workers=(), unique_users=3)
    backend.before_report = fails_with(BackendError("it takes nothing"))
    mine = open_socket(STTRoomConsumer, user=2)
    reading = reader.read()
    (own,) = reading.snapshot.workers
    assert own.counts == {"call": 1, "stt_room": 1}
    assert own.worker == other.worker
    assert reading.snapshot.unique_users == 3
    assert (reading.coverage, reading.stale, reading.whole) == ("host", True, False)
    close_socket(mine)
    assert total(reader.read()) == 1


@pytest.mark.parametrize("part", ["snapshot", "worker"])
def test_answer_of_an_incomplete_report_is_stale(reader, backend, part):
    def halved(snapshot: Snapshot) -> Snapshot:
        if part == "snapshot":
            return dataclasses.replace(snapshot, complete=False)
        workers = (it._replace(complete=False) for it in snapshot.workers)
        return dataclasses.replace(snapshot, workers=tuple(workers))

    open_socket()
    backend.seen = halved
    reading = reader.read()
    assert (total(reading), reading.stale, reading.whole) == (1, True, False)


def test_answer_without_a_report_that_is_stuck_is_stale(
    reader, backend, gate, monkeypatch
):
    monkeypatch.setattr(status_module, "FLUSH_SECONDS", 0.01)
    backend.before_report = gate
    open_socket()
    with ThreadPoolExecutor(1) as pool, gate:
        stuck = pool.submit(reporter.flush)
        assert gate.arrived.wait(SECONDS)
        assert reader.read().stale
        gate.open()
        assert stuck.result(SECONDS)
    reading = reader.read()
    assert (total(reading), reading.stale) == (1, False)


def test_question_is_not_answered_without_what_this_process_holds(reader, backend):
    backend.before_report = fails_with(BackendError("it takes nothing"))
    reader.verify_reported()
    open_socket(user=7)
    reporter.flush()
    with pytest.raises(BackendError, match="it takes nothing"):
        reader.verify_reported()
    assert reader.own_users() == {"7"}
    assert reader.holds_user("7")
    assert not reader.holds_user("8")


# The life of a process.


def test_child_of_a_fork_reads_for_itself(tmp_path):
    script = """
import os, sys, warnings
import django
from django.conf import settings
settings.configure(SOCKET_STATUS={"OPTIONS": {"path": sys.argv[1]}})
django.setup()
from django_socket_status.status import reader as status
from django_socket_status.services import SocketStatusService as service
from tests.support.held_sockets import open_socket
status.status_reader.read_seconds = status.FLUSH_SECONDS = 20

def total():
    return service.get_socket_info_summary()["total_sockets"]

open_socket()
assert total() == 1
assert service.online_user_ids() == frozenset()
warnings.simplefilter("ignore")
child = os.fork()
if child == 0:
    code = 1
    try:
        # The parent's are seen through the backend, and are not this one's own.
        assert total() == 1
        open_socket()
        assert total() == 2
        assert len(service.get_connections()) == 2
        code = 0
    finally:
        os._exit(code)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
open_socket()
assert total() == 2
"""
    result = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "status")],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr


def test_settings_that_change_leave_no_thread_behind(settings):
    before = len(own_threads())
    service = status_module.status_reader
    service.read()
    service.ask(lambda backend: True)
    for number in range(20):
        settings.SOCKET_STATUS = {"BACKEND": SCRIPTED, "OPTIONS": {"name": str(number)}}
        service.read()
        service.ask(lambda backend: True)
    wait_until(lambda: len(own_threads()) <= before + 2)


async def test_long_answer_is_encoded_on_another_thread():
    thread = await status_reader.aencode(threading.current_thread)
    assert thread.name == "django-socket-status-encodings"


async def test_answer_that_is_not_encoded_in_time_is_an_error(monkeypatch):
    monkeypatch.setattr(status_reader, "read_seconds", 0.01)
    with Gate() as gate, pytest.raises(StatusUnavailableError):
        await status_reader.aencode(gate)
