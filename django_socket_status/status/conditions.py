"""Reads the workers and how they do, within the time of one read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from django_socket_status.activity.conditions import Condition
from django_socket_status.backends.base import BaseBackend
from django_socket_status.concurrency.clock import monotonic
from django_socket_status.exceptions import BackendError, StatusUnavailableError
from django_socket_status.status.answers import WorkerRecord
from django_socket_status.status.reader import status_reader
from django_socket_status.status.reading import Reading
from django_socket_status.status.summary import worker_records

__all__ = ["Workers", "aread_workers", "conditions_of", "read_workers"]


class Workers(NamedTuple):
    """The workers of a reading."""

    reading: Reading
    records: Sequence[WorkerRecord]


def read_workers() -> Workers:
    """Return the workers, each with its condition if that can be read, too.

    Waits less than a second.

    Raises:
        StatusUnavailableError: the workers cannot be read.
    """
    began = monotonic()
    reading = status_reader.read()
    try:
        conditions = status_reader.ask(conditions_of, used_seconds=monotonic() - began)
    except StatusUnavailableError:
        conditions = {}
    return Workers(reading, worker_records(reading, conditions))


async def aread_workers() -> Workers:
    """Return the workers, as :func:`read_workers`."""
    began = monotonic()
    reading = await status_reader.aread()
    try:
        conditions = await status_reader.aask(
            conditions_of, used_seconds=monotonic() - began
        )
    except StatusUnavailableError:
        conditions = {}
    return Workers(reading, worker_records(reading, conditions))


def conditions_of(backend: BaseBackend) -> Mapping[str, Condition]:
    """Return the conditions by worker id, without those that are damaged."""
    if "conditions" not in backend.keeps:
        return {}
    found: dict[str, Condition] = {}
    for worker_id, text in backend.read_conditions().items():
        try:
            found[worker_id] = Condition.from_text(text)
        except BackendError:
            continue
    return found
