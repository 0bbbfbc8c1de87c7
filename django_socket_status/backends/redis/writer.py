"""Sends reports and goodbyes to Redis."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from typing import Any

from django_socket_status.activity.stored import ReportAnswer
from django_socket_status.backends.redis.activity.arguments import (
    NOT_TAKEN,
    activity_keys,
    activity_words,
    read_answer,
)
from django_socket_status.backends.redis.buckets import Ages
from django_socket_status.backends.redis.client import RedisClient
from django_socket_status.backends.redis.keys import Keys
from django_socket_status.backends.redis.ledger import Ledger, kept_ms
from django_socket_status.backends.redis.losses.rules import (
    INDEX_MS,
    LAST_MS,
    periods,
)
from django_socket_status.backends.redis.replies import pack_counts
from django_socket_status.backends.redis.scripts import (
    GOODBYE,
    ReportArguments,
    report_script,
)
from django_socket_status.backends.redis.search import pairs
from django_socket_status.backends.redis.user_shards import name_generation
from django_socket_status.backends.sqlite.deployment import this_project
from django_socket_status.concurrency.clock import monotonic
from django_socket_status.conf import get_settings
from django_socket_status.exceptions import BackendError
from django_socket_status.records import Report

__all__ = ["Writer"]

#: A worker that never reports again is taken out of the index after so many leases.
FORGET_LEASES = 10


#: Sequence and generation of a report.
_HEAD = re.compile(rb"([0-9]{1,15}):([0-9]{1,15}(?:\.[0-9]{1,4})?):")


class Writer:
    """Writes the reports of the workers of this process, usually one.

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
        #: What Redis holds of each worker, by its id.
        self._ledgers: dict[str, Ledger] = {}
        #: The last sequence number that was sent for each worker, taken or not.
        self._sent: dict[str, int] = {}
        #: Whether a report was taken, and so the index of workers has existed.
        self._made_index = False
        #: The server's time in milliseconds of the last report; 0 before the first one.
        self._told_at = 0
        #: How many milliseconds the server's clock was ahead of ours at the last
        #: report; ``None`` if that report was not taken.
        self._ahead: float | None = None

    def exchange(self, report: Report) -> ReportAnswer:
        """Take a report, in one round trip; a full one begins with two more."""
        # Before anything is packed.
        self._client.verify_installed()
        worker_id = report.worker.worker_id
        ledger = self._ledger(report)
        if ledger is None or ledger.is_outgrown(self._most_users(report)):
            return NOT_TAKEN
        # If this report fails, the next one cannot continue it. So forget the ledger
        # first.
        self._ledgers.pop(worker_id, None)
        project = this_project() if report.full else ""
        sections = ledger.sections(report, monotonic(), project)
        if ledger.has_long_table:
            return NOT_TAKEN
        words = (*self._arguments(report, ledger), *sections.words())
        self._sent[worker_id] = report.sequence
        reply = self._send(report, words)
        taken: int = reply if isinstance(reply, int) else reply[0]
        if taken:
            self._ledgers[worker_id] = ledger
            self._made_index = True
            self._told_at = taken
            self._ahead = taken - monotonic() * 1000
        if taken and report.activity is not None and report.activity.stops:
            self._forget(worker_id)
        return read_answer(reply)

    def _send(self, report: Report, words: Sequence[Any]) -> Any:
        """Run the report script, and return its reply."""
        worker_id = report.worker.worker_id
        keys: Sequence[str] = (
            self._keys.index,
            self._keys.report(worker_id),
            self._keys.who(worker_id),
            self._keys.until,
        )
        if report.activity is not None:
            keys = (*keys, *activity_keys(self._keys))
            words = (
                *words,
                *activity_words(
                    report, report.activity, self._keys, details=self._details
                ),
            )
        return self._client.run(self._scripts(0)[0], keys, words)

    def _arguments(self, report: Report, ledger: Ledger) -> ReportArguments:
        """Return what the script needs to know of a report as a whole."""
        lease = round(report.lease_seconds * 1000)
        return ReportArguments(
            now=self._now(),
            worker_id=report.worker.worker_id,
            sequence=report.sequence,
            full=int(report.full),
            generation=ledger.generation,
            lease=lease,
            keep=kept_ms(lease),
            index_keep=INDEX_MS,
            forget=lease * FORGET_LEASES,
            counts=pack_counts(report, detailed=self._details),
            had_buckets=int(ledger.had_buckets),
            replaces=int(report.full and self._replaces_lost(report)),
            latest=self._latest(report),
            last_keep=LAST_MS,
        )

    def _most_users(self, report: Report) -> int:
        """Return how many users the worker has at most, also in a partial report."""
        signed_in = sum(report.counts.values()) - report.anonymous
        return signed_in if self._details else 0

    def _latest(self, report: Report) -> int | str:
        """Return until when, by the server's clock, a report may be taken.

        Then its lease would be over. A server that hangs, or a network that comes back,
        may deliver it at any time. After a failed report the server's clock is not
        known, so the next report has no such end. That also helps if the server's clock
        was set.
        """
        ahead, self._ahead = self._ahead, None
        if ahead is None or self._now() != "":
            return ""
        return round(ahead + (monotonic() + report.lease_seconds) * 1000)

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
        report, table = self._client.pipeline(
            [
                ("GET", self._keys.report(worker_id)),
                ("HGET", self._keys.who(worker_id), "p"),
            ]
        )
        head = _HEAD.match(report or b"")
        if head is None or table is None:
            return None
        sequence, generation = (part.decode() for part in head.groups())
        parts = (
            self._keys.detail(worker_id, generation, part)
            for part in ("marks", "oldest")
        )
        indexes, ages = self._client.pipeline([("HGETALL", key) for key in parts])
        try:
            return Ledger.read(
                generation,
                int(sequence),
                table,
                dict(pairs(indexes)),
                Ages(pairs(ages)),
            )
        except (BackendError, ValueError):
            # The stored ledger is damaged. The worker sends a full report.
            return None

    def _replaces_lost(self, report: Report) -> bool:
        """Return whether the index of workers is missing, though workers have reported.

        After a flush, the server still knows the scripts that it has run. After a
        restart, this process remembers that it has reported.
        """
        (exists,) = self._client.pipeline([("EXISTS", self._keys.index)])
        return not exists and (
            self._made_index
            or any(
                self._client.knows(script, self._keys.index)
                for script in self._scripts(report.lease_seconds * 1000)
            )
        )

    def _scripts(self, lease_ms: float) -> Sequence[str]:
        """Return the report scripts that live workers use, the current one first."""
        now = self._told_at or self._now() or time.time() * 1000
        found = sorted(periods(float(now), lease_ms), reverse=True)
        return [report_script(self._keys.prefix, period) for period in found]

    def goodbye(self, worker_id: str) -> None:
        """Forget a worker, in one round trip."""
        keep = kept_ms(round(get_settings().lease_seconds * 1000))
        self._client.run(
            GOODBYE,
            (self._keys.index, self._keys.report(worker_id), self._keys.until),
            (self._now(), worker_id, self._forget(worker_id), keep, LAST_MS),
        )

    def _forget(self, worker_id: str) -> int | str:
        """Forget a worker here; return the last sequence number, ``""`` if none."""
        self._ledgers.pop(worker_id, None)
        return self._sent.pop(worker_id, "")
