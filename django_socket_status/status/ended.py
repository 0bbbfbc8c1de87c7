"""Reads the lists of closed connections and of rejected handshakes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar, overload

from django_socket_status.activity.as_json import as_json
from django_socket_status.activity.entries import (
    ClosedConnection,
    RejectedConnection,
    read_closed,
    read_rejected,
)
from django_socket_status.activity.stored import Entries
from django_socket_status.backends.base import BaseBackend
from django_socket_status.exceptions import BackendError
from django_socket_status.records import ConnectionQuery
from django_socket_status.status.kept import verify_list

__all__ = ["EndedList", "EndedPage", "EndedQuery", "closed_list", "rejected_list"]

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

    def selects(self, record: ClosedConnection | RejectedConnection) -> bool:
        """Return whether a record matches, but for ``cause`` and ``code``."""
        query = self.query
        labels = record.labels
        return (
            (query.type is None or record.type == query.type)
            and (query.user_id is None or record.user_id == query.user_id)
            and not (query.anonymous and record.user_id is not None)
            and all(labels.get(name) == value for name, value in query.labels.items())
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

    records: Sequence[R]
    is_sample: bool
    complete: bool

    def page(self, query: ConnectionQuery) -> EndedPage[R]:
        """Return one page."""
        end = query.offset + query.limit
        return EndedPage(
            connections=tuple(self.records[query.offset : end]),
            total=len(self.records),
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
        found, complete = _latest(kept)
        matching = [
            it
            for it in found.values()
            if wanted.selects(it)
            and (wanted.cause is None or it.cause == wanted.cause)
            and (wanted.code is None or it.close_code == wanted.code)
        ]
        matching.sort(key=lambda it: (it.closed_at, it.connection_id), reverse=True)
        return EndedList(records=matching, is_sample=_left_out(kept), complete=complete)

    return ask


def _latest(kept: Iterable[Entries]) -> tuple[dict[str, ClosedConnection], bool]:
    """Return the latest record of each connection, and whether all could be read.

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
    found: dict[str, ClosedConnection] = {}
    returned: set[str] = set()
    for more in read:
        for record in reversed(more.records):
            key = record.connection_id
            is_back = key in returned or (
                record.cause == "worker_lost"
                and more.count_number <= folded.get(key, -1)
            )
            if not is_back:
                found.setdefault(key, record)
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
        found: list[RejectedConnection] = []
        complete, kept = True, backend.read_ended("rejected")
        # A handshake has no number. A report that is not answered is repeated, and then
        # the store may have the same text twice.
        for entries in {it.text: it for it in kept}.values():
            try:
                records, is_whole = read_rejected(entries.text)
            except BackendError:
                complete = False
                continue
            found += reversed(records)
            complete = complete and is_whole
        matching = [
            it
            for it in found
            if wanted.selects(it) and (status is None or it.status == status)
        ]
        matching.sort(key=lambda it: it.rejected_at, reverse=True)
        return EndedList(records=matching, is_sample=_left_out(kept), complete=complete)

    return ask
