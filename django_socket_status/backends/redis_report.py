"""Turns a worker's reports into the arguments of the script that takes them."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from django_socket_status.backends.redis_buckets import (
    BUCKET_SIZE,
    Bucket,
    Place,
    bucket_of,
)
from django_socket_status.backends.redis_packing import pack, packer, unpack
from django_socket_status.backends.redis_parts import outgrows, parts_of, split_users
from django_socket_status.backends.redis_snapshot import identity_of
from django_socket_status.records import OpenedConnection, Report

__all__ = ["KEEP_LEASES", "Ledger"]

#: For how many leases what a worker reported outlives its last report: a worker that
#: was frozen goes on where it was, and so does everybody if Redis was.
KEEP_LEASES = 6

#: More than any project has. Beyond, a worker begins again with those in use; and where
#: those are more, beyond twice their number.
MAX_PLACES = 1000

#: What changes in a bucket: its number, the numbers of the connections that left, and
#: number and record of those that came.
Change = tuple[int, list[int], list[int | bytes]]

#: What says that nothing concerns single connections: every section is empty.
NO_SECTIONS = (0,) * 7


class _Places(dict[Place, int]):
    """Each place's index in the table that Redis has of them, in order."""

    def __missing__(self, place: Place) -> int:
        """Return the index of a new place."""
        index = self[place] = len(self)
        return index


@dataclasses.dataclass(slots=True)
class Ledger:
    """What Redis holds of one worker's connections in one generation.

    Kept by the worker: some five bytes for each connection.
    """

    generation: str
    sequence: int
    buckets: dict[int, Bucket] = dataclasses.field(default_factory=dict)
    places: _Places = dataclasses.field(default_factory=_Places)
    #: Buckets, the one whose end is nearest first.
    rotation: deque[int] = dataclasses.field(default_factory=deque)
    renewed_at: float = -math.inf
    #: How many places are reasonable, and whether all that are in use were told.
    limit: int = MAX_PLACES
    is_whole: bool = False
    #: Whether there was a bucket, and so a mark, before the report that is sent.
    had_buckets: bool = False

    @classmethod
    def read(
        cls, generation: str, sequence: int, places: bytes, marks: Mapping[int, bytes]
    ) -> Ledger:
        """Return the ledger of a worker whose reports another instance has sent."""
        ledger = cls(generation, sequence)
        for kind, endpoint in unpack(places):
            ledger.places[kind, endpoint] = len(ledger.places)
        ledger.buckets = {number: Bucket.of(mark) for number, mark in marks.items()}
        ledger.rotation.extend(ledger.buckets)
        return ledger

    @property
    def is_full(self) -> bool:
        """Return whether the table of places outgrew what is reasonable."""
        return len(self.places) > self.limit

    def is_outgrown(self, users: int) -> bool:
        """Return whether so many users are too many for the sets that hold them."""
        return self.is_whole and outgrows(users, parts_of(self.generation))

    def sections(self, report: Report, now: float, project: str) -> Sequence[Any]:
        """Return what of a report concerns single connections, and take note of it.

        As the script reads it: each section begins with the number of its words.

        Args:
            report: What is reported.
            now: Seconds that never go back.
            project: Names the project; only a full report tells it.
        """
        self.had_buckets = bool(self.buckets)
        if self._continues_with_counts(report):
            self.sequence = report.sequence
            return NO_SECTIONS
        known = len(self.places)
        changes: dict[int, Change] = {}
        self._take_closed(report.closed, changes)
        new = self._take_opened(report.opened, changes)
        dropped = [number for number in changes if not self.buckets[number]]
        kept = [number for number in changes if self.buckets[number]]
        for number in dropped:
            del self.buckets[number]
        held = (number for number in changes if number not in new)
        due = self._due(report, now, changes)
        pack = packer(for_script=True)
        if not self.is_whole:
            self.limit = max(MAX_PLACES, 2 * len(self.places))
            self.is_whole = report.complete
        self.sequence = report.sequence
        return [
            # A bucket that was lost must not come back with the changes alone.
            *_counted([*held, *due]),
            *_counted(map(pack, split_users(report.users_left, self.generation))),
            *_counted(map(pack, split_users(report.users_joined, self.generation))),
            *_counted(dropped),
            *_counted(pack(changes[number]) for number in kept),
            *_counted(self._marks(kept)),
            *_counted(self._facts(report, known, project)),
        ]

    def _continues_with_counts(self, report: Report) -> bool:
        """Return whether nothing of a report concerns single connections."""
        return self.is_whole and not (
            self.rotation
            or report.full
            or report.opened
            or report.closed
            or report.users_joined
            or report.users_left
        )

    def _take_closed(self, closed: Sequence[int], changes: dict[int, Change]) -> None:
        """Add the numbers that left."""
        buckets = self.buckets
        for number in closed:
            where = number // BUCKET_SIZE
            bucket = buckets.get(where)
            if bucket is not None:
                bucket.numbers &= ~(1 << number % BUCKET_SIZE)
                if where not in changes:
                    changes[where] = (where, [], [])
                changes[where][1].append(number)

    def _take_opened(
        self, opened: Sequence[OpenedConnection], changes: dict[int, Change]
    ) -> set[int]:
        """Add what came, most of a bucket in one go; return which buckets are new."""
        new: set[int] = set()
        for where, some in itertools.groupby(opened, bucket_of):
            bucket = self.buckets.get(where)
            if bucket is None:
                bucket = self.buckets[where] = Bucket()
                self.rotation.append(where)
                new.add(where)
            if where not in changes:
                changes[where] = (where, [], [])
            changes[where][2].extend(bucket.put(some, self.places))
        return new

    def _due(
        self, report: Report, now: float, touched: Collection[int]
    ) -> Iterator[int]:
        """Yield buckets to renew, so that each has its turn within a lease.

        Whichever is found missing then was lost, and everything is told again.
        """
        since = min(now - self.renewed_at, report.lease_seconds)
        self.renewed_at = now
        for _ in range(_share(len(self.rotation), since / report.lease_seconds)):
            number = self.rotation.popleft()
            if number in self.buckets:
                self.rotation.append(number)
                if number not in touched:
                    yield number

    def _marks(self, numbers: list[int]) -> Iterator[Any]:
        for number in numbers:
            yield number
            yield self.buckets[number].mark()

    def _facts(self, report: Report, known: int, project: str) -> Iterator[Any]:
        """Yield what the report says of the worker, where it is not known yet."""
        if report.full:
            yield "w"
            yield identity_of(report.worker, project)
        if report.full or len(self.places) > known:
            yield "p"
            yield pack(list(self.places))


def _counted(words: Iterable[Any]) -> Iterator[Any]:
    words = list(words)
    yield len(words)
    yield from words


def _share(count: int, share: float) -> int:
    """Return how many of ``count`` a share is, rounded up."""
    return -int(-count * share // 1)
