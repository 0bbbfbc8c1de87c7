"""The history: rings of buckets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django_socket_status.activity.stored import Bucket
from django_socket_status.backends.redis.activity.place import IDLE_MS, Place, frame
from django_socket_status.backends.redis.scripts import WRITE_BUCKETS
from django_socket_status.validation import damaged

__all__ = ["read_buckets", "write_buckets"]

#: The most buckets that one command writes.
BATCH = 100


def write_buckets(place: Place, buckets: Sequence[Bucket], carry: str) -> None:
    """Keep buckets and a text, in one round trip for each hundred of them."""
    framed = frame(0, carry)
    for first in range(0, max(1, len(buckets)), BATCH):
        some = buckets[first : first + BATCH]
        words: list[Any] = []
        for it in some:
            words += (it.number, it.keep, it.text)
        keys = [place.keys.carry, *(place.keys.ring(it.ring) for it in some)]
        place.run(WRITE_BUCKETS, keys, IDLE_MS, framed, *words)


def read_buckets(place: Place, rings: Mapping[str, int]) -> Sequence[Bucket]:
    """Return buckets by ring and number, in one round trip.

    Raises:
        BackendError: a bucket is damaged.
    """
    names = sorted(rings)
    if not names:
        return ()
    replies = place.client.pipeline(
        [("ZRANGEBYSCORE", place.keys.ring(it), rings[it], "+inf") for it in names]
    )
    return [
        _read(name, member)
        for name, members in zip(names, replies, strict=True)
        for member in members
    ]


def _read(ring: str, member: bytes) -> Bucket:
    number, colon, text = member.partition(b":")
    try:
        if not colon:
            raise ValueError
        return Bucket(ring, int(number), text.decode())
    except ValueError:
        raise damaged("the history") from None
