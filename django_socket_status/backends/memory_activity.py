"""What the memory backend keeps beside the open connections.

Nothing here has a lock: :class:`~.memory.MemoryBackend` calls it with its own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence

from django_socket_status.activity.limits import (
    COMMAND_SECONDS,
    IDLE_SECONDS,
    LOST_CONNECTIONS,
    MARK_SECONDS,
    MAX_COMMANDS,
    count_kept,
    ended_limit,
    is_sample_due,
)
from django_socket_status.activity.stored import (
    Activity,
    Bucket,
    Command,
    CommandState,
    CountTotals,
    Ended,
    Entries,
    ReportAnswer,
    Rewritten,
    StoredCount,
    StoredTotals,
)
from django_socket_status.concurrency.clock import monotonic, wall_clock
from django_socket_status.exceptions import BackendError
from django_socket_status.records import OpenedConnection, Report

__all__ = ["MemoryActivity"]

#: The worker and the number of a count.
CountKey = tuple[str, int]


@dataclasses.dataclass(slots=True)
class _Command:
    """A command, when it was given by the backend's clock, and its results."""

    state: CommandState
    given_at: float
    results: dict[str, str]


class MemoryActivity:
    """Keeps activity in this process.

    Args:
        clock: Seconds that never go back. If it is one of a test, it is also the time
            of day.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._wall_clock = wall_clock if clock is monotonic else clock
        self._written_at = clock()
        self._sampled_at: float | None = None
        self._last_command = 0
        self._clear()

    def _clear(self) -> None:
        self._epoch: float | None = None
        self._base = self._carry = ""
        self._counts: dict[CountKey, tuple[int, str]] = {}
        #: Of folded counts: the last sequence number, and when they were folded.
        self._marks: dict[CountKey, tuple[int, float]] = {}
        #: Of both lists: when each report was kept, and its entries; oldest first.
        self._ended: dict[str, list[tuple[float, Entries]]] = {}
        self._rings: dict[str, dict[int, str]] = {}
        self._commands: list[_Command] = []
        self._lost: dict[str, list[OpenedConnection]] = {}

    def _trim(self) -> float:
        """Drop what is too old, and return the time."""
        now = self._clock()
        if now - self._written_at >= IDLE_SECONDS:
            self._clear()
        self._marks = {
            key: it for key, it in self._marks.items() if now - it[1] < MARK_SECONDS
        }
        self._commands = [
            it for it in self._commands if now - it.given_at < COMMAND_SECONDS
        ]
        return now

    def take(self, report: Report, activity: Activity) -> ReportAnswer:
        """Keep the activity of a report whose connections were taken."""
        now = self._trim()
        worker_id = report.worker.worker_id
        answer = ReportAnswer(is_taken=True)
        if activity.totals is not None:
            answer = self._take_totals(worker_id, report.sequence, activity.totals)
        for ended, entries in (
            ("closed", activity.closed),
            ("rejected", activity.rejected),
        ):
            if entries is not None:
                self.keep_ended(ended, entries)  # type: ignore[arg-type]
        for it in self._commands:
            if it.state.command.command_id in activity.results:
                result = activity.results[it.state.command.command_id]
                it.results[worker_id] = result
        self._written_at = now
        return answer._replace(
            commands=self._commands_after(activity.commands_after),
            samples=activity.can_sample and self._is_sample_due(now),
        )

    def _take_totals(
        self, worker_id: str, sequence: int, totals: CountTotals
    ) -> ReportAnswer:
        key = worker_id, totals.count_number
        if key in self._marks:
            return ReportAnswer(is_taken=True, folded=self._marks[key][0])
        known = self._counts.get(key)
        if known is None and not totals.is_new:
            return ReportAnswer(is_taken=True, is_forgotten=True)
        # A full report that comes late must not take counters back.
        if known is None or known[0] < sequence:
            self._counts[key] = sequence, totals.text
            self._epoch = self._wall_clock() if self._epoch is None else self._epoch
        return ReportAnswer(is_taken=True)

    def _is_sample_due(self, now: float) -> bool:
        if not is_sample_due(self._sampled_at, now, self._wall_clock()):
            return False
        self._sampled_at = now
        return True

    # Totals.

    def read_totals(self, live: Collection[str]) -> StoredTotals | None:
        """Return all counters; ``live`` are the ids of live workers."""
        self._trim()
        if self._epoch is None:
            return None
        counts = [
            StoredCount(*key, *known, is_live=key[0] in live)
            for key, known in self._counts.items()
        ]
        return StoredTotals(
            self._epoch, self._base, counts, self._wall_clock(), self._carry
        )

    def fold(
        self, counts: Sequence[StoredCount], base_before: str, base_after: str
    ) -> bool:
        """Fold counts of workers that are not live."""
        now = self._trim()
        if self._epoch is None or self._base != base_before:
            return False
        keys = [(it.worker_id, it.count_number) for it in counts]
        for key, count in zip(keys, counts, strict=True):
            if self._counts.get(key) != (count.sequence, count.text):
                return False
        for key in keys:
            sequence, _ = self._counts.pop(key)
            self._marks[key] = sequence, now
            self._lost.pop(key[0], None)
        self._base = base_after
        self._written_at = now
        return True

    def drop_totals(self, text: str) -> None:
        """Forget all counters if one of their texts is this one."""
        if text == self._base or any(text == it for _, it in self._counts.values()):
            self._epoch, self._base = None, ""
            for known in (self._counts, self._marks, self._lost):
                known.clear()

    def note_lost(
        self, worker_id: str, connections: Collection[OpenedConnection]
    ) -> None:
        """Keep the newest connections of a worker whose lease ended."""
        if any(key[0] == worker_id for key in self._counts):
            newest = sorted(connections, key=_age, reverse=True)
            self._lost[worker_id] = newest[:LOST_CONNECTIONS]

    def forget_lost(self, worker_id: str) -> None:
        """Forget the connections of a worker that is back."""
        self._lost.pop(worker_id, None)

    def lost_connections(
        self, worker_id: str, limit: int
    ) -> Sequence[OpenedConnection]:
        """Return them, newest first."""
        return tuple(self._lost.get(worker_id, ())[:limit])

    # Ended connections.

    def keep_ended(self, ended: Ended, entries: Entries) -> None:
        """Keep entries."""
        now = self._trim()
        self._ended.setdefault(ended, []).append((now, entries))
        self._written_at = now
        self._trim_ended(ended, now)

    def read_ended(self, ended: Ended) -> Sequence[Entries]:
        """Return the kept entries, newest report first."""
        self._trim_ended(ended, self._trim())
        return tuple(entries for _, entries in reversed(self._ended.get(ended, ())))

    def rewrite_ended(
        self, ended: Ended, rewrite: Callable[[str], Rewritten | None]
    ) -> int:
        """Replace texts, each in its place; return how many entries changed."""
        self._trim()
        reports = self._ended.get(ended, [])
        changed = 0
        for position, (at, entries) in enumerate(reports):
            new = rewrite(entries.text)
            if new is not None:
                reports[position] = at, entries._replace(text=new.text)
                changed += new.changed
        return changed

    def _trim_ended(self, ended: Ended, now: float) -> None:
        reports = self._ended.get(ended, [])
        sizes = ((at, it.number, len(it.text)) for at, it in reversed(reports))
        kept = count_kept(sizes, ended_limit(ended), now)
        del reports[: len(reports) - kept]

    # History.

    def write_buckets(self, buckets: Sequence[Bucket], carry: str) -> None:
        """Keep buckets that are not older than their ring, and the carry."""
        self._written_at = self._trim()
        self._carry = carry
        for bucket in buckets:
            ring = self._rings.setdefault(bucket.ring, {})
            if bucket.number >= max(ring, default=0):
                ring[bucket.number] = bucket.text
            for number in sorted(ring)[: -bucket.keep or None]:
                del ring[number]

    def read_buckets(self, rings: Mapping[str, int]) -> Sequence[Bucket]:
        """Return the buckets of rings, each from a number on."""
        self._trim()
        return [
            Bucket(name, number, text)
            for name in sorted(rings)
            for number, text in sorted(self._rings.get(name, {}).items())
            if number >= rings[name]
        ]

    # Commands.

    def give_command(self, command: Command) -> None:
        """Keep a command; drop the oldest one that has expired for it."""
        now = self._trim()
        if len(self._commands) >= MAX_COMMANDS:
            expired = [it for it in self._commands if not self._is_current(it, now)]
            if not expired:
                raise BackendError(f"{MAX_COMMANDS} commands have not expired yet.")
            self._commands.remove(expired[0])
        wall = self._wall_clock()
        self._last_command = max(self._last_command + 1, int(wall * 1000))
        command = command._replace(number=self._last_command)
        results: dict[str, str] = {}
        state = CommandState(command, wall, results)
        self._commands.append(_Command(state, now, results))
        self._written_at = now

    def _commands_after(self, number: int) -> Sequence[Command]:
        now = self._clock()
        return tuple(
            it.state.command._replace(age_seconds=now - it.given_at)
            for it in self._commands
            if it.state.command.number > number and self._is_current(it, now)
        )

    def _is_current(self, it: _Command, now: float) -> bool:
        return now - it.given_at < it.state.command.expires_seconds

    def read_commands(self) -> Sequence[CommandState]:
        """Return the commands with their results, oldest first."""
        self._trim()
        return [it.state._replace(results=dict(it.results)) for it in self._commands]


def _age(opened: OpenedConnection) -> tuple[float, int]:
    return opened.opened_at, opened.number
