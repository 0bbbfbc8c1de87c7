"""Whether a connection was open at some instant, with a wall clock that is set."""

from __future__ import annotations

import pytest

from django_socket_status.control.openings import Openings
from django_socket_status.testing import Clock

HOUR = 3600.0


class Worker:
    """Opens connections, and drains them, on two clocks that tests set."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.offset = 1_000_000.0
        self.openings = Openings(self.clock, self.wall)
        self.number = 0

    def wall(self) -> float:
        return self.clock() + self.offset

    def open(self) -> tuple[int, float]:
        """Open a connection, which the next drain counts."""
        self.number += 1
        return self.number, self.wall()

    def drain(self) -> None:
        self.openings.note(self.number, self.clock())

    def wait(self, seconds: float = 0.1) -> float:
        self.clock.advance(seconds)
        return self.clock()


@pytest.fixture
def worker() -> Worker:
    return Worker()


def test_connections_of_earlier_drains_were_open(worker):
    before = worker.open()
    worker.wait()
    worker.drain()
    at = worker.wait()
    worker.wait()
    after = worker.open()
    worker.wait()
    worker.drain()
    was_open = worker.openings.were_open(at)
    assert was_open(*before)
    assert not was_open(*after)


def test_between_two_drains_the_opening_decides(worker):
    worker.drain()
    before = worker.open()
    at = worker.wait()
    worker.wait()
    after = worker.open()
    worker.wait()
    worker.drain()
    was_open = worker.openings.were_open(at)
    assert was_open(*before)
    assert not was_open(*after)


@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_clock_that_was_set_after_the_opening_changes_nothing(worker, step):
    before = worker.open()
    worker.wait()
    worker.drain()
    worker.offset += step
    at = worker.wait()
    worker.wait()
    after = worker.open()
    worker.wait()
    worker.drain()
    was_open = worker.openings.were_open(at)
    assert was_open(*before)
    assert not was_open(*after)


@pytest.mark.parametrize("step", [HOUR, -HOUR])
@pytest.mark.parametrize("when", ["before", "between", "after"])
def test_clock_that_was_set_between_two_drains_changes_nothing(worker, step, when):
    worker.open()
    worker.drain()
    worker.wait()
    worker.offset += step if when == "before" else 0
    before = worker.open()
    at = worker.wait()
    worker.offset += step if when == "between" else 0
    worker.wait()
    after = worker.open()
    worker.wait()
    worker.offset += step if when == "after" else 0
    worker.drain()
    was_open = worker.openings.were_open(at)
    assert was_open(*before)
    assert not was_open(*after)


def test_connection_that_no_drain_has_counted_is_spared(worker):
    worker.drain()
    unknown = worker.open()
    at = worker.wait()
    assert not worker.openings.were_open(at)(*unknown)


def test_old_drains_are_forgotten_and_their_connections_are_not(worker):
    first = worker.open()
    for _ in range(2_000):
        worker.drain()
        worker.wait(0.05)
        worker.open()
    at = worker.wait()
    assert worker.openings.were_open(at)(*first)
    worker.openings.forget()
    assert not worker.openings.were_open(at)(*first)
