"""``rejected``: the handshakes that ended before they were accepted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from django_socket_status.activity.entries import RejectedConnection
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


def _age(record: RejectedConnection) -> str:
    return duration_text(age_in_seconds(record.rejected_at, timezone.now()))


_Field = Field[RejectedConnection]

#: The columns by name: what ``--columns`` and ``--sort`` take.
FIELDS: FieldsWithLabels[RejectedConnection] = FieldsWithLabels(
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
            sort_by=lambda it: -it.rejected_at.timestamp(),
        ),
        _Field("status", "STATUS", lambda it: it.status, is_whole=True),
        _Field("labels", "LABELS", lambda it: labels_text(it.labels)),
        _Field("endpoint", "ENDPOINT", lambda it: it.endpoint),
        _Field("rejected_at", "REJECTED AT", lambda it: instant_text(it.rejected_at)),
        _Field("worker_id", "WORKER", lambda it: it.worker_id),
        _Field("release", "RELEASE", lambda it: it.release or UNKNOWN),
    )
)

DEFAULT = ("age", "type", "status", "user_id", "labels", "endpoint", "worker_id")


def read(options: Mapping[str, Any]) -> Answer:
    """Return rejected handshakes, newest first or as ``--sort`` says.

    Raises:
        StatusUnavailableError: they cannot be listed now, or the backend keeps none.
        UsageError: an option has an impossible value.
    """
    columns = Columns(FIELDS, DEFAULT, "age")
    return read_ended("rejected", options, columns, code=options.get("code"))
