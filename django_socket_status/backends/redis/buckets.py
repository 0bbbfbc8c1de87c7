"""How connections are stored in Redis: in buckets of 64, each with an index.

Redis keeps a hash of at most 64 fields in one compact piece of memory (a listpack). A
record takes some thirty bytes there instead of a hundred. So connections are stored by
their number in *buckets*, hashes of 64. The *index* of a bucket says which numbers it
holds, when the newest connection opened, and, as a Bloom filter, which types, users and
labels it holds. A search reads one index for 64 connections, and then only the buckets
that may hold a match.

Terms leave a filter only when a new bucket begins, so the filter has false positives,
but no false negatives.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import operator
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from django_socket_status.backends.redis.codec import packer, unpack
from django_socket_status.records import ConnectionQuery, OpenedConnection
from django_socket_status.validation import (
    damaged,
    valid_count,
    valid_opened,
    valid_seconds,
    valid_text,
)

__all__ = [
    "AGES_SIZE",
    "BUCKET_SIZE",
    "Ages",
    "BucketIndex",
    "TypedEndpoint",
    "bucket_of",
    "mask_of_query",
    "pack_ages",
    "read_record",
    "read_typed_endpoints",
    "read_user",
    "split",
]

#: Below what every supported server keeps as a listpack (128 fields of 64 bytes).
BUCKET_SIZE = 64

#: Bits of the filter. Three are set for a term: of 150 terms, about one in twenty
#: looks as if it were there.
FILTER_BITS = 1024

#: A packed index: which numbers, when the newest opened, the filter.
_PACKED = struct.Struct(f"<Qd{FILTER_BITS // 8}s")

#: How many buckets are in a group, whose ages are one value in Redis: a field for each
#: bucket would double the time of reading the indexes.
AGES_SIZE = 64

#: A type and an endpoint. A worker has few, so a record names them by their row in a
#: table.
TypedEndpoint = tuple[str, str]


@dataclasses.dataclass(slots=True)
class BucketIndex:
    """Which connections a bucket holds, and which terms they may be found by."""

    #: One bit for each connection number, the lowest first.
    numbers: int = 0
    #: Seconds since 1970 at which the newest connection opened.
    newest_at: float = 0.0
    #: The bits of the Bloom filter.
    terms: int = 0
    #: Seconds since 1970 before which no connection opened; 0 if that is not known. It
    #: is not part of the packed index, since older versions read no longer one.
    oldest_at: float = math.inf

    def put(
        self, opened: Iterable[OpenedConnection], rows: Mapping[TypedEndpoint, int]
    ) -> list[int | bytes]:
        """Add connections, and return number and record of each, in turn.

        A connection may be added again. This loop runs for every connection of a
        report, so the bits of the filter are computed once for all of them.
        """
        pack = packer()
        fields: list[int | bytes] = []
        numbers, newest_at = self.numbers, self.newest_at
        oldest_at = self.oldest_at
        kinds: set[str] = set()
        users: set[str | None] = set()
        labels: set[tuple[str, str]] = set()
        for number, kind, endpoint, user_id, its_labels, opened_at in opened:
            numbers |= 1 << number % BUCKET_SIZE
            if opened_at > newest_at:
                newest_at = opened_at
            if opened_at < oldest_at:
                oldest_at = opened_at
            row = rows[kind, endpoint]
            kinds.add(kind)
            # A record leaves out what is empty at its end.
            if its_labels:
                record = pack((row, opened_at, user_id, its_labels))
                users.add(user_id)
                labels.update(its_labels.items())
            elif user_id is not None:
                record = pack((row, opened_at, user_id))
                users.add(user_id)
            else:
                record = pack((row, opened_at))
            fields += (number, record)
        self.numbers, self.newest_at = numbers, newest_at
        self.oldest_at = oldest_at
        self.terms |= _mask_of(kinds, users, labels)
        return fields

    def __len__(self) -> int:
        return self.numbers.bit_count()

    def __bool__(self) -> bool:
        return self.numbers != 0

    def pack(self) -> bytes:
        """Return the index as it is stored."""
        terms = self.terms.to_bytes(FILTER_BITS // 8, "little")
        return _PACKED.pack(self.numbers, self.newest_at, terms)

    @classmethod
    def of(cls, packed: bytes, oldest_at: float = 0.0) -> BucketIndex:
        """Return an index from its packed form.

        Args:
            packed: As :meth:`pack` returned it.
            oldest_at: As :class:`Ages` have it.

        Raises:
            BackendError: the packed index is damaged.
        """
        if len(packed) != _PACKED.size:
            raise damaged("the index of a bucket")
        numbers, newest_at, terms = _PACKED.unpack(packed)
        valid_seconds(newest_at)
        return cls(numbers, newest_at, int.from_bytes(terms, "little"), oldest_at)


class Ages:
    """When the oldest connection of each bucket opened, as Redis holds it.

    Args:
        packed: Values of :func:`pack_ages`, by their group.
    """

    def __init__(self, packed: Iterable[tuple[int, bytes]]) -> None:
        self._groups = {group: _read_ages(ages) for group, ages in packed}

    def __getitem__(self, number: int) -> float:
        """Return seconds since 1970, 0 if they are not known."""
        present, ages = self._groups.get(number // AGES_SIZE, _NO_AGES)
        bit = 1 << number % AGES_SIZE
        return ages[(present & (bit - 1)).bit_count()] if present & bit else 0.0


_NO_AGES: tuple[int, Sequence[float]] = (0, ())


def pack_ages(group: int, buckets: Mapping[int, BucketIndex]) -> bytes:
    """Return when the oldest connections of a group of buckets opened.

    One bit for each bucket that is there, the lowest first, and then their times. Empty
    if no bucket is there.
    """
    present, ages = 0, []
    for position in range(AGES_SIZE):
        bucket = buckets.get(group * AGES_SIZE + position)
        if bucket is not None:
            present |= 1 << position
            ages.append(bucket.oldest_at)
    return struct.pack(f"<Q{len(ages)}d", present, *ages) if ages else b""


def _read_ages(packed: bytes) -> tuple[int, Sequence[float]]:
    """Return which buckets are there, and their times; nothing if it is damaged."""
    try:
        present, *ages = struct.unpack(f"<Q{len(packed) // 8 - 1}d", packed)
    except struct.error:
        return _NO_AGES
    return (present, ages) if present.bit_count() == len(ages) else _NO_AGES


def bucket_of(opened: OpenedConnection) -> int:
    """Return the number of the bucket of a connection."""
    return opened[0] // BUCKET_SIZE


def read_typed_endpoints(packed: bytes) -> list[TypedEndpoint]:
    """Return the table of a worker's types and endpoints, in the order of its rows.

    Raises:
        BackendError: the table is damaged.
    """
    found = unpack(packed)
    if not isinstance(found, list) or not all(
        isinstance(row, list) and len(row) == 2 for row in found
    ):
        raise damaged("the types and endpoints")
    return [(valid_text(kind), valid_text(endpoint)) for kind, endpoint in found]


def read_record(
    number: int, packed: bytes, table: Sequence[TypedEndpoint]
) -> OpenedConnection:
    """Return a connection from its record.

    Raises:
        BackendError: the record is damaged.
        IndexError: its type and endpoint are not in the table.
    """
    row, opened_at, *rest = _fields(packed)
    user_id, labels = (*rest, None, None)[:2]
    kind, endpoint = table[valid_count(row)]
    return valid_opened(
        OpenedConnection(
            number,
            kind,
            endpoint,
            user_id,
            {} if labels is None else labels,
            opened_at,
        )
    )


def read_user(packed: bytes, table: Sequence[TypedEndpoint]) -> tuple[str, str | None]:
    """Return type and user of a record, in a sixth of the time of reading all.

    Raises:
        BackendError: the record is damaged.
        IndexError: its type and endpoint are not in the table.
    """
    found = _fields(packed)
    kind = table[valid_count(found[0])][0]
    user_id = found[2] if len(found) > 2 else None
    return kind, None if user_id is None else valid_text(user_id)


def _fields(packed: bytes) -> list[Any]:
    """Return row, time, and perhaps user and labels of a record."""
    found = unpack(packed)
    if not isinstance(found, list) or not 2 <= len(found) <= 4:
        raise damaged("a connection")
    return found


@functools.lru_cache(maxsize=8192)
def _mask(kind: str, text: str) -> int:
    """Return the bits of a term, which are the same in every process."""
    digest = zlib.crc32(f"{kind}{text}".encode())
    return (
        1 << (digest & 1023) | 1 << (digest >> 10 & 1023) | 1 << (digest >> 20 & 1023)
    )


def _mask_of(
    kinds: Iterable[str | None],
    users: Iterable[str | None],
    labels: Iterable[tuple[str, str]],
) -> int:
    """Return the bits of types, users and labels; ``None`` has none."""
    masks = [_mask("t", kind) for kind in kinds if kind is not None]
    masks += [_mask("u", user_id) for user_id in users if user_id is not None]
    masks += [_mask("l", f"{name}={value}") for name, value in labels]
    return functools.reduce(operator.or_, masks, 0)


def mask_of_query(query: ConnectionQuery) -> int:
    """Return the bits that the index of a bucket with a match has."""
    return _mask_of((query.type,), (query.user_id,), query.labels.items())


def split(packed: Sequence[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield number and value of each field of a hash, as Redis returns them."""
    fields = iter(packed)
    return ((int(field), value) for field, value in zip(fields, fields, strict=True))
