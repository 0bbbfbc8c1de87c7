"""What this process knows reaches the backend, whatever the backend does."""

from __future__ import annotations

import gc
import itertools
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from django_socket_status.exceptions import BackendError
from django_socket_status.records import Report
from django_socket_status.registry.registry import Changes, Registry, registry
from django_socket_status.reporter import thread as reporter_module
from django_socket_status.reporter.full_report import GRAIN, PIECE, REST_SECONDS
from django_socket_status.reporter.thread import Reporter, reporter
from django_socket_status.reporter.worker import this_worker
from django_socket_status.testing import Clock, isolated_socket_status
from tests.support.asgi_driver import Socket, begin_heartbeat, wait_until
from tests.support.recorder import (
    PATIENCE,
    RECORDER,
    WAITING,
    Recorder,
    calls_in,
    recorder,
    run_python,
)

pytestmark = pytest.mark.python

HEARTBEAT = 1.0
LEASE = 5.0


@pytest.fixture(autouse=True)
def socket_status() -> Iterator[None]:
    """Report quickly to a backend that the test looks into."""
    with isolated_socket_status(
        BACKEND=RECORDER,
        REPORT_INTERVAL_SECONDS=0.001,
        HEARTBEAT_SECONDS=HEARTBEAT,
        LEASE_SECONDS=LEASE,
    ):
        yield


# By hand: no thread, and a clock of the test's.


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hand(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reporter]:
    """A reporter whose thread is the test."""
    monkeypatch.setattr(registry.intake, "wake", lambda: None)
    monkeypatch.setattr(
        Recorder.__init__,
        "__kwdefaults__",
        {"name": "", "log": "", "wants_details": True, "clock": clock},
    )
    silent = Reporter(registry, clock=clock)
    monkeypatch.setattr(registry.intake, "wake", lambda: None)
    yield silent
    silent.reset()


def last() -> Report:
    return recorder().reports[-1]


def test_nothing_is_reported_before_the_first_socket(hand, clock):
    assert hand.flush()
    clock.advance(100)
    assert hand.flush()
    assert recorder().reports == []
    assert recorder().goodbyes == []
    assert hand.own_snapshot(1) is None


def test_reset_is_another_incarnation(hand):
    before = this_worker().worker_id
    hand.reset()
    assert this_worker().worker_id != before


def test_first_report_is_full_and_the_next_ones_carry_what_changed(hand):
    one, two = Socket(user="1").open(), Socket().open()
    assert hand.flush()
    assert last().full
    assert last().complete
    assert sorted(last().users_joined) == ["1"]
    assert last().counts == {"call": 2}
    assert last().anonymous == 1
    one.close()
    three = Socket().open()
    assert hand.flush()
    assert not last().full
    assert len(last().opened) == len(last().closed) == 1
    assert last().users_left == ["1"]
    assert recorder().counts == {"call": 2}
    two.label(room=1)
    assert hand.flush()
    assert [it.labels for it in last().opened] == [{"room": "1"}]
    assert recorder().labels == [{"room": "1"}, {}]
    three.close()


def test_flush_that_is_interrupted_loses_nothing(hand):
    one = Socket(user="1").open()
    hand.flush()
    two = Socket(user="2").open()

    def interrupt(_report: Report) -> None:
        raise KeyboardInterrupt

    recorder().before = interrupt
    with pytest.raises(KeyboardInterrupt):
        hand.flush()
    recorder().before = lambda report: None
    assert hand.flush()
    assert last().full
    assert recorder().counts == {"call": 2}
    assert len(recorder().labels) == 2
    one.close()
    two.close()


def test_sequence_numbers_have_no_gap(hand, clock):
    for number in range(20):
        held = Socket().open()
        hand.flush()
        if number % 3:
            held.close()
        clock.advance(HEARTBEAT / 2)
        hand.flush()
    numbers = [report.sequence for report in recorder().reports]
    assert numbers == list(range(1, len(numbers) + 1))
    assert sum(report.full for report in recorder().reports) == 1


def test_socket_that_came_and_went_between_two_reports_is_never_written(hand, clock):
    for _ in range(1000):
        Socket(user="1").open().close()
    hand.flush()
    assert recorder().reports == []
    held = Socket().open()
    hand.flush()
    before = len(recorder().reports)
    Socket().open().close()
    hand.flush()
    assert len(recorder().reports) == before
    held.close()


