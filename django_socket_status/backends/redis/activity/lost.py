"""The connections of a worker whose lease has ended."""

from __future__ import annotations

from collections.abc import Sequence

from django_socket_status.backends.redis.activity.place import Place
from django_socket_status.backends.redis.replies import read_one
from django_socket_status.backends.redis.scripts import LOST_REPORT
from django_socket_status.backends.redis.search import Search
from django_socket_status.exceptions import BackendError
from django_socket_status.records import ConnectionQuery, OpenedConnection

__all__ = ["lost_connections"]


def lost_connections(
    place: Place, worker_id: str, limit: int
) -> Sequence[OpenedConnection]:
    """Return the newest connections, in three round trips and one for 4,096 of them.

    Redis keeps them for as long as :func:`~..ledger.kept_ms` says.
    """
    keys = (place.keys.index, place.keys.report(worker_id))
    report = place.run(LOST_REPORT, keys, worker_id)
    try:
        live = read_one(worker_id, report or b"")
    except (BackendError, ValueError):
        # The worker is live, stopped or folded. Or its keys are damaged, or gone.
        return ()
    search = Search(ConnectionQuery(limit=limit), place.client.pipeline, place.keys)
    return search.newest([live])
