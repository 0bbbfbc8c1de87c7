"""This process's numbers, whatever the backend does, and never from half a drain."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from django_socket_status.registry.registry import registry
from django_socket_status.reporter.thread import reporter
from django_socket_status.status import own
from django_socket_status.status.own import OwnNumbers, aread_own, own_numbers, read_own
from django_socket_status.testing import isolated_socket_status
from tests.support.held_sockets import CallConsumer, close_socket, open_socket
from tests.support.scripted_backend import SCRIPTED, Gate, fails_with, scripted

pytestmark = pytest.mark.python


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A backend that does what it is told, and a reporter that is called by hand."""
    with isolated_socket_status(BACKEND=SCRIPTED, HEARTBEAT_SECONDS=3600):
        monkeypatch.setattr(registry.intake, "wake", lambda: None)
        yield


def read() -> OwnNumbers:
    found = read_own()
    assert found is not None
    return found


def test_numbers_are_those_of_this_process():
    held = open_socket(CallConsumer)
    close_socket(open_socket(CallConsumer))
    reporter.flush()
    found = read()
    assert found.counts == {"call": 1}
    assert found.anonymous == 1
    assert found.totals.opened == {"call": 2}
    assert found.totals.durations_by_type["call"].count == 1
    assert found.totals.since is not None
    assert found.condition.versions["django_socket_status"]
    close_socket(held)


async def test_numbers_are_the_same_on_an_event_loop():
    open_socket(CallConsumer)
    reporter.flush()
    assert await aread_own() == read()


def test_backend_is_not_read():
    open_socket(CallConsumer)
    reporter.flush()
    reads = scripted().reads
    scripted().before_read = fails_with(AssertionError())
    assert read().counts == {"call": 1}
    assert scripted().reads == reads


def test_report_that_hangs_delays_no_reader():
    with Gate() as gate:
        scripted().before_report = gate
        open_socket(CallConsumer)
        thread = threading.Thread(target=reporter.flush)
        thread.start()
        assert gate.arrived.wait(30)
        assert read().counts == {"call": 1}
        gate.open()
        thread.join()


def test_failed_reports_are_counted():
    scripted().before_report = fails_with(OSError("refused"))
    open_socket(CallConsumer)
    reporter.flush()
    assert read().totals.report_failures == 1
    scripted().before_report = lambda: None


def test_numbers_of_half_a_drain_are_refused(monkeypatch):
    open_socket(CallConsumer)
    reporter.flush()
    copy = own._copy

    def drain_meanwhile(*given: object) -> object:
        found = copy(reporter, registry)
        open_socket(CallConsumer)
        reporter.flush()
        return found

    with monkeypatch.context() as patch:
        patch.setattr(own, "_copy", drain_meanwhile)
        assert own_numbers(reporter) is None
    assert read().totals.opened == {"call": 2}


def test_process_that_counts_all_the_time_has_no_numbers(monkeypatch):
    monkeypatch.setattr(own, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(registry, "_draining", True)
    assert read_own() is None


def test_dictionary_that_changes_meanwhile_is_read_again(monkeypatch):
    def change(*given: object) -> None:
        raise RuntimeError("dictionary changed size during iteration")

    monkeypatch.setattr(own, "_copy", change)
    assert own_numbers(reporter) is None