def test_nothing_is_written_between_two_heartbeats_when_nothing_changes(hand, clock):
    held = Socket().open()
    hand.flush()
    clock.advance(HEARTBEAT * 0.9)
    hand.flush()
    assert len(recorder().reports) == 1
    clock.advance(HEARTBEAT * 0.2)
    hand.flush()
    assert len(recorder().reports) == 2
    assert not last().full
    assert not last().opened
    assert last().counts == {"call": 1}
    held.close()


def test_heartbeats_keep_the_lease_for_as_long_as_it_takes(hand, clock):
    held = Socket().open()
    for _ in range(100):
        hand.flush()
        clock.advance(HEARTBEAT)
        assert recorder().counts == {"call": 1}
    assert sum(report.full for report in recorder().reports) == 1
    held.close()


def test_idle_process_goes_on_reporting(hand, clock):
    held = Socket().open()
    hand.flush()
    held.close()
    hand.flush()
    reports = len(recorder().reports)
    for _ in range(20):
        clock.advance(LEASE * 0.9)
        hand.flush()
        (status,) = recorder().read().workers
        assert status.counts == {}
    assert len(recorder().reports) == reports + 20
    assert recorder().goodbyes == []


def test_socket_after_an_idle_night_is_a_change(hand, clock):
    Socket().open().close()
    hand.flush()
    for _ in range(10):
        hand.flush()
        clock.advance(HEARTBEAT)
    held = Socket().open()
    hand.flush()
    assert not last().full or len(recorder().reports) == 1
    assert recorder().counts == {"call": 1}
    held.close()


def test_process_that_never_had_a_socket_reports_nothing(hand, clock):
    for _ in range(10):
        hand.flush()
        clock.advance(HEARTBEAT)
    assert recorder().reports == []
    assert hand.sender.seconds_to_heartbeat() is None


def test_backend_that_does_not_know_the_worker_gets_everything_again(hand):
    held = [Socket(user=str(n)).open().label(room=n) for n in range(3)]
    hand.flush()
    recorder().goodbye(this_worker().worker_id)
    held.append(Socket().open())
    assert hand.flush()
    assert last().full
    assert recorder().counts == {"call": 4}
    assert len(recorder().labels) == 4
    assert recorder().online_user_ids() == {"0", "1", "2"}


def test_lease_that_ended_while_the_process_stood_still_is_made_good(hand, clock):
    held = Socket().open()
    hand.flush()
    clock.advance(LEASE * 10)
    assert recorder().counts == {}
    assert hand.flush()
    assert recorder().counts == {"call": 1}
    assert last().full
    held.close()


def failing(error: Exception) -> Callable[[Report], object]:
    def fail(report: Report) -> object:
        raise error

    return fail


def accepting(report: Report) -> object:
    return None


@pytest.mark.parametrize(
    "error",
    [BackendError("down"), OSError("down"), ValueError("nonsense"), KeyError("what")],
    ids=repr,
)
def test_failure_is_tried_again_once_a_heartbeat(hand, clock, error, caplog):
    tried = []

    def fail(report: Report) -> object:
        tried.append(report)
        raise error

    recorder().before = fail
    held = [Socket().open()]
    for number in range(1, 6):
        for _ in range(10):
            held.append(Socket().open())
            assert not hand.flush()
            clock.advance(HEARTBEAT / 20)
        assert len(tried) == number
        assert hand.failure is error
        clock.advance(HEARTBEAT / 2 + 0.001)
    recorder().before = accepting
    assert hand.flush()
    assert hand.failure is None
    assert last().full
    assert recorder().counts == {"call": len(held)}


def test_outage_is_one_warning_and_its_end_one_line(hand, clock, caplog):
    caplog.set_level(logging.INFO, "django_socket_status")
    held = Socket().open()
    recorder().before = failing(BackendError("cannot be reached"))
    for _ in range(10):
        hand.flush()
        clock.advance(HEARTBEAT)
    recorder().before = accepting
    hand.flush()
    hand.flush()
    warning, line = (it for it in caplog.records if it.name == "django_socket_status")
    assert (warning.levelname, line.levelname) == ("WARNING", "INFO")
    assert "cannot be reached" in warning.message
    assert warning.exc_info is None
    assert "again" in line.message
    caplog.clear()
    clock.advance(HEARTBEAT)
    recorder().before = failing(ValueError("another one"))
    hand.flush()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert caplog.records[0].exc_info is not None
    held.close()


