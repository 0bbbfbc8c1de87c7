"""Turns the reports of a worker into the sections of the report script."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from django_socket_status.backends.redis.buckets import (
    AGES_SIZE,
    BUCKET_SIZE,
    Ages,
    BucketIndex,
    TypedEndpoint,
    bucket_of,
    pack_ages,
    read_typed_endpoints,
)
from django_socket_status.backends.redis.codec import pack, packer
from django_socket_status.backends.redis.identity import identity_of
from django_socket_status.backends.redis.user_shards import (
    outgrows,
    parts_of,
    split_users,
)
from django_socket_status.records import OpenedConnection, Report

__all__ = ["Ledger", "Sections", "kept_ms"]

#: A worker's keys outlive its last report by so many leases, for a process that was
#: frozen to go on; and they outlive its lease by so many milliseconds, for the next
#: sample of the history to find what a killed worker held.
KEEP_LEASES, KEEP_MS = 6, 25_000

#: The longest table of types and endpoints before a worker sends a full report with
#: only those in use. If more than half of these are in use, the limit is twice their
#: number.
MAX_TYPED_ENDPOINTS = 1000

#: The change of a bucket: its number, the numbers of the connections that closed, and
#: number and record of those that opened.
Change = tuple[int, list[int], list[int | bytes]]


class Sections(NamedTuple):
    """What of a report concerns single connections, in the report script's order."""

    #: Numbers of the buckets that Redis must have, and whose keys it renews. If one is
    #: missing, the script refuses the report: changes would not restore a lost bucket.
    renewed: Collection[int] = ()
    #: Each packed: part, user ids.
    users_left: Collection[bytes] = ()
    users_joined: Collection[bytes] = ()
    #: Numbers of the buckets that are empty now.
    dropped: Collection[int] = ()
    #: Each packed: a :data:`Change`.
    changed: Collection[bytes] = ()
    #: Number and packed index of buckets, in turn.
    indexes: Collection[int | bytes] = ()
    #: Number and ages of groups of buckets, in turn: see :func:`.buckets.pack_ages`.
    ages: Collection[int | bytes] = ()
    #: Field and value of the worker's facts, in turn.
    facts: Collection[str | bytes] = ()

    def words(self) -> Sequence[Any]:
        """Return the sections as the script reads them, each after its length."""
        if self is NO_SECTIONS:
            return _NO_WORDS
        words: list[Any] = []
        for section in self:
            words.append(len(section))
            words.extend(section)
        return words


#: Nothing concerns single connections.
NO_SECTIONS = Sections()
_NO_WORDS = (0,) * len(NO_SECTIONS)


class _TypedEndpoints(dict[TypedEndpoint, int]):
    """Maps each type and endpoint to its row in the table that Redis holds."""

    def __missing__(self, key: TypedEndpoint) -> int:
        """Add a type and endpoint, and return its row."""
        row = self[key] = len(self)
        return row


class _Changes(dict[int, Change]):
    """The changes of buckets, by their numbers."""

    def __missing__(self, bucket: int) -> Change:
        """Begin the change of a bucket."""
        change = self[bucket] = (bucket, [], [])
        return change


@dataclasses.dataclass(slots=True)
class _Touched:
    """What one report does to the buckets, by their numbers."""

    changes: _Changes = dataclasses.field(default_factory=_Changes)
    #: The buckets that it begins.
    new: set[int] = dataclasses.field(default_factory=set)
    #: The buckets that it leaves empty.
    dropped: list[int] = dataclasses.field(default_factory=list)
    #: The groups of buckets whose ages change.
    aged: set[int] = dataclasses.field(default_factory=set)

    def known(self) -> list[int]:
        """Return the buckets that change and that Redis has already."""
        return [number for number in self.changes if number not in self.new]


