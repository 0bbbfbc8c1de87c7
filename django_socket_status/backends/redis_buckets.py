"""How connections lie in Redis: small hashes of packed records, each with a mark.

A hash of at most 64 fields is kept by Redis in one compact piece of memory (a
listpack), where a record takes some thirty bytes instead of a hundred. So the
connections of a worker lie in *buckets* by their number, 64 to each. What a bucket
holds is told by its *mark*: which numbers, when the newest opened, and a Bloom filter
of the types, users and labels in it. Whoever looks for a user or a label reads one
mark for 64 connections, and then only the buckets that may hold it.

Nothing is ever taken out of a mark's filter but by starting a new bucket: it may lead
to a bucket in vain, and never past one.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from django_socket_status.backends.redis_packing import packer, unpack
from django_socket_status.records import ConnectionQuery, OpenedConnection

__all__ = [
    "BUCKET_SIZE",
    "Bucket",
    "Place",
    "bucket_of",
    "mask_of_query",
    "read_record",
    "split",
]

#: Below what every supported server keeps as a listpack (128 fields of 64 bytes).
BUCKET_SIZE = 64

#: Bits of the filter. Three are set for a term: of 150 terms, about one in twenty
#: looks as if it were there.
FILTER_BITS = 1024

#: A mark: which numbers, when the newest opened, the filter.
_MARK = struct.Struct(f"<Qd{FILTER_BITS // 8}s")

#: A type and an endpoint, of which a worker has few.
Place = tuple[str, str]


@dataclasses.dataclass(slots=True)
class Bucket:
    """What the worker that fills a bucket, or who reads its mark, knows of it."""

    numbers: int = 0
    """One bit for each number, the lowest first."""
    newest_at: float = 0.0
    terms: int = 0

    def put(
        self, opened: Iterable[OpenedConnection], places: Mapping[Place, int]
    ) -> list[int | bytes]:
        """Note connections, some perhaps again; return number and record of each.

        The one loop that runs for every connection of a report: what the filter needs
        is gathered, and worked out once for all of them.
        """
        pack = packer()
        fields: list[int | bytes] = []
        numbers, newest_at = self.numbers, self.newest_at
        kinds: set[str] = set()
        users: set[str | None] = set()
        labels: set[tuple[str, str]] = set()
        for number, kind, endpoint, user_id, its_labels, opened_at in opened:
            numbers |= 1 << number % BUCKET_SIZE
            if opened_at > newest_at:
                newest_at = opened_at
            place = places[kind, endpoint]
            kinds.add(kind)
            # As little as tells it all.
            if its_labels:
                record = pack((place, opened_at, user_id, its_labels))
                users.add(user_id)
                labels.update(its_labels.items())
            elif user_id is not None:
                record = pack((place, opened_at, user_id))
                users.add(user_id)
            else:
                record = pack((place, opened_at))
            fields += (number, record)
        self.numbers, self.newest_at = numbers, newest_at
        self.terms |= _mask_of(kinds, users, labels)
        return fields

    def __len__(self) -> int:
        return self.numbers.bit_count()

    def __bool__(self) -> bool:
        return self.numbers != 0

    def mark(self) -> bytes:
        """Return the mark as it is kept."""
        terms = self.terms.to_bytes(FILTER_BITS // 8, "little")
        return _MARK.pack(self.numbers, self.newest_at, terms)

    @classmethod
    def of(cls, mark: bytes) -> Bucket:
        """Return what a mark tells."""
        numbers, newest_at, terms = _MARK.unpack(mark)
        return cls(numbers, newest_at, int.from_bytes(terms, "little"))


def bucket_of(opened: OpenedConnection) -> int:
    """Return the number of the bucket of a connection."""
    return opened[0] // BUCKET_SIZE


def read_record(
    number: int, packed: bytes, places: Sequence[Place]
) -> OpenedConnection:
    """Return a connection from its record."""
    place, opened_at, *rest = unpack(packed)
    user_id, labels = (*rest, None, None)[:2]
    kind, endpoint = places[place]
    return OpenedConnection(number, kind, endpoint, user_id, labels or {}, opened_at)


@functools.lru_cache(maxsize=8192)
def _mask(kind: str, text: str) -> int:
    """Return the bits of a term. The same in every process, unlike ``hash``."""
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
    """Return the bits that a bucket must have to hold what is looked for."""
    return _mask_of((query.type,), (query.user_id,), query.labels.items())


def split(packed: Sequence[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield field and value of a hash, as Redis returns them."""
    fields = iter(packed)
    return ((int(field), value) for field, value in zip(fields, fields, strict=True))
