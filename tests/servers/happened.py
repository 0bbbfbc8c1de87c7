"""Reads what happened as one more process, and says it in the words of the clients."""

from __future__ import annotations

import contextlib
import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from django_socket_status.services import SocketStatusService
from django_socket_status.status.totals import TotalsRecord
from tests.servers.servers import Site, wait_until
from tests.support.redis_servers.server import RedisServer

__all__ = ["LOST_SECONDS", "Known", "Status", "flat", "read", "store_of", "wait_for"]

Status = type[SocketStatusService]

LEASE_SECONDS = 4.0
#: Until a worker that is gone is counted as lost: a lease, and then the next sample,
#: which is due within ten seconds.
LOST_SECONDS = 60.0


@contextlib.contextmanager
def store_of(kind: str, directory: Path) -> Iterator[dict[str, Any]]:
    """Yield the settings of processes that share a new store, and a short lease."""
    settings: dict[str, Any] = {
        "HEARTBEAT_SECONDS": 0.2,
        "LEASE_SECONDS": LEASE_SECONDS,
        "OPTIONS": {"path": str(directory / "status")},
    }
    if kind == "sqlite":
        yield settings
        return
    with RedisServer() as redis:
        yield {
            **settings,
            "BACKEND": "django_socket_status.backends.redis.RedisBackend",
            "OPTIONS": {"url": redis.url, "timeout_seconds": 5.0},
        }


@dataclasses.dataclass
class Known:
    """What happened to connections, by the names of their rooms."""

    closed: dict[str, tuple[str, str, int | None]] = dataclasses.field(
        default_factory=dict
    )
    """Type, cause and close code."""
    rejected: dict[str, tuple[str, str]] = dataclasses.field(default_factory=dict)
    """Type and status."""

    def of(self, group: str) -> Known:
        """Return what is known of the rooms ``group.…``."""
        return Known(
            *(
                {room: it for room, it in some.items() if room.startswith(f"{group}.")}
                for some in (self.closed, self.rejected)
            )
        )


def read(status: Status) -> tuple[Known, TotalsRecord]:
    """Return both lists, each connection once, and the totals."""
    closed = status.get_connections(state="closed", limit=1000)
    rejected = status.get_connections(state="rejected", limit=1000)
    for page in (closed, rejected):
        assert page.complete
        assert not page.is_sample
        rooms = {it.labels["room"] for it in page}
        assert len(rooms) == len(page) == page.total, "one is listed twice"
    known = Known(
        {it.labels["room"]: (it.type, it.cause, it.close_code) for it in closed},
        {it.labels["room"]: (it.type, it.status) for it in rejected},
    )
    return known, status.get_totals()


def flat(nested: Mapping[str, Mapping[str, int]]) -> Counter[tuple[str, str]]:
    """Return the numbers of a table by type and cause, or by type and status."""
    return Counter(
        {
            (kind, name): number
            for kind, numbers in nested.items()
            for name, number in numbers.items()
        }
    )


def agrees(
    known: Known, totals: TotalsRecord, open_now: int, returned: Counter[str]
) -> bool:
    """Return whether the totals count what is listed, and nothing else.

    Args:
        known: What is listed.
        totals: The totals.
        open_now: How many connections are open.
        returned: How many of each type were counted as lost, and were not.
    """
    closed = Counter((kind, cause) for kind, cause, _ in known.closed.values())
    for kind, number in returned.items():
        closed[kind, "worker_lost"] += number
    codes = Counter(str(code) for *_, code in known.closed.values() if code)
    return (
        flat(totals.closed) == closed
        and flat(totals.rejected) == Counter(known.rejected.values())
        and totals.close_codes == codes
        and sum(totals.opened.values()) - closed.total() == open_now
    )


def wait_for(
    status: Status,
    group: str,
    expected: Callable[[Known], bool],
    *,
    returned: Counter[str] | None = None,
    site: Site,
    seconds: float = LOST_SECONDS,
) -> Known:
    """Wait until lists, totals and open connections agree, and are as expected.

    Args:
        status: The service, in a process that is no worker.
        group: Of which rooms to read.
        expected: Whether what is known of these rooms is right.
        returned: How many of each type were counted as lost, and were not.
        site: Whose complaints explain a failure.
        seconds: The longest time to wait.
    """
    last: list[Any] = []

    def is_so() -> bool:
        known, totals = read(status)
        open_now = status.get_connections().total
        last[:] = known.of(group), totals, open_now
        is_consistent = agrees(known, totals, open_now, returned or Counter())
        return is_consistent and expected(known.of(group))

    wait_until(is_so, seconds, lambda: f"{last}\n{site.stderr}")
    known: Known = last[0]
    return known