@dataclasses.dataclass(slots=True)
class Ledger:
    """What Redis holds of one worker's connections.

    The worker keeps it. It needs some five bytes for each connection. Each full report
    begins a *generation* of keys, and those of the one before expire. Its name is part
    of their names, and says in how many sets the users are kept.
    """

    generation: str
    sequence: int
    buckets: dict[int, BucketIndex] = dataclasses.field(default_factory=dict)
    typed_endpoints: _TypedEndpoints = dataclasses.field(
        default_factory=_TypedEndpoints
    )
    #: The buckets in the order in which they expire.
    rotation: deque[int] = dataclasses.field(default_factory=deque)
    renewed_at: float = -math.inf
    #: Whether the last piece of the full report was sent.
    is_complete: bool = False
    #: How many types and endpoints the table may hold.
    limit: int = MAX_TYPED_ENDPOINTS
    #: Whether Redis has buckets before this report, and so must have their indexes.
    had_buckets: bool = False

    @classmethod
    def read(
        cls,
        generation: str,
        sequence: int,
        table: bytes,
        indexes: Mapping[int, bytes],
        ages: Ages,
    ) -> Ledger:
        """Return the ledger of a worker that reported through another backend instance.

        Raises:
            BackendError: what Redis holds is damaged.
        """
        ledger = cls(generation, sequence)
        for kind, endpoint in read_typed_endpoints(table):
            ledger.typed_endpoints[kind, endpoint] = len(ledger.typed_endpoints)
        ledger.buckets = {
            number: BucketIndex.of(it, ages[number]) for number, it in indexes.items()
        }
        ledger.rotation.extend(ledger.buckets)
        return ledger

    @property
    def has_long_table(self) -> bool:
        """Return whether the table of types and endpoints is too long."""
        return len(self.typed_endpoints) > self.limit

    def is_outgrown(self, users: int) -> bool:
        """Return whether so many users need more sets than the generation has."""
        return self.is_complete and outgrows(users, parts_of(self.generation))

    def sections(self, report: Report, now: float, project: str) -> Sections:
        """Return what of a report concerns single connections, and record it here.

        Args:
            report: The report.
            now: Seconds of a monotonic clock.
            project: The name of the project, which a full report stores.
        """
        self.had_buckets = bool(self.buckets)
        if self._continues_with_counts(report):
            self.sequence = report.sequence
            return NO_SECTIONS
        known = len(self.typed_endpoints)
        touched = _Touched()
        self._remove(report.closed, touched)
        self._add(report.opened, touched)
        self._drop_empty(touched)
        due = self._due(report, now, touched)
        if not self.is_complete:
            self.limit = max(MAX_TYPED_ENDPOINTS, 2 * len(self.typed_endpoints))
            self.is_complete = report.complete
        self.sequence = report.sequence
        pack_for_script = packer(for_script=True)
        kept = [number for number in touched.changes if number in self.buckets]
        left = split_users(report.users_left, self.generation)
        joined = split_users(report.users_joined, self.generation)
        return Sections(
            renewed=[*touched.known(), *due],
            users_left=[*map(pack_for_script, left)],
            users_joined=[*map(pack_for_script, joined)],
            dropped=touched.dropped,
            changed=[pack_for_script(touched.changes[number]) for number in kept],
            indexes=[*self._indexes(kept)],
            ages=[*self._ages(touched.aged)],
            facts=[*self._facts(report, known, project)],
        )

    def _continues_with_counts(self, report: Report) -> bool:
        """Return whether nothing of a report concerns single connections."""
        return self.is_complete and not (
            self.rotation
            or report.full
            or report.opened
            or report.closed
            or report.users_joined
            or report.users_left
        )

    def _remove(self, closed: Sequence[int], touched: _Touched) -> None:
        """Remove connections that closed from their buckets."""
        buckets, changes = self.buckets, touched.changes
        for number in closed:
            where = number // BUCKET_SIZE
            bucket = buckets.get(where)
            if bucket is not None:
                bucket.numbers &= ~(1 << number % BUCKET_SIZE)
                changes[where][1].append(number)

    def _add(self, opened: Sequence[OpenedConnection], touched: _Touched) -> None:
        """Add connections that opened to their buckets."""
        for where, some in itertools.groupby(opened, bucket_of):
            bucket = self.buckets.get(where)
            if bucket is None:
                bucket = self.buckets[where] = BucketIndex()
                self.rotation.append(where)
                touched.new.add(where)
            oldest_at = bucket.oldest_at
            records = bucket.put(some, self.typed_endpoints)
            touched.changes[where][2].extend(records)
            if bucket.oldest_at < oldest_at:
                touched.aged.add(where // AGES_SIZE)

    def _drop_empty(self, touched: _Touched) -> None:
        """Forget the buckets that are empty now."""
        touched.dropped += [it for it in touched.changes if not self.buckets[it]]
        for number in touched.dropped:
            del self.buckets[number]
            touched.aged.add(number // AGES_SIZE)

    def _due(self, report: Report, now: float, touched: _Touched) -> Iterator[int]:
        """Yield the buckets to renew, so that each one is renewed within a lease.

        If one of them is missing, it was lost, and the worker sends a full report.
        """
        since = min(now - self.renewed_at, report.lease_seconds)
        self.renewed_at = now
        for _ in range(_share(len(self.rotation), since / report.lease_seconds)):
            number = self.rotation.popleft()
            if number in self.buckets:
                self.rotation.append(number)
                if number not in touched.changes:
                    yield number

    def _indexes(self, numbers: list[int]) -> Iterator[Any]:
        for number in numbers:
            yield number
            yield self.buckets[number].pack()

    def _ages(self, groups: Collection[int]) -> Iterator[Any]:
        for group in groups:
            yield group
            yield pack_ages(group, self.buckets)

    def _facts(self, report: Report, known: int, project: str) -> Iterator[Any]:
        """Yield field and value of the worker's facts that Redis does not know yet."""
        if report.full:
            yield "w"
            yield identity_of(report.worker, project)
            # A full report replaces the condition of the worker: see lua/activity.lua.
            yield "c"
            yield ""
        if report.full or len(self.typed_endpoints) > known:
            yield "p"
            yield pack(list(self.typed_endpoints))


def kept_ms(lease_ms: int) -> int:
    """Return for how long a worker's keys outlive its last report."""
    return max(KEEP_LEASES * lease_ms, lease_ms + KEEP_MS)


def _share(count: int, share: float) -> int:
    """Return how many of ``count`` a share is, rounded up."""
    return math.ceil(count * share)
