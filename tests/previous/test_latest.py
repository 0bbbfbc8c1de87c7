"""Everything that is stored, by the version that landed last and by this one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.previous.test_rollout import (
    HERE,
    OF_THE_NEW,
    OF_THE_OLD,
    Process,
    Start,
    ids_of,
    new_code,
    start,
    store,
    unzip,
    wait_until,
    wait_until_right,
)

__all__ = ["new_code", "start", "store", "unzip"]

pytestmark = pytest.mark.faults

(WHEEL,) = HERE.glob("of-one-test/latest/*.whl")


@pytest.fixture
def old_code(unzip: Callable[[Path], Path]) -> Path:
    """Return the directory that holds the package of the wheel."""
    return unzip(WHEEL)


def leave(process: Process, *indices: int) -> None:
    """Note which sockets of a process are open yet."""
    process.sockets = [process.sockets[index] for index in indices]


def total(process: Process) -> int:
    answers = process.ask("answers")
    return -1 if "error" in answers else int(answers["summary"]["total_sockets"])


def happened(process: Process) -> dict[str, Any]:
    found: dict[str, Any] = process.ask("happened")
    return found


def causes(process: Process) -> Counter[str]:
    return Counter(cause for _, cause in happened(process).get("closed", []))


def test_both_versions_command_each_other_and_tell_the_same(
    start: Start, old_code: Path, new_code: Path
) -> None:
    old, new, killed = map(start, (old_code, new_code, old_code))
    old.open(OF_THE_OLD)
    new.open(OF_THE_NEW)
    wait_until_right(old, new)
    wait_until(lambda: ids_of(old) == ids_of(new), old, new)
    # Each closes what the other holds.
    closed = old.ask("disconnects", {"type": "chat"})
    assert closed == {"matched": 2, "closed": 2}
    leave(new, 0)
    closed = new.ask("disconnects", {"user": "7", "labels": {"room": "blue"}})
    assert closed == {"matched": 1, "closed": 1}
    leave(old, 1)
    wait_until_right(old, new)
    expected = Counter(disconnected=3)
    # Each tells what a killed worker of the other version held.
    killed.open(OF_THE_OLD)
    wait_until_right(old, new, killed)
    killed.kill()
    expected["worker_lost"] = 2
    # And each drains the other.
    for drains, drained, sockets in ((old, new, OF_THE_NEW), (new, old, OF_THE_OLD)):
        drained.open(sockets)
        held = len(old.sockets) + len(new.sockets)
        wait_until(lambda: total(old) == total(new) == held, old, new)  # noqa: B023
        assert drains.ask("drains") == {"closed": held, "remaining": 0}
        leave(old)
        leave(new)
        expected["drained"] += held
        wait_until(lambda: total(old) == total(new) == 0, old, new)
    for process in (old, new):
        wait_until(lambda: causes(process) == expected, old, new)  # noqa: B023
    opened = expected.total()
    mine, theirs = happened(new), happened(old)
    assert mine["closed"] == theirs["closed"]
    assert mine["totals"].items() >= theirs["totals"].items()
    assert sum(mine["totals"]["opened"].values()) == opened
    whole = {"opened": opened, "closed": dict(expected)}
    for process in (old, new):
        wait_until(lambda: process.ask("history") == whole, old, new)  # noqa: B023
    assert old.warnings() == new.warnings() == []
