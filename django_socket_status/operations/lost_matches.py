"""Counts what a command meant in workers that did not answer."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Mapping

from django_socket_status.backends.base import BaseBackend
from django_socket_status.control.selector import Selector, WorkerSelector
from django_socket_status.records import (
    ConnectionQuery,
    ConnectionRecord,
    OpenedConnection,
    WorkerStatus,
)
from django_socket_status.status.arguments import MAX_LIMIT
from django_socket_status.validation import valid_page, valid_snapshot

__all__ = ["lost_matches"]

#: The most pages that are read: beyond, the number is not known.
MAX_PAGES = 10
#: The most connections of a lost worker that a store keeps.
MAX_LOST = 1_000


def lost_matches(
    backend: BaseBackend, selector: Selector, silent: Mapping[str, WorkerStatus]
) -> dict[str, int | None]:
    """Return how many connections of each worker a selector means.

    Args:
        backend: Where the workers have reported.
        selector: Which connections are meant; the release is not compared, as it is
            not known of a worker that is lost.
        silent: The workers, as they were at the time of the command.

    Returns:
        The number by worker; ``None`` where it cannot be told.
    """
    if selector.release is not None:
        return dict.fromkeys(silent)
    if selector.is_whole_worker:
        kind = selector.query.type
        return {
            worker_id: it.total_sockets if kind is None else it.counts.get(kind, 0)
            for worker_id, it in silent.items()
        }
    if not backend.wants_details or not silent:
        return {it: None if status.counts else 0 for it, status in silent.items()}
    return _searched(backend, selector, silent)


def _searched(
    backend: BaseBackend, selector: Selector, silent: Mapping[str, WorkerStatus]
) -> dict[str, int | None]:
    means = {it: selector.of_worker(it, "") for it in silent}
    live = {it.worker.worker_id for it in valid_snapshot(backend.read()).workers}
    found: dict[str, int | None] = {}
    for worker_id, status in silent.items():
        own = means[worker_id]
        if not status.counts or own is None:
            found[worker_id] = 0
        elif worker_id not in live:
            found[worker_id] = _of_lost(backend, worker_id, own)
    asked = {it: own for it, own in means.items() if it not in found and own}
    return {**found, **(_of_live(backend, selector, asked) if asked else {})}


def _of_lost(
    backend: BaseBackend, worker_id: str, selector: WorkerSelector
) -> int | None:
    if "endings" not in backend.keeps:
        return None
    lost = backend.lost_connections(worker_id, MAX_LOST)
    if not lost or len(lost) >= MAX_LOST:
        # Nothing is kept any more, or not all.
        return None
    return sum(selector.means(it) for it in lost)


def _of_live(
    backend: BaseBackend,
    selector: Selector,
    asked: Mapping[str, WorkerSelector],
) -> dict[str, int | None]:
    found: collections.Counter[str] = collections.Counter(dict.fromkeys(asked, 0))
    for number in range(MAX_PAGES):
        query = _page(selector, number)
        page = valid_page(backend.get_connections(query), query)
        if not page.complete:
            break
        for record in page.connections:
            own = asked.get(record.worker_id)
            if own is not None and own.means(_opened(record)):
                found[record.worker_id] += 1
        if page.next_offset is None:
            return dict(found)
    return dict.fromkeys(asked)


def _page(selector: Selector, number: int) -> ConnectionQuery:
    return dataclasses.replace(
        selector.query, limit=MAX_LIMIT, offset=number * MAX_LIMIT
    )


def _opened(record: ConnectionRecord) -> OpenedConnection:
    number = int(record.connection_id.rpartition("-")[2], 16)
    return OpenedConnection(
        number, record.type, record.endpoint, record.user_id, record.labels, 0.0
    )
