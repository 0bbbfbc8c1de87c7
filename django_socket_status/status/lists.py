"""Lists connections: open ones, closed ones, and rejected handshakes."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, NamedTuple

from django_socket_status.backends.base import BaseBackend
from django_socket_status.endings import CAUSES, Cause
from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.records import ConnectionQuery
from django_socket_status.status.arguments import (
    MAX_LIMIT,
    LabelValue,
    UserOrKey,
    choice_of,
    code_of,
    query_of,
)
from django_socket_status.status.ended import (
    EndedList,
    EndedQuery,
    closed_list,
    rejected_list,
)
from django_socket_status.status.list_types import (
    STATES,
    AnyConnection,
    AnyPage,
    State,
)
from django_socket_status.status.queries import (
    aiterate,
    answered,
    connections_of,
    iterate,
)
from django_socket_status.status.reader import status_reader

__all__ = [
    "aget_connections",
    "aiter_connections",
    "ended_of",
    "get_connections",
    "iter_connections",
]


def get_connections(
    *,
    state: State = "open",
    type: str | None = None,
    user: UserOrKey | None = None,
    labels: Mapping[str, LabelValue] | None = None,
    anonymous: bool = False,
    limit: int = 100,
    offset: int = 0,
    after: str | None = None,
    cause: Cause | None = None,
    code: int | None = None,
) -> AnyPage:
    """Return one page of connections, newest first.

    Args:
        state: ``"open"`` for open connections, ``"closed"`` for those that closed in
            the last seven days, ``"rejected"`` for handshakes that were rejected.
        type: Only connections of this type.
        user: Only connections of this user, or of the user with this primary key.
        labels: Only connections that have all these labels.
        anonymous: Only connections without a signed-in user.
        limit: The most connections to return, 1 to 1,000.
        offset: How many connections to skip. The cost grows with it, and connections
            that open or close meanwhile move the pages.
        after: The ``next_after`` of another page of open connections, in place of an
            offset. Whatever opens or closes, a connection that is open during a whole
            walk is on exactly one page.
        cause: Only connections that closed for this cause.
        code: Only connections that closed with this code, or handshakes that were
            rejected with this HTTP status.

    Raises:
        ValueError: a limit or offset is out of range, ``after`` is no cursor or the
            backend takes none, the user is anonymous, a label has no value, there is
            no such state or cause, or an argument does not fit the state.
        TypeError: an argument has the wrong type; ``user`` is neither a user nor a
            primary key.
        NotKeptError: there is no such list; the message says what to change.
    """
    query = query_of(
        type=type,
        user=user,
        labels=labels,
        anonymous=anonymous,
        limit=limit,
        offset=offset,
        after=after,
    )
    wanted = _wanted(state, query, cause, code)
    found: Any = status_reader.ask(wanted.page, searches=True)
    page: AnyPage = answered(found)
    return page


async def aget_connections(
    *,
    state: State = "open",
    type: str | None = None,
    user: UserOrKey | None = None,
    labels: Mapping[str, LabelValue] | None = None,
    anonymous: bool = False,
    limit: int = 100,
    offset: int = 0,
    after: str | None = None,
    cause: Cause | None = None,
    code: int | None = None,
) -> AnyPage:
    """Return one page of connections, as :meth:`get_connections`."""
    query = query_of(
        type=type,
        user=user,
        labels=labels,
        anonymous=anonymous,
        limit=limit,
        offset=offset,
        after=after,
    )
    wanted = _wanted(state, query, cause, code)
    found: Any = await status_reader.aask(wanted.page, searches=True)
    page: AnyPage = answered(found)
    return page


def iter_connections(
    *,
    state: State = "open",
    type: str | None = None,
    user: UserOrKey | None = None,
    labels: Mapping[str, LabelValue] | None = None,
    anonymous: bool = False,
    cause: Cause | None = None,
    code: int | None = None,
) -> Iterator[AnyConnection]:
    """Iterate over connections, newest first.

    Takes the arguments of :meth:`get_connections`. Yields each connection once. Open
    connections are read in pages of 1,000, each after the last one. A connection that
    is open during the whole iteration is yielded; one that opens or closes meanwhile
    may be. A backend with ``pages_after = False`` finds pages by their offset: the cost
    then grows with the square of the number of connections, and the ids that were
    yielded are kept. Other lists, of at most 10,000 connections, are read at once.

    Raises:
        StatusUnavailableError: during the iteration, also if connections may be missing
            on a page. At its end, if an entry of another list could not be read.
        NotKeptError: when the iteration begins: there is no such list.
    """
    query = query_of(type=type, user=user, labels=labels, anonymous=anonymous)
    wanted = _wanted(state, dataclasses.replace(query, limit=MAX_LIMIT), cause, code)
    if wanted.ended is None:
        return iterate(wanted.query)
    return _iterate(wanted.ended)


def aiter_connections(
    *,
    state: State = "open",
    type: str | None = None,
    user: UserOrKey | None = None,
    labels: Mapping[str, LabelValue] | None = None,
    anonymous: bool = False,
    cause: Cause | None = None,
    code: int | None = None,
) -> AsyncIterator[AnyConnection]:
    """Iterate over connections, as :meth:`iter_connections`."""
    query = query_of(type=type, user=user, labels=labels, anonymous=anonymous)
    wanted = _wanted(state, dataclasses.replace(query, limit=MAX_LIMIT), cause, code)
    if wanted.ended is None:
        return aiterate(wanted.query)
    return _aiterate(wanted.ended)


AskList = Callable[[BaseBackend], EndedList[Any]]


def ended_of(
    state: State, query: ConnectionQuery, cause: Cause | None, code: int | None
) -> AskList:
    """Return the question for all ended connections that match, newest first.

    Raises:
        ValueError: there is no such state or cause, or a filter does not fit the state.
    """
    ended = _wanted(state, query, cause, code).ended
    if ended is None:
        raise ValueError("state must be closed or rejected.")
    return ended


class _Wanted(NamedTuple):
    """Which connections a caller wants."""

    query: ConnectionQuery
    #: The question for a list of ended connections; ``None`` for open ones.
    ended: AskList | None

    def page(self, backend: BaseBackend) -> AnyPage | None:
        """Return one page; ``None``: see :func:`~.queries.answered`."""
        if self.ended is None:
            return connections_of(self.query)(backend)
        return self.ended(backend).page(self.query)


def _wanted(
    state: State, query: ConnectionQuery, cause: Cause | None, code: int | None
) -> _Wanted:
    choice_of("state", state, STATES)
    if cause is not None:
        choice_of("cause", cause, CAUSES)
    if state != "closed" and cause is not None:
        raise ValueError("cause can only be used with state='closed'.")
    wanted = EndedQuery(query=query, cause=cause, code=code_of(code))
    if state == "open":
        if code is not None:
            raise ValueError("code can only be used with state='closed' or 'rejected'.")
        return _Wanted(query, None)
    if query.after is not None:
        raise ValueError("after can only be used with state='open'. Use offset.")
    lists: Mapping[str, Callable[[EndedQuery], AskList]]
    lists = {"closed": closed_list, "rejected": rejected_list}
    return _Wanted(query, lists[state](wanted))


def _iterate(ask: AskList) -> Iterator[AnyConnection]:
    found = status_reader.ask(ask, searches=True)
    yield from found.records()
    _verify_complete(found)


async def _aiterate(ask: AskList) -> AsyncIterator[AnyConnection]:
    found = await status_reader.aask(ask, searches=True)
    for record in found.records():
        yield record
    _verify_complete(found)


def _verify_complete(found: EndedList[Any]) -> None:
    if not found.complete:
        raise StatusUnavailableError(
            "Not all connections can be listed: an entry in the store is damaged."
        )
