"""The counters of all workers, and the base of those that were folded."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

from django_socket_status.activity.limits import MARK_SECONDS
from django_socket_status.activity.stored import StoredCount, StoredTotals
from django_socket_status.backends.redis.activity.place import (
    IDLE_MS,
    Place,
    fields_of,
    frame,
    unframe,
)
from django_socket_status.backends.redis.ledger import kept_ms
from django_socket_status.backends.redis.scripts import DROP_DAMAGED, FOLD, READ_TOTALS
from django_socket_status.conf import get_settings
from django_socket_status.exceptions import BackendError
from django_socket_status.validation import damaged

__all__ = ["drop_totals", "fold", "read_totals"]

#: The most bytes of the marks of folded counts: of 2,000 or more.
MARKS_BYTES = 128 * 1024

#: What a field of a count begins with.
COUNT = b"c:"

T = TypeVar("T")


def read_totals(place: Place) -> StoredTotals | None:
    """Return all counters in one round trip: O(workers), ``None`` if there are none.

    Raises:
        BackendError: they are damaged. Damaged fields are removed with all others.
    """
    (now, ids, carry), reply = place.client.run_with(
        READ_TOTALS,
        (place.keys.index, place.keys.carry),
        (place.now(),),
        [("HGETALL", place.keys.totals)],
    )
    fields = fields_of(reply)
    if not fields:
        return None
    epoch = _checked(place, fields, b"epoch", int)
    base = (0, "")
    if b"base" in fields or b"folded" in fields:
        base = _checked(place, fields, b"base", unframe)
    live = frozenset(ids)
    counts = []
    for field in fields:
        if field.startswith(COUNT):
            count = functools.partial(_count, field, live)
            counts.append(_checked(place, fields, field, count))
    return StoredTotals(epoch / 1000, base[1], counts, now / 1000, _carried(carry))


def _checked(
    place: Place,
    fields: Mapping[bytes, bytes],
    field: bytes,
    read: Callable[[bytes], T],
) -> T:
    """Return what a field holds.

    Raises:
        BackendError: it is damaged. All counters are removed, since no worker may ever
            replace this field.
    """
    value = fields.get(field, b"")
    try:
        return read(value)
    except ValueError:
        with contextlib.suppress(BackendError):
            # If the server takes no writes now, the next reader tries again.
            place.run(DROP_DAMAGED, (place.keys.totals,), field, value)
        raise damaged("the totals") from None


def _count(field: bytes, live: Collection[bytes], value: bytes) -> StoredCount:
    """Return a count; its field names the worker and the number of the count."""
    worker_id, _, number = field[len(COUNT) :].rpartition(b":")
    sequence, text = unframe(value)
    if int(number) < 1 or sequence < 1 or not text:
        raise ValueError("The number of a count or a report, or its text, is damaged.")
    is_live = worker_id in live
    return StoredCount(worker_id.decode(), int(number), sequence, text, is_live)


def _carried(carry: bytes | None) -> str:
    """Return what the last sampler left; nothing if it is damaged."""
    try:
        return unframe(carry)[1] if carry else ""
    except ValueError:
        return ""


def drop_totals(place: Place, text: str) -> None:
    """Remove all counters, in two round trips, if one of them is this text."""
    (reply,) = place.client.pipeline([("HGETALL", place.keys.totals)])
    for field, value in fields_of(reply).items():
        if field == b"base" or field.startswith(COUNT):
            with contextlib.suppress(ValueError):
                if unframe(value)[1] == text:
                    place.run(DROP_DAMAGED, (place.keys.totals,), field, value)
                    return


def fold(
    place: Place, counts: Sequence[StoredCount], base_before: str, base_after: str
) -> bool:
    """Replace the base, and remove counts, in one round trip and one atomic step."""
    words: list[Any] = []
    for it in counts:
        words += (it.worker_id, it.count_number, it.sequence)
        words.append(frame(it.sequence, it.text))
    return bool(
        place.run(
            FOLD,
            (place.keys.totals, place.keys.index),
            place.keys.start,
            IDLE_MS,
            round(MARK_SECONDS * 1000),
            MARKS_BYTES,
            kept_ms(round(get_settings().lease_seconds * 1000)),
            frame(0, base_before) if base_before else "",
            frame(0, base_after),
            *words,
        )
    )
