"""Closed connections and rejected handshakes: the texts of reports, oldest removed."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

from django_socket_status.activity.entries import LEFT_OUT
from django_socket_status.activity.limits import count_kept, ended_limit
from django_socket_status.activity.stored import Ended, Entries
from django_socket_status.backends.redis.activity.arguments import ended_words
from django_socket_status.backends.redis.activity.place import IDLE_MS, Place
from django_socket_status.backends.redis.scripts import ENDED_STATE, KEEP_ENDED
from django_socket_status.validation import damaged

__all__ = [
    "TEXT_BYTES",
    "Head",
    "Heads",
    "keep_ended",
    "read_ended",
    "read_heads",
    "read_texts",
]

T = TypeVar("T")

#: The most heads, and about the most bytes of texts, that one command reads.
HEADS, TEXT_BYTES = 500, 128 * 1024

#: More texts than the limits allow, however slowly old ones are removed.
MAX_TEXTS = 20_000

#: The field ``state`` of ``lua/ended.lua``.
_STATE = re.compile(rb"([0-9]{1,15}):([0-9]{1,15}):[0-9]+:[0-9]+:[0-9]+")

#: The note of a list in the counters, as ``lua/ended.lua`` writes it.
_NOTE = re.compile(rb"([0-9]{1,15}):([0-9]{1,15}):([0-9]{1,15})")

#: When a text was kept, how many connections it holds and leaves out, and its bytes.
_HEAD = re.compile(rb"([0-9]{1,15}):([0-9]{1,9}):([0-9]{1,9}):([0-9]{1,9})")


class Head(NamedTuple):
    """What is known of a text before it is read."""

    #: The number of the text.
    text: int
    #: Milliseconds of the server's clock.
    kept_at: int
    entries: int
    left_out: int
    size: int


class Heads(NamedTuple):
    """What is known of a list before its texts are read."""

    #: The time; milliseconds of the server's clock.
    now: int
    #: Newest first.
    heads: list[Head]
    #: When the last text of a list was kept that Redis lost; 0 if it lost none,
    #: or if the list has left out old texts since.
    lost_at: int


def keep_ended(place: Place, ended: Ended, entries: Entries) -> None:
    """Keep ended connections, in one round trip."""
    words = ended_words(place.keys, ended, entries)
    if words:
        key, *arguments = words
        place.run(KEEP_ENDED, (key, place.keys.totals), *arguments, IDLE_MS)


def read_ended(place: Place, ended: Ended) -> Sequence[Entries]:
    """Return the texts that are kept, newest first, in three round trips.

    After Redis lost the list, with a note that connections were left out: for as long
    as those would be kept.

    Raises:
        BackendError: a text is damaged.
    """
    limit = ended_limit(ended)
    if not limit.number:
        return ()
    now, heads, lost_at = read_heads(place, ended)
    sizes = ((it.kept_at / 1000, it.entries, it.size) for it in heads)
    kept = heads[: count_kept(sizes, limit, now / 1000)]
    found = [_entries(head, text) for head, text in read_texts(place, ended, kept)]
    if lost_at and (now - lost_at) / 1000 < limit.seconds:
        found.append(LEFT_OUT)
    return tuple(found)


def read_heads(place: Place, ended: Ended) -> Heads:
    """Return what is known of each text, in two round trips.

    Raises:
        BackendError: a head is damaged.
    """
    key = place.keys.ended(ended)
    now, state, note = place.run(ENDED_STATE, (key, place.keys.totals), f"e:{ended}")
    first, following = (1, 1) if state is None else _numbers(state)
    heads = [*_heads(place, key, first, following)]
    # The first text is removed only for a limit. Then older ones would be, too.
    return Heads(now, heads, _lost_at(note, following) if first == 1 else 0)


def _numbers(state: bytes) -> tuple[int, int]:
    """Return the number of the oldest text, and the one after the newest text."""
    match = _STATE.fullmatch(state)
    if match is None:
        raise damaged("ended connections")
    return int(match[1]), int(match[2])


def _lost_at(note: bytes | None, following: int) -> int:
    """Return when the last text was kept of a list that was lost, 0 if none was."""
    match = _NOTE.fullmatch(note or b"")
    if match is None:
        return 0
    last_at, known, lost_at = map(int, match.groups())
    return last_at if following < known else lost_at


def read_texts(
    place: Place, ended: Ended, heads: Sequence[Head]
) -> Iterator[tuple[Head, bytes]]:
    """Yield texts after their heads, in one round trip."""
    pages = [*_pages(heads)]
    numbers = [[it.text for it in page] for page in pages]
    replies = _read(place, place.keys.ended(ended), numbers)
    found = zip(itertools.chain(*pages), itertools.chain(*replies), strict=True)
    yield from _unremoved(found)


def _read(place: Place, key: str, pages: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Return the values of fields, a command for each page, in one round trip."""
    if not pages:
        return []
    return place.client.pipeline([("HMGET", key, *page) for page in pages])


def _heads(place: Place, key: str, first: int, following: int) -> Iterator[Head]:
    """Yield what is known of each text, newest first."""
    numbers = range(following - 1, first - 1, -1)[:MAX_TEXTS]
    pages = [numbers[at : at + HEADS] for at in range(0, len(numbers), HEADS)]
    replies = _read(place, key, [[f"h{it}" for it in page] for page in pages])
    found = zip(numbers, itertools.chain(*replies), strict=True)
    for number, value in _unremoved(found):
        head = _HEAD.fullmatch(value)
        if head is None:
            raise damaged("ended connections")
        yield Head(number, *map(int, head.groups()))


def _unremoved(found: Iterable[tuple[T, bytes | None]]) -> Iterator[tuple[T, bytes]]:
    """Yield what is there, newest first. A report may have removed the oldest.

    Raises:
        BackendError: something is missing that is newer than what is there.
    """
    is_removed = False
    for key, value in found:
        if value is None:
            is_removed = True
        elif is_removed:
            raise damaged("ended connections")
        else:
            yield key, value


def _pages(heads: Sequence[Head]) -> Iterator[Sequence[Head]]:
    """Yield the texts that one command reads."""
    page: list[Head] = []
    size = 0
    for head in heads:
        if page and (size + head.size > TEXT_BYTES or len(page) == HEADS):
            yield page
            page, size = [], 0
        page.append(head)
        size += head.size
    if page:
        yield page


def _entries(head: Head, text: bytes) -> Entries:
    if len(text) != head.size:
        raise damaged("ended connections")
    try:
        return Entries(text.decode(), head.entries, head.left_out)
    except ValueError:
        raise damaged("ended connections") from None
