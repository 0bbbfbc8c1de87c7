"""What happened during a rollout: real workers of both versions, killed and frozen."""

from __future__ import annotations

import contextlib
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.previous.test_rollout import (
    OF_THE_NEW,
    OF_THE_OLD,
    WHEELS,
    Process,
    Start,
    new_code,
    start,
    store,
    unzip,
    wait_until,
    wait_until_right,
)

__all__ = ["new_code", "start", "store", "unzip"]

pytestmark = pytest.mark.faults

#: How many opened, closed by each cause, or were rejected by each status.
Deeds = Counter[str]

#: The last version without totals. What is stored for them is the same before it.
LAST = "before-activity"


@pytest.fixture
def old_code(unzip: Callable[[Path], Path]) -> Path:
    return unzip(WHEELS[LAST])


def numbers(facts: Any, *names: str) -> Iterator[tuple[tuple[str, ...], float]]:
    """Yield every number of nested facts, with its name."""
    if isinstance(facts, Mapping):
        for name, inner in facts.items():
            yield from numbers(inner, *names, name)
    elif isinstance(facts, list):
        for place, inner in enumerate(facts):
            yield from numbers(inner, *names, str(place))
    elif isinstance(facts, int | float):
        yield names, facts


class Reader:
    """A process of the new version that only reads. It sees that no total falls.

    Args:
        process: The process.
        lists_lost: Whether the connections of each lost worker are listed. An old
            worker that removes a row of SQLite removes what would be listed with it.
    """

    def __init__(self, process: Process, *, lists_lost: bool) -> None:
        self._process = process
        self._lists_lost = lists_lost
        self._before: dict[tuple[str, ...], float] = {}
        self._epochs: set[str] = set()

    def look(self) -> dict[str, Any]:
        """Return what happened; nothing if it cannot be read now."""
        happened: dict[str, Any] = self._process.ask("happened")
        if "error" in happened:
            return {}
        since = happened["totals"].pop("since")
        self._epochs.update({since} - {None})
        assert len(self._epochs) <= 1
        now = dict(numbers(happened["totals"]))
        fell = {it for it, number in self._before.items() if now.get(it, 0) < number}
        assert not fell
        self._before = now
        return happened

    def wait_for(self, counted: Deeds, listed: Deeds, open_now: int) -> None:
        """Wait until the totals, the list and what is open are as expected."""
        last: dict[str, Any] = {}

        def is_so() -> bool:
            last.update(self.look())
            return bool(last) and self._agrees(last, counted, listed, open_now)

        try:
            wait_until(is_so)
        except AssertionError as error:
            raise AssertionError(last, counted, listed, open_now) from error

    def _agrees(
        self, happened: dict[str, Any], counted: Deeds, listed: Deeds, open_now: int
    ) -> bool:
        closed = dict(happened["closed"])
        found, lost = Deeds(closed.values()), listed["worker_lost"]
        if not self._lists_lost:
            lost = min(lost, found["worker_lost"])
        return (
            deeds_in(happened["totals"]) == counted
            and found == Deeds({**listed, "worker_lost": lost})
            # Each once.
            and len(closed) == len(happened["closed"])
            and len(happened["open"]) == open_now
            and not closed.keys() & set(happened["open"])
        )


def deeds_in(totals: dict[str, Any]) -> Deeds:
    """Return how many opened, closed by each cause, and were rejected by status."""
    found = Deeds(opened=sum(totals["opened"].values()))
    for kind in ("closed", "rejected"):
        for inner in totals[kind].values():
            found.update(inner)
    return found


@contextlib.contextmanager
def frozen(process: Process) -> Iterator[None]:
    process.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.signal(signal.SIGCONT)


@pytest.fixture
def reader(start: Start, new_code: Path, store: dict[str, Any]) -> Reader:
    lists_lost = store["BACKEND"].endswith("RedisBackend")
    return Reader(start(new_code), lists_lost=lists_lost)


def test_totals_are_right_beside_old_workers_while_some_are_killed_and_frozen(
    start: Start, old_code: Path, new_code: Path, reader: Reader
) -> None:
    old, dying = start(old_code), start(old_code)
    new, killed, sleeper = start(new_code), start(new_code), start(new_code)
    for process in (old, dying):
        process.open(OF_THE_OLD)
    for process in (new, killed, sleeper):
        process.open(OF_THE_NEW)
    new.close_last()
    new.ask("is_rejected")
    counted = Deeds({"opened": 9, "client_closed": 1, "403": 1})
    listed = Deeds(client_closed=1)
    # Old workers count nothing: what they hold is only open.
    reader.wait_for(counted, listed, 8 + 4)
    killed.kill()
    dying.kill()
    lost = Deeds(worker_lost=6)
    with frozen(sleeper):
        reader.wait_for(counted + lost, listed + lost, 2 + 2)
        wait_until_right(old, new)
    counted += Deeds(worker_lost=6, opened=3)
    listed += Deeds(worker_lost=3)
    reader.wait_for(counted, listed, 5 + 2)
    wait_until_right(old, new, sleeper)
    for process in (old, sleeper):
        process.close_last()
    counted += Deeds(client_closed=1)
    listed += Deeds(client_closed=1)
    reader.wait_for(counted, listed, 4 + 1)
    sleeper.stop()
    counted += Deeds(worker_stopped=2)
    listed += Deeds(worker_stopped=2)
    reader.wait_for(counted, listed, 2 + 1)
    assert old.warnings() == new.warnings() == []


def test_totals_go_on_after_a_way_back_to_the_old_version(
    start: Start, old_code: Path, new_code: Path, reader: Reader
) -> None:
    stopped, killed = start(new_code), start(new_code)
    stopped.open(OF_THE_NEW)
    killed.open(OF_THE_NEW)
    stopped.close_last()
    counted = Deeds(opened=6, client_closed=1)
    listed = Deeds(client_closed=1)
    reader.wait_for(counted, listed, 5)
    # The release is taken back.
    old = start(old_code)
    old.open(OF_THE_OLD)
    stopped.stop()
    killed.kill()
    # The old worker removes the killed one, and knows of no totals.
    wait_until_right(old)
    counted += Deeds(worker_stopped=2)
    listed += Deeds(worker_stopped=2)
    reader.wait_for(counted, listed, 2)
    # And tried again. The old worker is killed, as rollouts go.
    new = start(new_code)
    new.open(OF_THE_NEW)
    wait_until_right(old, new)
    old.kill()
    counted += Deeds(opened=3, worker_lost=3)
    listed += Deeds(worker_lost=3)
    reader.wait_for(counted, listed, 3)
    new.close_last()
    counted += Deeds(client_closed=1)
    listed += Deeds(client_closed=1)
    reader.wait_for(counted, listed, 2)
    assert new.warnings() == []
