"""The filters of a list, from the options of the command line."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.utils import timezone

from django_socket_status.cli.columns import UsageError
from django_socket_status.cli.subcommands.users import user_named
from django_socket_status.endings import Cause
from django_socket_status.services import SocketStatusService
from django_socket_status.status.arguments import MAX_LIMIT, query_of
from django_socket_status.status.list_types import State
from django_socket_status.status.search import Search
from django_socket_status.status.search.criteria import (
    age_in_text,
    instant_ago,
    worker_ids_of,
)

__all__ = [
    "criteria_of",
    "is_searched",
    "labels_of",
    "search_of",
    "with_user",
    "wrong_values_are_usage_errors",
]

#: Filters that the Python API does not have.
SEARCHED = ("endpoint", "worker", "host", "release", "older", "younger")


def with_user(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the options with the user that ``--user`` means, looked up once.

    A watch would ask the database for each reading.

    Raises:
        UsageError: no user has this name, or it cannot be looked up.
    """
    name = options.get("user")
    return {**options, "user": user_named(name)} if isinstance(name, str) else options


def criteria_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the filters as arguments of ``SocketStatusService.get_connections``.

    Raises:
        UsageError: a filter has an impossible value.
    """
    if options.get("user") is not None and options.get("anonymous"):
        raise UsageError("--user and --anonymous exclude each other.")
    return {
        "type": options.get("type"),
        "user": with_user(options).get("user"),
        "labels": labels_of(options.get("label") or ()),
        "anonymous": bool(options.get("anonymous")),
    }


def is_searched(options: Mapping[str, Any]) -> bool:
    """Return whether a filter is given that the Python API does not have."""
    return any(options.get(name) is not None for name in SEARCHED)


def search_of(
    state: State,
    options: Mapping[str, Any],
    *,
    cause: Cause | None = None,
    code: int | None = None,
) -> Search:
    """Return the search for what all filters select.

    Raises:
        UsageError: a filter has an impossible value.
        ValueError: as :func:`~django_socket_status.status.arguments.query_of`.
    """
    query = query_of(**criteria_of(options), limit=MAX_LIMIT)
    release = options.get("release")
    worker_ids = worker_ids_of(
        SocketStatusService.get_workers,
        worker=options.get("worker"),
        host=options.get("host"),
        release=release if state == "open" else None,
    )
    return Search(
        state=state,
        query=dataclasses.replace(query, worker_ids=worker_ids),
        endpoint=options.get("endpoint"),
        release=None if state == "open" else release,
        until_at=_instant("older", options),
        from_at=_instant("younger", options),
        cause=cause,
        code=code,
    )


def _instant(name: str, options: Mapping[str, Any]) -> datetime.datetime | None:
    text = options.get(name)
    if text is None:
        return None
    seconds = age_in_text(text)
    if seconds is None:
        raise UsageError(f"--{name}: write 30s, 10min, 2h or 1d, not {text!r}.")
    return instant_ago(seconds, timezone.now())


@contextlib.contextmanager
def wrong_values_are_usage_errors() -> Iterator[None]:
    """Raise a ValueError of the Python API as a UsageError of the same text."""
    try:
        yield
    except ValueError as error:
        raise UsageError(str(error)) from error


def labels_of(given: Sequence[str]) -> dict[str, str]:
    """Return the labels of ``--label``, given as ``NAME=VALUE``.

    Raises:
        UsageError: one is not, or a name has two values.
    """
    labels: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise UsageError(f"--label: write NAME=VALUE, not {text!r}.")
        if labels.setdefault(name, value) != value:
            raise UsageError(f"--label: {name!r} cannot have two values.")
    return labels
