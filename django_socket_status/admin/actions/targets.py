"""Which connections an action of the admin page means: a selection, or a filter.

A filter that a command can express becomes one command for each worker that it names,
or one for all: then each worker decides what matches. Other filters, such as one by
age, are tried here, and the ids that match become commands.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

from django_socket_status.backends import get_backend
from django_socket_status.control.selector import Selector, connection_numbers
from django_socket_status.records import ConnectionQuery, ConnectionRecord
from django_socket_status.status.search import Search, iter_matching, search

__all__ = [
    "MAX_IDS",
    "SHOWN",
    "Target",
    "TooManyError",
    "Who",
    "query_of_id",
    "selectors_of",
    "who_of",
]

#: The most connections that are shown before a disconnect.
SHOWN = 20
#: The most connections that one action closes by their ids.
MAX_IDS = 1_000
#: How many ids fit into one command, which has at most 4 KiB.
IDS_OF_COMMAND = 80
#: The most commands of one action. A backend keeps a hundred at a time.
MAX_COMMANDS = 20


class TooManyError(ValueError):
    """An action means more connections than one action may close."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Target:
    """Which connections are meant."""

    ids: Sequence[str] = ()
    """The selected connections."""
    search: Search | None = None
    """What matches, if nothing is selected."""
    words: str = ""
    """What is meant, for people."""

    @property
    def is_everything(self) -> bool:
        """Return whether every connection of the deployment is meant."""
        if self.search is None:
            return False
        # The page size of a list selects nothing.
        query = dataclasses.replace(self.search.query, limit=Search().query.limit)
        return dataclasses.replace(self.search, query=query) == Search()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Who:
    """How many connections are meant, and some of them."""

    count: int
    """How many there are."""
    is_exact: bool
    """False if there may be more."""
    records: Sequence[ConnectionRecord]
    """At most :data:`SHOWN` of them."""
    gone: int = 0
    """How many of the selected connections have ended."""
    is_known: bool = True
    """False if the backend keeps counts alone: then only workers know."""

    @property
    def others(self) -> int:
        """Return how many are not shown."""
        return self.count - len(self.records)


def who_of(target: Target) -> Who:
    """Return how many connections are open that are meant, and some of them.

    Raises:
        StatusUnavailableError: the connections cannot be listed now.
    """
    if target.search is None:
        found = [it for it in map(_find, target.ids) if it is not None]
        return Who(
            count=len(found),
            is_exact=True,
            records=found[:SHOWN],
            gone=len(target.ids) - len(found),
        )
    if not get_backend().wants_details:
        return Who(count=0, is_exact=False, records=(), is_known=False)
    answer = search(target.search, SHOWN)
    records = [it for it in answer.records if isinstance(it, ConnectionRecord)]
    is_exact = answer.total is not None and answer.complete
    return Who(
        count=len(records) if answer.total is None else answer.total,
        is_exact=is_exact,
        records=records,
    )


def _find(connection_id: str) -> ConnectionRecord | None:
    for record in search(Search(query=query_of_id(connection_id)), 1).records:
        if isinstance(record, ConnectionRecord):
            return record
    return None


def query_of_id(connection_id: str) -> ConnectionQuery:
    """Return the query for one connection.

    Raises:
        ValueError: the text is no id of a connection.
    """
    ((worker_id, numbers),) = connection_numbers("ids", [connection_id]).items()
    return ConnectionQuery(worker_ids=frozenset([worker_id]), number=numbers[0])


def selectors_of(target: Target) -> Sequence[Selector]:
    """Return what the commands of an action select; nothing if nothing matches.

    Raises:
        TooManyError: more connections match than one action may close by their ids.
        StatusUnavailableError: the connections cannot be listed now.
    """
    if target.search is None:
        return [*_by_ids(target.ids)]
    return _by_filter(target.search) or [*_by_ids(_matching(target.search))]


def _by_filter(wanted: Search) -> Sequence[Selector]:
    """Return the selectors that mean what a search finds; none if no selector can."""
    query, workers = wanted.query, wanted.query.worker_ids
    is_narrower = wanted != Search(query=query) or query.anonymous
    if is_narrower or query.number is not None:
        return ()
    meant = ConnectionQuery(type=query.type, user_id=query.user_id, labels=query.labels)
    if workers is None:
        return [Selector(query=meant)]
    if len(workers) > MAX_COMMANDS:
        return ()
    return [Selector(query=meant, worker=it) for it in sorted(workers)]


def _matching(wanted: Search) -> Sequence[str]:
    found = itertools.islice(iter_matching(wanted), MAX_IDS + 1)
    ids = [it.connection_id for it in found if isinstance(it, ConnectionRecord)]
    if len(ids) > MAX_IDS:
        raise TooManyError(f"more than {MAX_IDS} connections match")
    return ids


def _by_ids(ids: Sequence[str]) -> Iterator[Selector]:
    for first in range(0, len(ids), IDS_OF_COMMAND):
        chunk = ids[first : first + IDS_OF_COMMAND]
        yield Selector(numbers=connection_numbers("ids", chunk))