def test_outage_of_any_length_loses_nothing_and_leaves_no_ghost(hand, clock):
    chance = random.Random(7)
    held: list[Socket] = [Socket(user=str(n)).open().label(room=n) for n in range(20)]
    hand.flush()
    recorder().before = failing(BackendError("down"))
    for number in range(500):
        held.append(Socket(user=str(number % 30)).open().label(room=number))
        while len(held) > 20:
            held.pop(chance.randrange(len(held))).close()
        hand.flush()
        clock.advance(HEARTBEAT / 10)
    assert not registry.is_dirty
    recorder().before = accepting
    clock.advance(HEARTBEAT)
    assert hand.flush()
    assert recorder().counts == {"call": 20}
    expected = [socket.connection.overrides.added for socket in held]
    assert recorder().labels == sorted(expected, key=str)
    assert recorder().online_user_ids() == {socket.scope["user"] for socket in held}


def test_failure_with_no_socket_left_ends_with_a_report(hand, clock):
    held = Socket().open()
    hand.flush()
    recorder().before = failing(BackendError("down"))
    held.close()
    assert not hand.flush()
    recorder().before = accepting
    clock.advance(HEARTBEAT * 1.1)
    assert hand.flush()
    assert recorder().counts == {}
    assert recorder().goodbyes == []


def test_other_backend_gets_everything(hand):
    held = [Socket().open() for _ in range(3)]
    hand.flush()
    first = recorder()
    with override_settings(
        SOCKET_STATUS={"BACKEND": RECORDER, "OPTIONS": {"name": "other"}}
    ):
        assert hand.flush()
        assert recorder() is not first
        assert recorder().counts == {"call": 3}
        assert last().full
    del held


def test_setting_that_cannot_be_used_is_an_outage(hand, clock, caplog):
    held = Socket().open()
    with override_settings(SOCKET_STATUS={"BACKEND": "nowhere.Backend"}):
        assert not hand.flush()
        assert isinstance(hand.failure, ImproperlyConfigured)
        assert "nowhere" in caplog.text
    clock.advance(HEARTBEAT * 2)
    assert hand.flush()
    assert recorder().counts == {"call": 1}
    held.close()


# Full reports in pieces.


def test_big_report_comes_in_pieces(hand):
    held = [Socket(user=str(n)).open() for n in range(PIECE * 2 + 50)]
    hand.flush()
    reports = recorder().reports
    assert [report.full for report in reports] == [True, False, False]
    assert [report.complete for report in reports] == [False, False, True]
    assert all(len(report.opened) <= PIECE for report in reports)
    assert recorder().counts == {"call": len(held)}
    assert len(recorder().labels) == len(held)
    assert len(recorder().online_user_ids()) == len(held)


def test_host_has_its_turn_while_many_connections_are_described(hand, monkeypatch):
    steps: list[object] = []
    still_counted = registry.still_counted

    def describe(describe, connections, users):
        steps.append(len(connections))
        return still_counted(describe, connections, users)

    monkeypatch.setattr(registry, "still_counted", describe)
    monkeypatch.setattr(time, "sleep", lambda seconds: steps.append("rest"))
    held = [Socket().open() for _ in range(PIECE + GRAIN + 1)]
    hand.flush()
    described = [step for step in steps if isinstance(step, int)]
    assert sum(described) == len(held)
    assert max(described) == GRAIN
    assert steps.count("rest") >= len(held) / GRAIN
    assert REST_SECONDS > 0
    pairs = itertools.pairwise(steps)
    assert all(after == "rest" for step, after in pairs if step not in ("rest", 0))


