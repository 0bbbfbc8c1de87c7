"""Finds some of the connections that a selector means, to show them to a person."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from types import SimpleNamespace

from django_socket_status.control.selector import Selector
from django_socket_status.records import ConnectionRecord
from django_socket_status.services import SocketStatusService

__all__ = ["SHOWN", "some_matches"]

#: How many are shown, and how many are looked at for them.
SHOWN, LOOKED_AT = 10, 10_000


def some_matches(selector: Selector) -> list[ConnectionRecord]:
    """Return the newest connections that a selector means, at most ``SHOWN``.

    Raises:
        StatusUnavailableError: the connections cannot be listed.
    """
    return list(itertools.islice(_matches(selector), SHOWN))


def _matches(selector: Selector) -> Iterator[ConnectionRecord]:
    query = selector.query
    user = None if query.user_id is None else SimpleNamespace(pk=query.user_id)
    listed = SocketStatusService.iter_connections(
        type=query.type, user=user, labels=query.labels or None
    )
    releases = _releases() if selector.release is not None else {}
    for record in itertools.islice(listed, LOOKED_AT):
        worker_id, _, number = record.connection_id.rpartition("-")
        own = selector.of_worker(worker_id, releases.get(worker_id, ""))
        if own is not None and own.may_mean(int(number, 16)):
            yield record


def _releases() -> Mapping[str, str]:
    return {
        it.worker_id: it.condition.release
        for it in SocketStatusService.get_workers()
        if it.condition is not None
    }
