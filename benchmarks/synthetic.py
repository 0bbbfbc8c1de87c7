"""Workers that are nothing but their reports: as many connections as one likes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

from django_socket_status.backends.base import BaseBackend
from django_socket_status.records import OpenedConnection, Report, Worker, instant
from django_socket_status.reporter.full_report import PIECE

__all__ = ["LONG_SECONDS", "SyntheticWorker", "load"]

TYPES = ("call", "stt_room", "support")
ROOMS = 1_000

#: A lease that outlives a benchmark.
LONG_SECONDS = 24 * 3600.0


class SyntheticWorker:
    """A worker that holds connections, every second one of a different user.

    Args:
        index: Which one it is.
        size: How many connections it holds.
        lease_seconds: How long it is to be believed.
    """

    def __init__(
        self, index: int, size: int, *, lease_seconds: float = LONG_SECONDS
    ) -> None:
        self.worker = Worker(
            worker_id=f"{index:016x}",
            host=f"host-{index // 8}.example",
            pid=index + 1,
            server="uvicorn",
            started_at=instant(time.time()),
        )
        self.size = size
        self.users = [str(index * size + it) for it in range(1, size + 1, 2)]
        self._lease_seconds = lease_seconds
        self._sequence = 0
        self.reported_at = 0.0
        self._counts: Counter[str] = Counter()
        self._anonymous = 0

    def full(self) -> Iterator[Report]:
        """Yield the pieces of a full report, as the reporter makes them."""
        first = len(self.users) and int(self.users[0])
        now = time.time()
        # Of everything, from the first piece on.
        self._counts = Counter(
            TYPES[number % len(TYPES)] for number in range(1, self.size + 1)
        )
        self._anonymous = self.size // 2
        for start in range(0, self.size or 1, PIECE):
            numbers = range(start + 1, min(start + PIECE, self.size) + 1)
            opened = tuple(
                OpenedConnection(
                    number=number,
                    type=TYPES[number % len(TYPES)],
                    endpoint="/ws/call/<room>/",
                    user_id=str(first + number - 1) if number % 2 else None,
                    labels={"room": str(number % ROOMS)},
                    opened_at=now + number / 1000,
                )
                for number in numbers
            )
            users = [it.user_id for it in opened if it.user_id is not None]
            yield self._report(
                full=not start,
                complete=start + PIECE >= self.size,
                opened=opened,
                users=users,
            )

    def beat(self, lease_seconds: float | None = None) -> Report:
        """Return a report of no change."""
        if lease_seconds is not None:
            self._lease_seconds = lease_seconds
        return self._report()

    def _report(
        self,
        *,
        full: bool = False,
        complete: bool = True,
        opened: tuple[OpenedConnection, ...] = (),
        users: list[str] | None = None,
    ) -> Report:
        self._sequence += 1
        self.reported_at = time.monotonic()
        return Report(
            worker=self.worker,
            sequence=self._sequence,
            lease_seconds=self._lease_seconds,
            counts=dict(self._counts),
            anonymous=self._anonymous,
            full=full,
            complete=complete,
            opened=opened,
            users_joined=users or [],
        )


def load(
    backend: BaseBackend, workers: int, size: int, *, details: bool = True
) -> list[SyntheticWorker]:
    """Report workers to a backend, so many connections in all; return them."""
    loaded = [SyntheticWorker(it, size // workers) for it in range(workers)]
    for worker in loaded:
        for report in worker.full():
            told = report if details else _counted_alone(report)
            if not backend.report(told):
                raise RuntimeError("The backend did not take a report.")
    return loaded


def _counted_alone(report: Report) -> Report:
    """Return a report as it is made for a backend that wants no details."""
    return Report(
        worker=report.worker,
        sequence=report.sequence,
        lease_seconds=report.lease_seconds,
        counts=report.counts,
        anonymous=report.anonymous,
        full=report.full,
    )