@pytest.mark.parametrize("seed", range(12))
def test_churn_between_the_pieces_leaves_the_report_exact(hand, seed):
    chance = random.Random(seed)
    held = [
        Socket(user=str(chance.randrange(400))).open().label(room=n)
        for n in range(PIECE * 3)
    ]

    def churn(report: Report) -> None:
        if report.complete:
            return
        for number in range(150):
            act = chance.random()
            if act < 0.35:
                held.append(Socket(user=str(chance.randrange(500))).open())
                held[-1].label(room=f"new-{number}")
            elif act < 0.7:
                held.pop(chance.randrange(len(held))).close()
            elif act < 0.85:
                chance.choice(held).label(room=f"again-{number}", more=True)
            else:
                chance.choice(held).log_in(str(chance.randrange(500)))

    recorder().before = churn
    assert hand.flush()
    recorder().before = accepting
    assert hand.flush()
    assert recorder().counts == {"call": len(held)}
    expected = [dict(socket.connection.overrides.added) for socket in held]
    assert recorder().labels == sorted(expected, key=str)
    assert recorder().online_user_ids() == {socket.scope["user"] for socket in held}
    numbers = [report.sequence for report in recorder().reports]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("answer", [False, BackendError("half way")], ids=repr)
def test_report_that_breaks_between_two_pieces_begins_again(hand, clock, answer):
    held = [Socket(user=str(n)).open() for n in range(PIECE * 2)]

    def fail_at_the_second(report: Report) -> object:
        if not report.full and isinstance(answer, Exception):
            raise answer
        return report.full

    recorder().before = fail_at_the_second
    assert not hand.flush()
    assert not recorder().read().workers[0].complete
    held.pop().close()
    held.append(Socket().open())
    recorder().before = accepting
    clock.advance(HEARTBEAT * 2)
    assert hand.flush()
    assert recorder().read().workers[0].complete
    assert recorder().counts == {"call": len(held)}
    assert len(recorder().labels) == len(held)


# Counts alone.


def counts_alone() -> override_settings:
    return override_settings(
        SOCKET_STATUS={"BACKEND": RECORDER, "OPTIONS": {"wants_details": False}}
    )


def assert_no_details(report: Report) -> None:
    assert (*report.opened, *report.closed) == ()
    assert (*report.users_joined, *report.users_left) == ()


def test_backend_that_wants_no_details_gets_counts_alone(hand, clock):
    with counts_alone():
        held = [Socket(user="1").open(), Socket(user="1").open(), Socket().open()]
        assert hand.flush()
        assert last().full
        assert last().counts == {"call": 3}
        assert last().anonymous == 1
        held.pop(0).close()
        held.append(Socket().open())
        assert hand.flush()
        assert not last().full
        assert last().counts == {"call": 3}
        assert last().anonymous == 2
        held[0].log_in(None)
        assert hand.flush()
        assert last().anonymous == 3
        for socket in held:
            socket.close()
        assert hand.flush()
        assert last().counts == {}
        assert last().anonymous == 0
        assert len(recorder().reports) == 4
        for report in recorder().reports:
            assert_no_details(report)
        clock.advance(HEARTBEAT)
        assert hand.flush()
        assert len(recorder().reports) == 5


def test_counts_alone_are_one_report_however_many_there_are(hand):
    with counts_alone():
        held = [Socket().open() for _ in range(PIECE * 3)]
        assert hand.flush()
        assert [report.complete for report in recorder().reports] == [True]
        assert recorder().counts == {"call": len(held)}
        for socket in held:
            socket.close()


def test_backend_that_wants_details_after_one_that_does_not_gets_them(hand):
    """And the other way round: each from its first report on."""
    held = [Socket(user="1").open(), Socket(user="2").open(), Socket().open()]
    for _ in range(2):
        assert hand.flush()
        assert last().full
        assert last().counts == {"call": 3}
        assert last().anonymous == 1
        assert sorted(last().users_joined) == ["1", "2"]
        assert len(last().opened) == 3
        with counts_alone():
            assert hand.flush()
            assert last().full
            assert last().counts == {"call": 3}
            assert last().anonymous == 1
            assert_no_details(last())
            held.pop().close()
            held.append(Socket().open())
            assert hand.flush()
            assert last().counts == {"call": 3}
    held.pop(0).close()
    assert hand.flush()
    assert hand.flush()
    held.pop(0).close()
    assert hand.flush()
    assert last().users_left == ["2"]
    held.pop(0).close()
    assert hand.flush()
    assert last().counts == {}
    assert last().anonymous == 0


