"""What a failed assertion says: what was expected, and a table of what is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django_socket_status.activity.entries import ClosedConnection
from django_socket_status.cli.tables import Column, Layout, Row, Table
from django_socket_status.records import ConnectionRecord

__all__ = ["closed_message", "described", "open_message", "table_text"]

#: Rows of a table in a message.
ROWS = 20

_OPEN = ("type", "user", "labels", "id")
_CLOSED = ("type", "user", "labels", "cause", "code", "reason")


def described(criteria: Mapping[str, object]) -> str:
    """Return the criteria that are set, as an assertion was called with them."""
    given = {name: it for name, it in criteria.items() if it is not None}
    return ", ".join(f"{name}={value!r}" for name, value in given.items())


def open_message(
    criteria: Mapping[str, object], found: int, all_open: Sequence[ConnectionRecord]
) -> str:
    """Return the message of an assertion about open connections."""
    rows = [
        (it.type, it.user_id or "-", _labels(it.labels), it.connection_id)
        for it in all_open
    ]
    return _message("open", criteria, found, _OPEN, rows)


def closed_message(
    criteria: Mapping[str, object], found: int, all_closed: Sequence[ClosedConnection]
) -> str:
    """Return the message of an assertion about closed connections."""
    rows = [
        (
            *(it.type, it.user_id or "-", _labels(it.labels), it.cause),
            *("-" if it.close_code is None else str(it.close_code), it.close_reason),
        )
        for it in all_closed
    ]
    return _message("closed", criteria, found, _CLOSED, rows)


def _message(
    state: str,
    criteria: Mapping[str, object],
    found: int,
    names: Sequence[str],
    rows: Sequence[Sequence[str]],
) -> str:
    wanted = described(criteria) or "any"
    head = f"No {state} connection" if not found else f"{found} {state} connections"
    if found == 1:
        head = f"1 {state} connection"
    if not rows:
        return f"{head} for {wanted}. No connection is {state} at all."
    return f"{head} for {wanted}. {state.capitalize()} are:\n{table_text(names, rows)}"


def table_text(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; of many rows, the first ones."""
    table = Table(
        name="connections",
        columns=[Column(name=name, title=name) for name in names],
        rows=[Row(str(number), cells) for number, cells in enumerate(rows[:ROWS])],
    )
    lines = [f"  {line}" for line in Layout(table).lines()]
    if len(rows) > ROWS:
        lines.append(f"  and {len(rows) - ROWS} more")
    return "\n".join(lines)


def _labels(labels: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in labels.items()) or "-"
