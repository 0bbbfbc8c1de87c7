"""Takes the samples of the history, for the whole deployment, when the backend asks.

It also folds the counters of workers that are gone, and lists what they held as lost.
The reporter's thread calls it after a report. What fails here concerns no report.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

from django_socket_status.activity.buckets import Sample
from django_socket_status.activity.entries import EndedConnection, closed_text
from django_socket_status.activity.history import Recorder
from django_socket_status.activity.limits import SAMPLE_SECONDS
from django_socket_status.activity.stored import Entries, StoredCount, StoredTotals
from django_socket_status.activity.totals import Totals
from django_socket_status.backends.base import BaseBackend
from django_socket_status.concurrency.clock import monotonic
from django_socket_status.conf import get_settings
from django_socket_status.exceptions import BackendError
from django_socket_status.records import Snapshot
from django_socket_status.reporter.condition import release_name
from django_socket_status.validation import valid_opened, valid_snapshot

__all__ = ["Sampler"]

logger = logging.getLogger("django_socket_status")

#: Workers that are folded in one command, and lost connections in one entry.
FOLDS, ENTRIES = 8, 100
#: The most lost connections of one worker that are listed.
MAX_LOST = 1000


class Sampler:
    """Takes samples, one at a time, on the reporter's thread.

    Args:
        clock: A monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        #: The last outage of this worker that no sample has carried: from, until.
        self._outage: tuple[float, float] | None = None
        self._has_failed = False

    def note_outage(self, since: float, until: float) -> None:
        """Note when the backend could not be reached, in seconds since the epoch."""
        self._outage = since, until

    def take(self, backend: BaseBackend) -> None:
        """Take a sample and write it; log the first of several failures."""
        try:
            self._take(backend)
            self._has_failed = False
        except Exception as error:
            if not self._has_failed:
                logger.warning(
                    "A sample of the WebSocket history is missing: %s",
                    error,
                    exc_info=None if isinstance(error, BackendError) else error,
                )
            self._has_failed = True

    def _take(self, backend: BaseBackend) -> None:
        began = self._clock()
        snapshot = valid_snapshot(backend.read())
        stored = backend.read_totals() if "totals" in backend.keeps else None
        if stored is None:
            return
        text = _damaged_text(stored)
        if text is not None:
            backend.drop_totals(text)
            logger.warning("The totals in the store are damaged, and begin again now.")
            return
        # After no worker could report for a lease, all of them seem gone.
        lost = self._fold(backend, stored) if snapshot.complete else {}
        if "history" not in backend.keeps:
            return
        recorder = Recorder(stored.carry)
        self._note_events(recorder, stored.now, lost)
        buckets = recorder.add(_sample(snapshot, stored))
        left = SAMPLE_SECONDS - stored.now % SAMPLE_SECONDS
        if self._clock() - began > min(left, SAMPLE_SECONDS / 2):
            # This process was stopped meanwhile. Another one has taken the next sample,
            # and what is in this one would be counted twice.
            return
        backend.write_buckets([*buckets, *recorder.take_events()], recorder.carry())
        self._outage = None

    def _note_events(
        self, recorder: Recorder, now: float, lost: Mapping[str, int]
    ) -> None:
        recorder.add_release(now, release_name())
        if self._outage is not None:
            recorder.add_outage(*self._outage)
        for worker_id, number in lost.items():
            recorder.add_event(now, "worker_lost", worker=worker_id, number=number)

    def _fold(self, backend: BaseBackend, stored: StoredTotals) -> dict[str, int]:
        """Fold the counters of workers that are gone, some of them in each command.

        A store forgets after a while what a lost worker held, so this does not wait for
        the next sample. It ends after half a heartbeat: the thread has to report.

        Returns:
            How many connections each lost worker held; no worker that said goodbye.
        """
        gone = [count for count in stored.counts if not count.is_live]
        until = self._clock() + get_settings().heartbeat_seconds / 2
        base, all_lost = stored.base, dict[str, int]()
        while gone:
            some, gone = gone[:FOLDS], gone[FOLDS:]
            totals, held = _folded(base, some)
            lost = [(count, held[count.worker_id]) for count in some]
            lost = [(count, number) for count, number in lost if number]
            # Before the fold: a backend forgets them with the counters.
            listed = [_lost_entries(backend, *it, stored.now) for it in lost]
            if not backend.fold(some, base, totals.to_text()):
                # Another worker was quicker, or one is back: the next sample looks.
                break
            for entries in itertools.chain.from_iterable(listed):
                backend.keep_ended("closed", entries)
            base = totals.to_text()
            all_lost |= {count.worker_id: number for count, number in lost}
            if self._clock() >= until:
                break
        return all_lost


def _folded(base: str, gone: Sequence[StoredCount]) -> tuple[Totals, dict[str, int]]:
    """Return the base with some counts, and how many connections each still held."""
    totals, held = Totals.from_text(base), {}
    for count in gone:
        its = Totals.from_text(count.text)
        held[count.worker_id] = sum(its.close_open("worker_lost").values())
        totals.include(its)
    return totals, held


def _damaged_text(stored: StoredTotals) -> str | None:
    """Return a damaged text that no worker will replace; ``None`` without one."""
    gone = (count.text for count in stored.counts if not count.is_live)
    for text in (stored.base, *gone):
        try:
            Totals.from_text(text)
        except BackendError:
            return text
    return None


def _lost_entries(
    backend: BaseBackend, count: StoredCount, held: int, now: float
) -> Sequence[Entries]:
    """Return the newest connections of a lost worker as entries of closed ones.

    Those that are not known any more are left out, and the list is a sample.
    """
    if "endings" not in backend.keeps:
        return ()
    worker_id, number = count.worker_id, count.count_number
    found = backend.lost_connections(worker_id, MAX_LOST)
    ended = [
        EndedConnection(valid_opened(opened), now, "worker_lost", None, "")
        for opened in reversed(found)
    ]
    pieces = [ended[at : at + ENTRIES] for at in range(0, len(ended), ENTRIES)] or [[]]
    left_out = [max(0, held - len(ended)), *[0] * len(pieces)]
    return [
        Entries(closed_text(worker_id, "", some, number), len(some), missing)
        for some, missing in zip(pieces, left_out, strict=False)
    ]


def _sample(snapshot: Snapshot, stored: StoredTotals) -> Sample:
    totals = Totals.from_text(stored.base)
    for count in stored.counts:
        totals.include(Totals.from_text(count.text))
    return Sample(
        at=stored.now,
        open=_sum(status.counts for status in snapshot.workers),
        users=snapshot.unique_users,
        workers=sum(status.total_sockets > 0 for status in snapshot.workers),
        stale=not (
            snapshot.complete and all(status.complete for status in snapshot.workers)
        ),
        epoch=stored.epoch,
        totals=totals,
    )


def _sum(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for some in counts:
        for kind, number in some.items():
            total[kind] = total.get(kind, 0) + number
    return total