def test_own_snapshot_has_no_number_of_users_that_are_not_reported(hand):
    with counts_alone():
        held = [Socket(user=user).open() for user in ("1", "1", None)]
        assert hand.own_snapshot(1).unique_users == 1
        assert hand.flush()
        snapshot = hand.own_snapshot(1)
        assert snapshot.unique_users is None
        assert snapshot.workers[0].anonymous == 1
        for socket in held:
            socket.close()


# For readers.


def test_own_snapshot_holds_what_this_process_knows(hand):
    held = [Socket(user="1").open(), Socket(user="1").open(), Socket().open()]
    snapshot = hand.own_snapshot(1)
    (status,) = snapshot.workers
    assert status.counts == {"call": 3}
    assert status.anonymous == 1
    assert status.worker is this_worker()
    assert snapshot.unique_users == 1
    # What it drained is not lost for the backend.
    held.pop(0).close()
    hand.flush()
    assert recorder().counts == {"call": 2}
    held.append(Socket().open())
    hand.own_snapshot(1)
    hand.flush()
    assert recorder().counts == {"call": 3}
    assert len(recorder().labels) == 3


def test_end_of_the_last_socket_is_reported_also_if_a_reader_drained_it(hand):
    held = Socket().open()
    hand.flush()
    held.close()
    assert hand.own_snapshot(1).workers[0].counts == {}
    assert hand.flush()
    assert recorder().counts == {}


def test_last_change_is_reported_also_if_a_reader_drained_it(hand, clock):
    held = Socket().open()
    hand.flush()
    held.close()
    hand.own_snapshot(1)
    for _ in range(10):
        hand.flush()
        clock.advance(HEARTBEAT)
    assert recorder().counts == {}
    assert last().counts == {}


def test_reader_that_is_interrupted_as_it_drains_loses_nothing(hand, monkeypatch):
    held, other = Socket().open(), Socket().open()
    hand.flush()
    held.close()

    def interrupted(self: Registry, *args: object) -> Changes:
        drain(self, *args)
        raise KeyboardInterrupt

    drain = Registry.drain
    with monkeypatch.context() as patch:
        patch.setattr(Registry, "drain", interrupted)
        with pytest.raises(KeyboardInterrupt):
            hand.own_snapshot(1)
    hand.flush()
    assert recorder().counts == {"call": 1}
    assert len(recorder().labels) == 1
    other.close()


def test_reader_does_not_wait_longer_than_it_wants_to(hand):
    held = Socket().open()
    entered, go_on = threading.Event(), threading.Event()

    def hang(report: Report) -> None:
        entered.set()
        go_on.wait()

    recorder().before = hang
    other = threading.Thread(target=hand.flush)
    other.start()
    assert entered.wait(60)
    assert not hand.flush(0.01)
    assert hand.own_snapshot(0.01) is None
    go_on.set()
    other.join()
    assert hand.flush(0.01)
    held.close()


# The thread.


def reporter_threads() -> list[threading.Thread]:
    return [it for it in threading.enumerate() if it.name.endswith("-reporter")]


def test_first_socket_starts_one_thread():
    assert reporter_threads() == []
    Socket()
    assert reporter_threads() == []
    sockets = [Socket().open() for _ in range(10)]
    assert len(reporter_threads()) == 1
    assert reporter_threads()[0].daemon
    wait_until(lambda: recorder().counts == {"call": 10})
    for socket in sockets:
        socket.close()
    wait_until(lambda: recorder().counts == {})
    assert len(reporter_threads()) == 1


def test_threads_that_open_sockets_start_one_thread_together():
    barrier = threading.Barrier(8)
    sockets: list[Socket] = []

    def start() -> None:
        barrier.wait()
        sockets.append(Socket().open())

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reporter_threads()) == 1
    wait_until(lambda: recorder().counts == {"call": 8})


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_thread_that_died_is_replaced_by_the_next_event():
    def die(report: Report) -> None:
        raise SystemExit

    sockets = [Socket().open()]
    wait_until(lambda: recorder().counts == {"call": 1})
    (thread,) = reporter_threads()
    recorder().before = die
    sockets.append(Socket().open())
    thread.join(10)
    assert not thread.is_alive()
    recorder().before = accepting
    sockets.append(Socket().open())
    wait_until(lambda: recorder().counts == {"call": 3})
    assert len(recorder().labels) == 3


