"""The filters that the Python API does not have, as a search."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from django_socket_status.cli.columns import UsageError
from django_socket_status.cli.search_arguments import OPTIONS
from django_socket_status.cli.subcommands.criteria import criteria_of
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

__all__ = ["is_searched", "search_of"]


def is_searched(options: Mapping[str, Any]) -> bool:
    """Return whether a filter is given that the Python API does not have."""
    return any(options.get(name) is not None for name in OPTIONS)


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
