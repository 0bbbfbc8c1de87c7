"""Workers that hold more than the status file has space for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.workers import Worker, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.oldest]

LIMIT = 2**20


def test_worker_that_holds_too_much_is_counted_and_says_what_is_missing(
    start: Callable[..., Worker], path: Path
) -> None:
    options = {"path": str(path), "max_bytes": LIMIT}
    large, small, reader = (start(OPTIONS=options) for _ in range(3))
    small.ask("open", number=3, user="7")
    large.ask("open", number=9_000)
    wait_until(lambda: large.ask("flush"))
    for worker in (large, small, reader):
        wait_until(lambda worker=worker: worker.seen == 9_003)
        summary = worker.ask("summary")
        assert summary["stale"]
        assert summary["coverage"] == "host"
        assert summary["unique_users"] is None
        assert len(worker.ask("ids")) == 3
    assert sum(file.stat().st_size for file in path.parent.iterdir()) <= LIMIT
    (message,) = large.ask("warnings")
    assert "max_bytes" in message
    assert small.ask("warnings") == reader.ask("warnings") == []
    large.ask("open")
    large.ask("flush")
    assert reader.seen == 9_004