def test_process_without_threads_to_spare_serves_its_sockets(monkeypatch, caplog):
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        sockets = [Socket().open() for _ in range(50)]
        sockets.pop().close()
        assert reporter_threads() == []
        assert registry.is_dirty
    assert len(caplog.records) == 1
    sockets.append(Socket().open())
    wait_until(lambda: recorder().counts == {"call": 50})
    wait_until(lambda: reporter.failure is None)


def test_backend_that_hangs_holds_up_no_socket():
    entered, go_on = threading.Event(), threading.Event()

    def hang(report: Report) -> None:
        entered.set()
        go_on.wait()

    recorder().before = hang
    held = [Socket().open()]
    assert entered.wait(60)
    began = time.process_time()
    for number in range(10_000):
        Socket(user=str(number)).open().label(room=number).close()
    held += [Socket().open() for _ in range(100)]
    begin_heartbeat()
    # A lock that the reporter holds would stand still for ever here.
    assert time.process_time() - began < 60
    still_open = [it for (it,) in registry.intake.fresh if type(it) is not tuple]
    assert len(still_open) == 100
    recorder().before = accepting
    go_on.set()
    wait_until(lambda: recorder().counts == {"call": 101})


def test_end_does_not_wait_for_a_backend_that_hangs():
    entered, go_on = threading.Event(), threading.Event()

    def hang(report: Report) -> None:
        entered.set()
        go_on.wait()

    recorder().before = hang
    held = Socket().open()
    assert entered.wait(60)
    began = time.monotonic()
    assert not reporter.stop()
    assert time.monotonic() - began < 5
    (thread,) = reporter_threads()
    go_on.set()
    thread.join(10)
    assert not thread.is_alive()
    held.close()


def test_end_says_goodbye():
    held = Socket().open()
    wait_until(lambda: recorder().counts == {"call": 1})
    (thread,) = reporter_threads()
    assert reporter.stop(10)
    thread.join(10)
    assert recorder().goodbyes == [this_worker().worker_id]
    assert recorder().counts == {}
    held.close()


def test_nothing_is_reported_after_the_goodbye():
    """Or a reader would bring back what is about to be gone, for a whole lease."""
    held = Socket().open()
    wait_until(lambda: recorder().counts == {"call": 1})
    assert reporter.stop(10)
    assert not reporter.flush()
    held.close()
    Socket().open()
    assert not reporter.flush()
    assert recorder().counts == {}
    assert reporter_threads() == []


def test_end_does_not_wait_until_changes_are_gathered():
    with override_settings(
        SOCKET_STATUS={"BACKEND": RECORDER, "REPORT_INTERVAL_SECONDS": 60}
    ):
        held = Socket().open()
        assert reporter.flush()
        wait_until(lambda: recorder().counts == {"call": 1})
        assert reporter.stop(10)
        assert recorder().goodbyes == [this_worker().worker_id]
        held.close()


def test_backend_that_fails_at_the_goodbye_does_not_disturb_the_end(caplog):
    def fail(worker_id: str) -> None:
        raise OSError("down")

    held = Socket().open()
    wait_until(lambda: recorder().counts == {"call": 1})
    recorder().goodbye = fail  # type: ignore[method-assign]
    assert reporter.stop(10)
    held.close()


def test_message_is_watched_again_after_a_heartbeat():
    talking, silent = Socket().open(), Socket().open()
    talking.say().say()
    wait_until(lambda: not registry.intake.unwatched)
    talking.error = OSError("gone")
    talking.say()
    wait_until(lambda: recorder().counts == {"call": 1})
    silent.close()


def test_heartbeats_go_on_without_an_event_loop():
    """A loop that is blocked does not cost the process its lease."""
    with override_settings(
        SOCKET_STATUS={"BACKEND": RECORDER, "HEARTBEAT_SECONDS": 0.01}
    ):
        held = Socket().open()
        wait_until(lambda: len(recorder().reports) > 5)
        held.close()


