"""A worker that knows commands, and no drain, beside one of this version."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from django_socket_status.operations import drainage
from django_socket_status.services import SocketStatusService
from django_socket_status.testing import isolated_socket_status
from tests.previous.test_rollout import (
    HERE,
    OF_THE_NEW,
    OF_THE_OLD,
    Process,
    store,
    unzip,
    wait_until,
)
from tests.support.source import PACKAGE

__all__ = ["store", "unzip"]

pytestmark = pytest.mark.faults

(WHEEL,) = HERE.glob("of-one-test/before-drain/*.whl")


@pytest.fixture
def both(
    store: dict[str, Any], unzip: Callable[[Path], Path]
) -> Iterator[tuple[Process, Process]]:
    old_code = unzip(WHEEL)
    with contextlib.ExitStack() as stack:
        old = Process(old_code, store)
        stack.callback(old.stop)
        new = Process(PACKAGE.parent, store)
        stack.callback(new.stop)
        stack.enter_context(isolated_socket_status(**store))
        yield old, new


def total() -> int:
    return SocketStatusService.get_summary().total_sockets


def test_old_worker_ignores_a_drain_and_obeys_what_follows(both, monkeypatch):
    monkeypatch.setattr(drainage, "ANSWER_SECONDS", 2.0)
    monkeypatch.setattr(drainage, "AFTERWARDS_SECONDS", 2.0)
    old, new = both
    old.open(OF_THE_OLD)
    new.open(OF_THE_NEW)
    wait_until(lambda: total() == 5, old, new)
    result = SocketStatusService.drain(
        all=True, grace_seconds=0, over_seconds=0, wait=True
    )
    held = {it.worker_id: it.total_sockets for it in SocketStatusService.get_workers()}
    assert [held[it] for it in result.silent_workers] == [len(OF_THE_OLD)]
    assert not result.complete
    wait_until(lambda: total() == len(OF_THE_OLD), old, new)
    # Its own readers go on, and it has said why nothing happens.
    assert old.ask("answers")["summary"]["total_sockets"] == len(OF_THE_OLD)
    (warning,) = old.warnings()
    assert "of another version" in warning
    assert new.warnings() == []
    closed = SocketStatusService.disconnect(all=True, wait_seconds=30.0)
    assert closed.matched == closed.closed == len(OF_THE_OLD)
    wait_until(lambda: total() == 0, old, new)
