"""``closed``: the connections that closed in the last seven days."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from django_socket_status.activity.entries import ClosedConnection
from django_socket_status.cli.columns import Field
from django_socket_status.cli.formats import (
    age_in_seconds,
    duration_text,
    instant_text,
)
from django_socket_status.cli.frames import Answer
from django_socket_status.cli.subcommands.ended import Columns, read_ended
from django_socket_status.cli.subcommands.lists import (
    ANONYMOUS,
    UNKNOWN,
    FieldsWithLabels,
    labels_text,
)

__all__ = ["FIELDS", "read"]


def _age(record: ClosedConnection) -> str:
    return duration_text(age_in_seconds(record.closed_at, timezone.now()))


def _code(record: ClosedConnection) -> str:
    return UNKNOWN if record.close_code is None else str(record.close_code)


_Field = Field[ClosedConnection]

#: The columns by name: what ``--columns`` and ``--sort`` take.
FIELDS: FieldsWithLabels[ClosedConnection] = FieldsWithLabels(
    (it.name, it)
    for it in (
        _Field("type", "TYPE", lambda it: it.type),
        _Field("user_id", "USER", lambda it: it.user_id or ANONYMOUS),
        _Field(
            "age",
            "AGO",
            _age,
            is_number=True,
            is_volatile=True,
            sort_by=lambda it: -it.closed_at.timestamp(),
        ),
        _Field(
            "duration_seconds",
            "LASTED",
            lambda it: duration_text(it.duration_seconds),
            is_number=True,
            sort_by=lambda it: it.duration_seconds,
        ),
        _Field("cause", "CAUSE", lambda it: it.cause, is_whole=True),
        _Field(
            "close_code",
            "CODE",
            _code,
            is_number=True,
            sort_by=lambda it: it.close_code,
        ),
        _Field("close_reason", "REASON", lambda it: it.close_reason),
        _Field("labels", "LABELS", lambda it: labels_text(it.labels)),
        _Field("endpoint", "ENDPOINT", lambda it: it.endpoint),
        _Field(
            "connected_at", "CONNECTED AT", lambda it: instant_text(it.connected_at)
        ),
        _Field("closed_at", "CLOSED AT", lambda it: instant_text(it.closed_at)),
        _Field("worker_id", "WORKER", lambda it: it.worker_id),
        _Field("release", "RELEASE", lambda it: it.release or UNKNOWN),
        _Field("connection_id", "ID", lambda it: it.connection_id),
    )
)

DEFAULT = (
    "age",
    "type",
    "cause",
    "close_code",
    "user_id",
    "duration_seconds",
    "labels",
    "close_reason",
)


def read(options: Mapping[str, Any]) -> Answer:
    """Return closed connections, newest first or as ``--sort`` says.

    Raises:
        StatusUnavailableError: they cannot be listed now, or the backend keeps none.
        UsageError: an option has an impossible value.
    """
    return read_ended(
        "closed",
        options,
        Columns(FIELDS, DEFAULT, "age"),
        cause=options.get("cause"),
        code=options.get("code"),
    )