def test_many_threads_are_reported_exactly_while_readers_flush():
    stop = threading.Event()
    kept: list[Socket] = []

    def come_and_go(seed: int) -> None:
        chance = random.Random(seed)
        held: list[Socket] = []
        for number in range(400):
            held.append(Socket(user=str(chance.randrange(50))).open())
            held[-1].label(room=number)
            if len(held) > 10:
                held.pop(chance.randrange(10)).close()
        kept.extend(held)

    def read() -> None:
        while not stop.is_set():
            reporter.flush(0.01)
            reporter.own_snapshot(0.01)
            gc.collect(0)

    reader = threading.Thread(target=read)
    threads = [threading.Thread(target=come_and_go, args=[n]) for n in range(3)]
    reader.start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    reader.join()
    wait_until(lambda: recorder().counts == {"call": 30})
    expected = [dict(socket.connection.overrides.added) for socket in kept]
    wait_until(lambda: recorder().labels == sorted(expected, key=str))
    assert recorder().online_user_ids() == {socket.scope["user"] for socket in kept}


# Whole processes.


def test_nothing_starts_before_the_first_socket(tmp_path):
    script = """
from django_socket_status import consumers, middleware, services, urls
from django_socket_status.services import SocketStatusService
assert threading.active_count() == 1
Socket()
assert threading.active_count() == 1
assert SocketStatusService.get_socket_info_summary()["total_sockets"] == 0
"""
    run_python(PATIENCE + script, tmp_path / "log")
    assert calls_in(tmp_path / "log") == []


HELD = f"""
{WAITING}
waiting.send(None)
held = [Socket().open() for _ in range(3)]
wait_until(lambda: recorder().counts == {{"call": 3, "websocket": 1}})
"""

# What the interpreter finds, and drops, at its very end.
GARBAGE = """
import gc
gc.disable()
garbage = [waiting]
garbage.append(garbage)
del garbage, waiting
gc.enable()
"""

ENDS = {
    "end of the script": HELD,
    "sys.exit": f"{HELD}\nsys.exit()",
    "application that is dropped last": f"{HELD}\nsys.kept = waiting",
    "application that is garbage": HELD + GARBAGE,
    "exit handler before ours": f"""
{HELD}
import atexit

@atexit.register
def late():
    held.pop().close()
    held.append(Socket().open())
""",
    "exit handler after ours": f"""
import atexit

@atexit.register
def late():
    held.pop().close()
    held.append(Socket().open())

{HELD}
""",
    "thread that goes on": f"""
{HELD}
def go_on():
    while True:
        Socket().open().close()

threading.Thread(target=go_on, daemon=True).start()
""",
}


@pytest.mark.parametrize("script", ENDS.values(), ids=ENDS.keys())
def test_process_that_ends_with_sockets_open_complains_of_nothing(script, tmp_path):
    run_python(script, tmp_path / "log")
    calls = calls_in(tmp_path / "log")
    assert [kind for kind, *_ in calls].count("goodbye") == 1
    assert calls[-1][0] == "goodbye"


def test_process_that_ends_in_its_first_handshake_complains_of_nothing(tmp_path):
    """No thread ever started, and none can start then."""
    begin = WAITING.replace("await send(ACCEPT)", "")
    run_python(f"{begin}\nwaiting.send(None)\n{GARBAGE}", tmp_path / "log")
    assert calls_in(tmp_path / "log") == []


def test_process_ends_in_time_while_its_backend_hangs(tmp_path):
    script = """
entered = threading.Event()

def hang(report):
    entered.set()
    threading.Event().wait()

recorder().before = hang
held = Socket().open()
assert entered.wait(60)
print(time.monotonic())
"""
    began = float(run_python(script, tmp_path / "log"))
    assert time.monotonic() - began < reporter_module.GOODBYE_SECONDS + 20


def test_process_that_is_interrupted_says_goodbye(tmp_path):
    script = f"""
{HELD}
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    os.kill(os.getpid(), signal.SIGINT)
    threading.Event().wait(10)
except KeyboardInterrupt:
    sys.exit(0)
"""
    run_python(script, tmp_path / "log")
    assert calls_in(tmp_path / "log")[-1][0] == "goodbye"
