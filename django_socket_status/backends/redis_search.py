"""Finds one page of connections: marks first, then the buckets that may matter.

Reads one mark for 64 connections, and the buckets that the filter of a mark leads to,
some at a time, newest first, until the page is full. No command looks at more than 64
connections, so that none holds Redis up.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django_socket_status.backends.redis_buckets import (
    Bucket,
    Place,
    mask_of_query,
    read_record,
    split,
)
from django_socket_status.backends.redis_client import Pipeline
from django_socket_status.backends.redis_keys import Keys
from django_socket_status.backends.redis_packing import unpack
from django_socket_status.backends.redis_snapshot import Live
from django_socket_status.records import (
    ConnectionPage,
    ConnectionQuery,
    OpenedConnection,
)

__all__ = ["Search", "pairs"]

#: Buckets in one round trip.
BATCH = 64

Item = tuple[str, OpenedConnection]


@dataclasses.dataclass(frozen=True, slots=True)
class _Candidate:
    """A bucket that may hold what is looked for."""

    worker: Live
    number: int
    bucket: Bucket
    places: Sequence[Place]


class Search:
    """One search for connections.

    Args:
        query: What to look for.
        pipeline: Runs commands in one round trip.
        keys: The names of the keys.
    """

    def __init__(self, query: ConnectionQuery, pipeline: Pipeline, keys: Keys) -> None:
        self._query = query
        self._pipeline = pipeline
        self._keys = keys
        self._found: list[Item] = []
        #: Whether everything that should be there was there.
        self._complete = True

    def run(self, live: Sequence[Live]) -> ConnectionPage:
        """Return the page, newest first."""
        candidates = sorted(self._candidates(live), key=_newest_first)
        known = self._known_total(live, candidates)
        end = self._query.offset + self._query.limit
        for first in range(0, len(candidates), BATCH):
            if known is not None and self._is_full(end, candidates[first].bucket):
                break
            self._fetch(candidates[first : first + BATCH])
        page = self._query.page_of(self._found)
        total = page.total if known is None else known
        return dataclasses.replace(page, total=total, complete=self._complete)

    def _is_full(self, end: int, following: Bucket) -> bool:
        """Return whether nothing that follows belongs on the page."""
        newer = (it for it in self._found if it[1].opened_at > following.newest_at)
        return sum(1 for _ in newer) >= end

    def _known_total(
        self, live: Sequence[Live], candidates: Sequence[_Candidate]
    ) -> int | None:
        """Return how many match, if that is known without looking at each."""
        query = self._query
        if query.user_id is not None or query.labels:
            return None
        if query.type is None:
            return sum(len(it.bucket) for it in candidates)
        if all(worker.counts.complete for worker in live):
            return sum(worker.counts.by_type.get(query.type, 0) for worker in live)
        return None

    def _candidates(self, live: Sequence[Live]) -> Iterator[_Candidate]:
        wanted = mask_of_query(self._query)
        commands: list[Sequence[Any]] = []
        for worker in live:
            commands.append(("HGET", self._keys.who(worker.worker_id), "p"))
            commands.append(("HGETALL", self._key_of(worker, "marks")))
        replies = iter(self._pipeline(commands)) if commands else iter(())
        for worker, packed, marks in zip(live, replies, replies, strict=True):
            places = [tuple(place) for place in unpack(packed)] if packed else []
            if not marks and any(worker.counts.by_type.values()):
                self._complete = False
            for number, mark in pairs(marks):
                bucket = Bucket.of(mark)
                if bucket.terms & wanted == wanted:
                    yield _Candidate(worker, number, bucket, places)

    def _fetch(self, candidates: Sequence[_Candidate]) -> None:
        replies = self._pipeline(
            [("HGETALL", self._key_of(it.worker, it.number)) for it in candidates]
        )
        empty = []
        for candidate, records in zip(candidates, replies, strict=True):
            if not records:
                empty.append(candidate)
            worker_id = candidate.worker.worker_id
            for number, record in pairs(records):
                opened = _read(number, record, candidate.places)
                if opened is None:
                    self._complete = False
                elif self._query.matches(opened):
                    self._found.append((worker_id, opened))
        if empty:
            self._verify_gone(empty)

    def _key_of(self, live: Live, part: object) -> str:
        return self._keys.detail(live.worker_id, live.generation, part)

    def _verify_gone(self, candidates: Sequence[_Candidate]) -> None:
        """See whether buckets that are not there are still said to be."""
        replies = self._pipeline(
            [("HGET", self._key_of(it.worker, "marks"), it.number) for it in candidates]
        )
        if any(replies):
            self._complete = False


def pairs(reply: Any) -> Iterator[tuple[int, bytes]]:
    """Yield what HGETALL returned: a mapping, or a list, as the client has it."""
    if isinstance(reply, Mapping):
        return ((int(field), value) for field, value in reply.items())
    return split(reply)


def _read(
    number: int, record: bytes, places: Sequence[Place]
) -> OpenedConnection | None:
    try:
        return read_record(number, record, places)
    except IndexError:
        # Of a place that was new after the table was read.
        return None


def _newest_first(candidate: _Candidate) -> tuple[float, str, int]:
    return (-candidate.bucket.newest_at, candidate.worker.worker_id, candidate.number)
