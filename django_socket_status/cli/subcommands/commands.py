"""``commands``: what workers were told to do, and how far they have come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from django_socket_status.cli.columns import Field, chosen, sort_key
from django_socket_status.cli.formats import (
    age_in_seconds,
    duration_text,
    instant_text,
)
from django_socket_status.cli.frames import Answer
from django_socket_status.cli.notes import verify_covered
from django_socket_status.cli.subcommands.lists import UNKNOWN, table_of
from django_socket_status.operations.kept_commands import CommandRecord, read_commands
from django_socket_status.services import SocketStatusService

__all__ = ["FIELDS", "read"]

NOTHING = "None was given in the last 24 hours."


def _age(record: CommandRecord) -> float:
    return age_in_seconds(record.given_at, timezone.now())


def _kind(record: CommandRecord) -> str:
    kind = record.kind or UNKNOWN
    return f"{kind}, dry run" if record.how.get("dry_run") else kind


def _selector(record: CommandRecord) -> str:
    return " ".join(
        name if value is True else f"{name}={_value(value)}"
        for name, value in record.selector.items()
    )


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return ",".join(f"{name}:{it}" for name, it in value.items())
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return str(value)


def _number(name: str) -> Any:
    def text(record: CommandRecord) -> str:
        return UNKNOWN if record.result is None else str(getattr(record.result, name))

    return text


def _code(record: CommandRecord) -> str:
    return str(record.how.get("code", UNKNOWN))


_Field = Field[CommandRecord]

#: The columns by name: what ``--columns`` and ``--sort`` take.
FIELDS: Mapping[str, Field[CommandRecord]] = {
    it.name: it
    for it in (
        _Field("kind", "COMMAND", _kind),
        _Field("state", "STATE", lambda it: it.state),
        _Field("requested_by", "BY", lambda it: it.requested_by or UNKNOWN),
        _Field(
            "age",
            "GIVEN",
            lambda it: f"{duration_text(_age(it))} ago",
            is_number=True,
            is_volatile=True,
            sort_by=_age,
        ),
        _Field("selector", "SELECTED", _selector),
        _Field("code", "CODE", _code, is_number=True),
        _Field("reason", "REASON", lambda it: str(it.how.get("reason", ""))),
        *(
            _Field(name, name.upper(), _number(name), is_number=True)
            for name in ("matched", "closed", "sent", "unsent", "gone", "unanswered")
        ),
        _Field("given_at", "GIVEN AT", lambda it: instant_text(it.given_at)),
        _Field("command_id", "ID", lambda it: it.command_id, is_whole=True),
    )
}

DEFAULT = (
    "command_id",
    "kind",
    "state",
    "requested_by",
    "age",
    "matched",
    "closed",
    "unsent",
    "selector",
)


def read(options: Mapping[str, Any]) -> Answer:
    """Return the commands that the backend keeps, newest first.

    Raises:
        StatusUnavailableError: they cannot be read, or the backend keeps none.
    """
    verify_covered(SocketStatusService.get_socket_info_summary())
    fields = chosen(options.get("columns"), FIELDS, DEFAULT)
    records = list(read_commands())
    if name := options.get("sort"):
        records.sort(key=sort_key(name, FIELDS))
    if options.get("reverse"):
        records.reverse()
    return Answer(
        body={"commands": [it.as_dict() for it in records]},
        tables=table_of("commands", fields, records, lambda it: it.command_id),
        footer=[] if records else [NOTHING],
    )
