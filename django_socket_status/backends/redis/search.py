"""Finds one page of connections: reads bucket indexes, then the buckets that may match.

A search reads one index for 64 connections. Then it reads the buckets whose filter
matches, some at a time, newest first, until the page is full. After a cursor, it
leaves out buckets in which each connection is newer than the cursor. No command looks
at more than 64 connections, so Redis can serve other clients in between.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django_socket_status.backends.redis.buckets import (
    BUCKET_SIZE,
    Ages,
    BucketIndex,
    TypedEndpoint,
    mask_of_query,
    read_record,
    read_typed_endpoints,
    split,
)
from django_socket_status.backends.redis.client import Pipeline
from django_socket_status.backends.redis.keys import Keys
from django_socket_status.backends.redis.replies import Live
from django_socket_status.exceptions import BackendError
from django_socket_status.pages import START
from django_socket_status.records import (
    ConnectionPage,
    ConnectionQuery,
    OpenedConnection,
)

__all__ = ["Candidate", "Search", "newest_first", "pairs"]

#: Buckets in one round trip.
BATCH = 64

Item = tuple[str, OpenedConnection]


@dataclasses.dataclass(frozen=True, slots=True)
class Candidate:
    """A bucket that may hold a match."""

    worker: Live
    number: int
    bucket: BucketIndex
    ages: Ages
    typed_endpoints: Sequence[TypedEndpoint]

    @property
    def oldest_at(self) -> float:
        """Return before which instant none of its connections opened, 0 if unknown."""
        at, newest_at = self.ages[self.number], self.bucket.newest_at
        # A damaged age may be later than that of the newest connection.
        return at if at <= newest_at else 0.0


class Search:
    """One search for connections.

    Args:
        query: What to look for.
        pipeline: Runs commands in one round trip.
        keys: The names of the keys.
        needs_ages: Whether to read when the oldest connection of each bucket opened.
    """

    def __init__(
        self,
        query: ConnectionQuery,
        pipeline: Pipeline,
        keys: Keys,
        *,
        needs_ages: bool = False,
    ) -> None:
        self._query = query
        self._needs_ages = needs_ages
        self._pipeline = pipeline
        self._keys = keys
        #: What was found so far, in no order.
        self.found: list[Item] = []
        #: Whether nothing was missing or damaged.
        self.complete = True

    def run(self, live: Sequence[Live]) -> ConnectionPage:
        """Return the page, newest first."""
        query = self._query
        live = [it for it in live if query.matches_worker(it.worker_id)]
        candidates = [*self.candidates(live)]
        total = self._known_total(live, candidates)
        following = sorted(filter(self._may_follow, candidates), key=newest_first)
        # One more than on the page: it says whether there is another page.
        end = query.offset + query.limit + 1
        stops = total is not None or query.after is not None
        for some in self._batches(following, end if stops else None):
            if stops and self._is_full(end, some[0].bucket):
                break
            self.fetch(some)
        page = query.page_of(self.found)
        if stops:
            page = dataclasses.replace(page, total=total)
        return dataclasses.replace(page, complete=self.complete)

    def _batches(
        self, candidates: Sequence[Candidate], end: int | None
    ) -> Iterator[Sequence[Candidate]]:
        """Yield the buckets of each round trip.

        At first as few as may hold the page, then twice as many connections each time.
        A bucket that the filter selects for a user or a label has few that match.

        Args:
            candidates: Newest first.
            end: How many connections may be enough; ``None`` if each is needed.
        """
        query, first = self._query, 0
        if query.user_id is not None or query.labels or query.number is not None:
            end = None
        while first < len(candidates):
            last, held = first, 0
            while last < min(first + BATCH, len(candidates)) and (
                end is None or held < end
            ):
                held += len(candidates[last].bucket)
                last += 1
            yield candidates[first:last]
            first, end = last, None if end is None else 2 * end

    def _may_follow(self, candidate: Candidate) -> bool:
        """Return whether a bucket may hold a connection after the cursor."""
        after = self._query.after
        if after is None or candidate.bucket.newest_at < after.opened_at:
            return True
        return candidate.oldest_at <= after.opened_at

    def newest(self, live: Sequence[Live]) -> Sequence[OpenedConnection]:
        """Return the connections of the page, newest first."""
        self.run(live)
        found = sorted(self.found, key=_newest_connection)
        return [opened for _, opened in found[: self._query.limit]]

    def _is_full(self, end: int, following: BucketIndex) -> bool:
        """Return whether the page is full before the following bucket."""
        newer = (it for it in self.found if it[1].opened_at > following.newest_at)
        return sum(1 for _ in newer) >= end

    def _known_total(
        self, live: Sequence[Live], candidates: Sequence[Candidate]
    ) -> int | None:
        """Return how many match, if that is known without reading each bucket."""
        query = self._query
        if query.user_id is not None or query.anonymous or query.labels:
            return None
        if query.number is not None:
            return None
        if query.type is None:
            return sum(len(it.bucket) for it in candidates)
        if all(worker.counts.complete for worker in live):
            return sum(worker.counts.by_type.get(query.type, 0) for worker in live)
        return None

    def candidates(self, live: Sequence[Live]) -> Iterator[Candidate]:
        """Yield the buckets that may hold a match."""
        wanted, only = mask_of_query(self._query), self._query.number
        only = None if only is None else only // BUCKET_SIZE
        for worker, (packed, indexes, *ages) in zip(
            live, self._indexes(live), strict=True
        ):
            try:
                table = read_typed_endpoints(packed) if packed else []
                buckets = [(it, BucketIndex.of(index)) for it, index in pairs(indexes)]
                oldest = Ages(pairs(ages[0] if ages else ()))
            except (BackendError, ValueError):
                self.complete = False
                continue
            if not buckets and any(worker.counts.by_type.values()):
                self.complete = False
            for number, bucket in buckets:
                if bucket.terms & wanted == wanted and only in (None, number):
                    yield Candidate(worker, number, bucket, oldest, table)

    def _indexes(self, live: Sequence[Live]) -> Iterator[Sequence[Any]]:
        """Yield what is read of each worker: its table, indexes, and perhaps ages."""
        parts = ["marks"]
        if self._query.after not in {None, START} or self._needs_ages:
            parts.append("oldest")
        commands: list[Sequence[Any]] = []
        for worker in live:
            commands.append(("HGET", self._keys.who(worker.worker_id), "p"))
            commands += (("HGETALL", self._key_of(worker, part)) for part in parts)
        replies = self._pipeline(commands) if commands else ()
        width = 1 + len(parts)
        for first in range(0, len(replies), width):
            yield replies[first : first + width]

    def records(
        self, candidates: Sequence[Candidate]
    ) -> Iterator[tuple[Candidate, Sequence[tuple[int, bytes]]]]:
        """Yield some buckets, each with number and record of what it holds."""
        replies = self._pipeline(
            [("HGETALL", self._key_of(it.worker, it.number)) for it in candidates]
        )
        for candidate, records in zip(candidates, replies, strict=True):
            try:
                yield candidate, tuple(pairs(records))
            except ValueError:
                self.complete = False
        held = zip(candidates, replies, strict=True)
        if empty := [it for it, records in held if not records]:
            self._verify_gone(empty)

    def fetch(self, candidates: Sequence[Candidate]) -> None:
        """Add the matches in some buckets to what was found."""
        for candidate, fields in self.records(candidates):
            worker_id = candidate.worker.worker_id
            for number, record in fields:
                opened = _read(number, record, candidate.typed_endpoints)
                if opened is None:
                    self.complete = False
                elif self._query.matches(opened) and self._query.reaches(
                    worker_id, opened.opened_at, opened.number
                ):
                    self.found.append((worker_id, opened))

    def _key_of(self, live: Live, part: object) -> str:
        return self._keys.detail(live.worker_id, live.generation, part)

    def _verify_gone(self, candidates: Sequence[Candidate]) -> None:
        """Note that connections are missing if missing buckets still have an index."""
        replies = self._pipeline(
            [("HGET", self._key_of(it.worker, "marks"), it.number) for it in candidates]
        )
        if any(replies):
            self.complete = False


def pairs(reply: Any) -> Iterator[tuple[int, bytes]]:
    """Yield what HGETALL returned: a mapping or a list, depending on the client.

    Raises:
        ValueError: a field is not a number.
    """
    if isinstance(reply, Mapping):
        return ((int(field), value) for field, value in reply.items())
    return split(reply)


def _read(
    number: int, record: bytes, table: Sequence[TypedEndpoint]
) -> OpenedConnection | None:
    """Return a connection; ``None`` if its record is damaged.

    Or if its type and endpoint were added after the table was read.
    """
    try:
        return read_record(number, record, table)
    except (BackendError, IndexError, ValueError, TypeError):
        return None


def newest_first(candidate: Candidate) -> tuple[float, str, int]:
    """Return the key by which the bucket with the newest connection comes first."""
    return (-candidate.bucket.newest_at, candidate.worker.worker_id, candidate.number)


def _newest_connection(item: Item) -> tuple[float, str, int]:
    worker_id, opened = item
    return (-opened.opened_at, worker_id, -opened.number)
