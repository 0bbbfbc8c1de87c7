"""Replaces texts of closed connections and rejected handshakes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from django_socket_status.activity.stored import Ended, Rewritten
from django_socket_status.backends.redis.activity.endings import (
    TEXT_BYTES,
    read_heads,
    read_texts,
)
from django_socket_status.backends.redis.activity.place import Place
from django_socket_status.backends.redis.scripts import REPLACE_ENDED
from django_socket_status.exceptions import BackendError

__all__ = ["rewrite_ended"]

#: How often texts are read again that another process has changed meanwhile.
TRIES = 4


class _Change(NamedTuple):
    """A text to replace, by its number."""

    number: int
    old: bytes
    new: Rewritten


def rewrite_ended(
    place: Place, ended: Ended, rewrite: Callable[[str], Rewritten | None]
) -> int:
    """Replace texts, and return how many entries changed.

    Raises:
        BackendError: other processes change them all the time.
    """
    total = 0
    for _ in range(TRIES):
        changes = [*_changes(place, ended, rewrite)]
        done = [it for page in _pages(changes) for it in _replace(place, ended, page)]
        total += sum(change.new.changed for change in done)
        if len(done) == len(changes):
            return total
    raise BackendError("Other processes change the ended connections all the time.")


def _changes(
    place: Place, ended: Ended, rewrite: Callable[[str], Rewritten | None]
) -> Iterator[_Change]:
    heads = read_heads(place, ended).heads
    for head, old in read_texts(place, ended, heads):
        new = rewrite(old.decode(errors="replace"))
        if new is not None:
            yield _Change(head.text, old, new)


def _pages(changes: Sequence[_Change]) -> Iterator[Sequence[_Change]]:
    """Yield the changes that one command makes."""
    page: list[_Change] = []
    size = 0
    for change in changes:
        length = len(change.old) + len(change.new.text)
        if page and size + length > TEXT_BYTES:
            yield page
            page, size = [], 0
        page.append(change)
        size += length
    if page:
        yield page


def _replace(
    place: Place, ended: Ended, changes: Sequence[_Change]
) -> Sequence[_Change]:
    """Replace the texts that are as they were read, and return which."""
    words = [word for it in changes for word in (it.number, it.old, it.new.text)]
    replaced = place.run(REPLACE_ENDED, (place.keys.ended(ended),), *words)
    numbers = {int(number) for number in replaced}
    return [it for it in changes if it.number in numbers]
