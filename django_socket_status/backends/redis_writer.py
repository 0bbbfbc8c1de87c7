"""Takes reports to Redis, and goodbyes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from django_socket_status.backends.redis_checks import this_project
from django_socket_status.backends.redis_client import RedisClient
from django_socket_status.backends.redis_keys import Keys
from django_socket_status.backends.redis_parts import name_generation
from django_socket_status.backends.redis_report import KEEP_LEASES, Ledger
from django_socket_status.backends.redis_scripts import GOODBYE, report_script
from django_socket_status.backends.redis_search import pairs
from django_socket_status.backends.redis_snapshot import pack_counts
from django_socket_status.conf import get_settings
from django_socket_status.records import Report

__all__ = ["Writer"]

#: How long the index of workers outlives the last report of all of them.
INDEX_MS = 86_400_000

#: A worker that never reports again is taken out of the index after so many leases.
FORGET_LEASES = 10


class Writer:
    """Writes what the workers of this process report: one, as a rule.

    Args:
        client: Speaks to the Redis.
        keys: The names of the keys.
        details: Whether connections and users are kept, and not only their number.
        now: Returns the time in milliseconds, or ``""`` for the server's.
    """

    def __init__(
        self,
        client: RedisClient,
        keys: Keys,
        *,
        details: bool,
        now: Callable[[], int | str],
    ) -> None:
        self._client = client
        self._keys = keys
        self._details = details
        self._now = now
        self._script = report_script(keys.prefix)
        #: What Redis holds of a worker, by its id.
        self._ledgers: dict[str, Ledger] = {}
        #: The last sequence number that was sent, taken or not.
        self._sent: dict[str, int] = {}
        #: Whether a report was taken, and so there was an index.
        self._made_index = False
        #: How far the server's clock is ahead of ours, in milliseconds, as the last
        #: report was told; ``None`` if it was not taken.
        self._ahead: float | None = None

    def report(self, report: Report) -> bool:
        """Take a report, in one round trip; a full one begins with two more."""
        worker_id = report.worker.worker_id
        ledger = self._ledger(report)
        if ledger is None or ledger.is_outgrown(self._most_users(report)):
            return False
        # Whatever happens now: it is not known to continue anything until it did.
        self._ledgers.pop(worker_id, None)
        replaces = report.full and self._replaces_lost()
        project = this_project() if report.full else ""
        sections = ledger.sections(report, time.monotonic(), project)
        if ledger.is_full:
            return False
        self._sent[worker_id] = report.sequence
        taken: int = self._client.run(
            self._script,
            (self._keys.index, self._keys.report(worker_id), self._keys.who(worker_id)),
            (
                *self._words(report, ledger),
                int(replaces),
                self._latest(report),
                *sections,
            ),
        )
        if taken:
            self._ledgers[worker_id] = ledger
            self._made_index = True
            self._ahead = taken - time.monotonic() * 1000
        return bool(taken)

    def _words(self, report: Report, ledger: Ledger) -> Sequence[Any]:
        """Return what the script needs to know of a report as a whole."""
        lease = round(report.lease_seconds * 1000)
        return (
            self._now(),
            report.worker.worker_id,
            report.sequence,
            int(report.full),
            ledger.generation,
            lease,
            lease * KEEP_LEASES,
            INDEX_MS,
            lease * FORGET_LEASES,
            pack_counts(report, detailed=self._details),
            int(ledger.had_buckets),
        )

    def _most_users(self, report: Report) -> int:
        """Return how many users a worker can have: no piece of a report knows them."""
        signed_in = sum(report.counts.values()) - report.anonymous
        return signed_in if self._details else 0

    def _latest(self, report: Report) -> int | str:
        """Return until when, by the server's clock, a report may be taken.

        Past that, it is older than a worker is believed. A server that hangs, or a
        network that comes back, may deliver it any time later. One that follows a
        failure has just had an answer, and needs no such end; nor is anybody left out
        for long whose server's clock was set.
        """
        ahead, self._ahead = self._ahead, None
        if ahead is None or self._now() != "":
            return ""
        return round(ahead + (time.monotonic() + report.lease_seconds) * 1000)

    def _ledger(self, report: Report) -> Ledger | None:
        """Return what Redis holds; ``None`` if the report continues nothing."""
        worker_id = report.worker.worker_id
        if report.full:
            generation = name_generation(report.sequence, self._most_users(report))
            return Ledger(generation, report.sequence)
        known = self._ledgers.get(worker_id) or self._read_ledger(worker_id)
        if known is None or known.sequence != report.sequence - 1:
            return None
        return known

    def _read_ledger(self, worker_id: str) -> Ledger | None:
        """Return the ledger of a worker that reported through another instance."""
        report, places = self._client.pipeline(
            [
                ("GET", self._keys.report(worker_id)),
                ("HGET", self._keys.who(worker_id), "p"),
            ]
        )
        if report is None or places is None:
            return None
        sequence, generation, *_ = report.split(b":", 2)
        marks_key = self._keys.detail(worker_id, generation.decode(), "marks")
        (marks,) = self._client.pipeline([("HGETALL", marks_key)])
        held = dict(pairs(marks))
        return Ledger.read(generation.decode(), int(sequence), places, held)

    def _replaces_lost(self) -> bool:
        """Return whether there is no index, though somebody has reported to it.

        A server remembers the scripts that it has run also when its keys are flushed,
        and one that was restarted is remembered here.
        """
        (exists,) = self._client.pipeline([("EXISTS", self._keys.index)])
        return not exists and (
            self._made_index or self._client.knows(self._script, self._keys.index)
        )

    def goodbye(self, worker_id: str) -> None:
        """Forget a worker, in one round trip."""
        self._ledgers.pop(worker_id, None)
        keep = round(get_settings().lease_seconds * 1000) * KEEP_LEASES
        self._client.run(
            GOODBYE,
            (self._keys.index, self._keys.report(worker_id)),
            (self._now(), worker_id, self._sent.pop(worker_id, ""), keep),
        )
