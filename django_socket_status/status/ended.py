"""Reads the lists of closed connections and of rejected handshakes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar, overload

from django_socket_status.activity.as_json import as_json
from django_socket_status.activity.ended_rows import (
    ClosedRow,
    EndedRow,
    RejectedRow,
    read_closed,
    read_rejected,
)
from django_socket_status.activity.entries import ClosedConnection, RejectedConnection
from django_socket_status.activity.stored import Entries
from django_socket_status.backends.base import BaseBackend
from django_socket_status.exceptions import BackendError
from django_socket_status.records import ConnectionQuery
from django_socket_status.status.forgotten import Forgotten
from django_socket_status.status.kept import verify_list

__all__ = ["EndedList", "EndedPage", "EndedQuery", "closed_list", "rejected_list"]

#: A text with one of these is read for every query: a connection that is open again
#: (there is no instant before an empty cause), and an entry that was removed because it
#: was damaged.
ALWAYS_READ = (',null,"', "[null", "],null")

R = TypeVar("R", ClosedConnection, RejectedConnection)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EndedQuery:
    """Which ended connections to list."""

    query: ConnectionQuery
    """Type, user, labels, ``anonymous``, limit and offset, as of open connections."""
    cause: str | None = None
    """Only connections that closed for this cause."""
    code: int | None = None
    """Only connections that closed with this code, or handshakes with this status."""

    def may_be_in(self, text: str) -> bool:
        """Return whether the entries of a text have to be read.

        There are false positives, but no false negatives. To read the texts takes most
        of the time of a list, and few of them have one user, or are of one worker.
        """
        query = self.query
        wanted = [] if query.user_id is None else [query.user_id]
        if query.worker_ids is not None and len(query.worker_ids) == 1:
            wanted += query.worker_ids
        # Every writer encodes a text like this.
        if all(json.dumps(it) in text for it in wanted):
            return True
        is_sound = text.startswith('{"worker":') and text.endswith("]}")
        return not is_sound or any(it in text for it in ALWAYS_READ)

    def selects(self, row: EndedRow[Any]) -> bool:
        """Return whether a row matches, but for ``cause`` and ``code``."""
        query = self.query
        return (
            (query.type is None or row.type == query.type)
            and (query.user_id is None or row.user_id == query.user_id)
            and not (query.anonymous and row.user_id is not None)
            and (not query.labels or query.labels.items() <= row.labels.items())
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EndedPage(Sequence[R], Generic[R]):
    """A part of the list of ended connections, newest first; itself a sequence."""

    connections: Sequence[R]
    """The connections of this page, newest first."""
    total: int
    """The number of matching connections on all pages."""
    limit: int
    """The most connections on a page."""
    offset: int
    """How many matching connections come before this page."""
    is_sample: bool
    """Whether some are missing that the totals count: more ended than the list had room
    for, what a lost worker held was not known any more, or the store lost the list."""
    complete: bool
    """False if an entry of the list could not be read."""

    @overload
    def __getitem__(self, index: int) -> R: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[R]: ...
    def __getitem__(self, index: int | slice) -> R | Sequence[R]:
        return self.connections[index]

    def __len__(self) -> int:
        return len(self.connections)

    @property
    def next_offset(self) -> int | None:
        """Return the offset of the next page, ``None`` on the last one."""
        end = self.offset + len(self.connections)
        return end if self.connections and end < self.total else None

    def as_dict(self) -> dict[str, Any]:
        """Return the fields and ``next_offset`` as JSON has them."""
        return {**as_json(_fields(self)), "next_offset": self.next_offset}


def _fields(page: EndedPage[Any]) -> dict[str, Any]:
    return {it.name: getattr(page, it.name) for it in dataclasses.fields(page)}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EndedList(Generic[R]):
    """All ended connections that match, newest first."""

    rows: Sequence[EndedRow[R]]
    is_sample: bool
    complete: bool

    def records(self) -> Iterator[R]:
        """Iterate over the records."""
        return (row.record() for row in self.rows)

    def page(self, query: ConnectionQuery) -> EndedPage[R]:
        """Return one page."""
        end = query.offset + query.limit
        return EndedPage(
            connections=tuple(it.record() for it in self.rows[query.offset : end]),
            total=len(self.rows),
            limit=query.limit,
            offset=query.offset,
            is_sample=self.is_sample,
            complete=self.complete,
        )


def closed_list(
    wanted: EndedQuery,
) -> Callable[[BaseBackend], EndedList[ClosedConnection]]:
    """Return the question for closed connections. O(kept ones).

    The latest entry of a connection counts. One that is open again is left out.
    """

    def ask(backend: BaseBackend) -> EndedList[ClosedConnection]:
        verify_list(backend, "closed")
        kept = backend.read_ended("closed")
        found, complete = _latest(it for it in kept if wanted.may_be_in(it.text))
        Forgotten(kept).hide(found.values())
        matching = [
            (it.at, key, it)
            for key, it in found.items()
            if wanted.selects(it)
            and (wanted.cause is None or it.cause == wanted.cause)
            and (wanted.code is None or it.close_code == wanted.code)
        ]
        # No two have the same key: rows are not compared.
        rows = [it for _, _, it in sorted(matching, reverse=True)]
        return EndedList(rows=rows, is_sample=_left_out(kept), complete=complete)

    return ask


def _latest(kept: Iterable[Entries]) -> tuple[dict[str, ClosedRow], bool]:
    """Return the latest row of each connection, and whether all could be read.

    A worker says that it has connections after all when it learns that its count was
    folded. Who folded it may list them as lost only after that.
    """
    read, complete = [], True
    for entries in kept:
        try:
            read.append(read_closed(entries.text))
        except BackendError:
            complete = False
    folded = {it: more.count_number for more in reversed(read) for it in more.returned}
    found: dict[str, ClosedRow] = {}
    returned: set[str] = set()
    for more in read:
        for row in reversed(more.rows):
            key = row.connection_id
            is_back = key in returned or (
                row.cause == "worker_lost" and more.count_number <= folded.get(key, -1)
            )
            if not is_back:
                found.setdefault(key, row)
        returned.update(more.returned)
    return found, complete and all(more.is_whole for more in read)


def _left_out(kept: Iterable[Entries]) -> bool:
    return any(entries.left_out for entries in kept)


def rejected_list(
    wanted: EndedQuery,
) -> Callable[[BaseBackend], EndedList[RejectedConnection]]:
    """Return the question for rejected handshakes. O(kept ones)."""
    status = None if wanted.code is None else str(wanted.code)

    def ask(backend: BaseBackend) -> EndedList[RejectedConnection]:
        verify_list(backend, "rejected")
        found: list[RejectedRow] = []
        complete, kept = True, backend.read_ended("rejected")
        # A handshake has no number. A report that is not answered is repeated, and then
        # the store may have the same text twice.
        for entries in {it.text: it for it in kept}.values():
            if not wanted.may_be_in(entries.text):
                continue
            try:
                rows, is_whole = read_rejected(entries.text)
            except BackendError:
                complete = False
                continue
            found += reversed(rows)
            complete = complete and is_whole
        Forgotten(kept).hide(found)
        matching = [
            it
            for it in found
            if wanted.selects(it) and (status is None or it.status == status)
        ]
        matching.sort(key=lambda it: it.at, reverse=True)
        return EndedList(rows=matching, is_sample=_left_out(kept), complete=complete)

    return ask
