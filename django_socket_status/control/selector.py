"""Which connections a disconnect means."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django_socket_status.records import ConnectionQuery, OpenedConnection

__all__ = [
    "SELECTS_NOTHING",
    "Selector",
    "WorkerSelector",
    "connection_numbers",
    "selector_of",
    "verify_text",
]

#: What is wrong with an empty text, as of an unset variable, after its name.
SELECTS_NOTHING = "is empty, which selects nothing: give it a value, or leave it out."

#: A connection's id: that of its worker, and its number in hexadecimal.
_CONNECTION_ID = re.compile(r"([^\s-]{1,64})-([0-9a-f]{1,14})")

#: The numbers of connections by the ids of their workers.
Numbers = Mapping[str, Sequence[int]]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Which connections are meant: those for which everything that is set holds."""

    query: ConnectionQuery = dataclasses.field(default_factory=ConnectionQuery)
    """Their type, user and labels."""
    numbers: Numbers | None = None
    """Only these connections; ``None`` for any."""
    worker: str | None = None
    """Only those of the worker with this id."""
    release: str | None = None
    """Only those of workers with this release."""
    keep: Numbers = dataclasses.field(default_factory=dict)
    """None of these connections."""

    @property
    def is_whole_worker(self) -> bool:
        """Return whether all connections of a worker, or all of a type, are meant."""
        query = self.query
        return (
            self.numbers is None
            and not self.keep
            and query.user_id is None
            and not query.labels
        )

    def may_mean(self, worker_id: str) -> bool:
        """Return whether connections of a worker may be meant, of any release."""
        if self.numbers is not None and worker_id not in self.numbers:
            return False
        return self.worker is None or self.worker == worker_id

    def of_worker(self, worker_id: str, release: str) -> WorkerSelector | None:
        """Return what it means in one worker; ``None`` for nothing."""
        if not self.may_mean(worker_id) or self.release not in (None, release):
            return None
        return WorkerSelector(
            self.query,
            None if self.numbers is None else frozenset(self.numbers[worker_id]),
            frozenset(self.keep.get(worker_id, ())),
        )

    def as_dict(self) -> dict[str, Any]:
        """Return what is set, as JSON has it; the ids of connections in full."""
        query = self.query
        found = {
            "connection_ids": None if self.numbers is None else _ids(self.numbers),
            "user_id": query.user_id,
            "type": query.type,
            "labels": dict(query.labels) or None,
            "worker": self.worker,
            "release": self.release,
            "keep": _ids(self.keep) or None,
        }
        found = {name: value for name, value in found.items() if value is not None}
        # Explicit, so that a text from which something is missing selects nothing.
        return found if found.keys() - {"keep"} else {**found, "all": True}


@dataclasses.dataclass(frozen=True, slots=True)
class WorkerSelector:
    """Which connections of one worker are meant."""

    query: ConnectionQuery
    numbers: frozenset[int] | None
    keep: frozenset[int]

    def may_mean(self, number: int) -> bool:
        """Return whether a connection with this number may be meant."""
        return number not in self.keep and (
            self.numbers is None or number in self.numbers
        )

    def means(self, opened: OpenedConnection) -> bool:
        """Return whether a connection is meant."""
        return self.may_mean(opened.number) and self.query.matches(opened)


def selector_of(
    query: ConnectionQuery,
    *,
    connection_ids: Collection[str] = (),
    labels: object = None,
    worker: str | None = None,
    release: str | None = None,
    all: bool = False,
    keep: Collection[str] = (),
) -> Selector:
    """Return the selector for the arguments of a public function.

    Args:
        query: The type, the user and the labels.
        connection_ids: Only these connections.
        labels: The labels as they were passed.
        worker: Only connections of this worker.
        release: Only connections of workers with this release.
        all: Whether all connections are meant.
        keep: The ids of connections that are not meant.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: no connection, or none in particular, is meant.
    """
    verify_text("worker", worker)
    verify_text("release", release)
    if not isinstance(all, bool):
        raise TypeError(f"all must be True or False, not {type(all).__name__}.")
    if labels is not None and not query.labels:
        raise ValueError(
            "labels is empty, which would select any: give it a value, or leave it out."
        )
    ids = _collection("connection_ids", connection_ids)
    if not ids and connection_ids != ():
        raise ValueError(
            "connection_ids is empty, which would select any connection. Leave it "
            "out, or do not call this."
        )
    selector = Selector(
        query=query,
        numbers=connection_numbers("connection_ids", ids) if ids else None,
        worker=worker,
        release=release,
        keep=connection_numbers("keep", _collection("keep", keep)),
    )
    is_empty = "all" in selector.as_dict()
    if is_empty and not all:
        raise ValueError(
            "Nothing is selected: pass connection_ids, user, type, labels, worker or "
            "release. For every connection of the deployment, pass all=True."
        )
    if all and not is_empty:
        raise ValueError(
            "all=True selects every connection: pass no other selector with it, "
            "except keep."
        )
    return selector


def connection_numbers(name: str, ids: Sequence[object]) -> dict[str, list[int]]:
    """Return the numbers of connections by worker.

    Raises:
        TypeError: an id is not a string.
        ValueError: a text is no id of a connection.
    """
    found: dict[str, list[int]] = {}
    for connection_id in dict.fromkeys(ids):
        if not isinstance(connection_id, str):
            kind = type(connection_id).__name__
            raise TypeError(f"{name} must hold strings, not {kind}.")
        match = _CONNECTION_ID.fullmatch(connection_id)
        if match is None:
            raise ValueError(
                f"{name} must hold ids of connections, such as '8f3a5c0d9e1b2746-1a', "
                f"not {connection_id[:60]!r}."
            )
        found.setdefault(match[1], []).append(int(match[2], 16))
    return found


def _collection(name: str, value: Collection[str]) -> Sequence[str]:
    given: object = value
    if isinstance(given, str | bytes) or not isinstance(given, Collection):
        raise TypeError(f"{name} must be a collection of ids, not a single value.")
    return tuple(value)


def verify_text(name: str, value: object) -> None:
    """Verify that an argument of a public function can select something.

    Raises:
        TypeError: it is no text.
        ValueError: it is empty.
    """
    if value is None:
        return
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str or None, not {type(value).__name__}.")
    if not value:
        raise ValueError(f"{name} {SELECTS_NOTHING}")


def _ids(numbers: Numbers) -> list[str]:
    return [
        f"{worker_id}-{number:x}"
        for worker_id, them in numbers.items()
        for number in them
    ]
