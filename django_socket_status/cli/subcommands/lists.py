"""What the lists of open, closed and rejected connections have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from django_socket_status.cli.columns import Field
from django_socket_status.cli.tables import Row, Table

__all__ = [
    "ANONYMOUS",
    "UNKNOWN",
    "FieldsWithLabels",
    "labels_text",
    "list_footer",
    "table_of",
]

R = TypeVar("R")

#: Stands for the user of an anonymous connection, and for what is not known.
ANONYMOUS = UNKNOWN = "-"

LABEL = "label."


class FieldsWithLabels(dict[str, Field[R]]):
    """The columns of a list, and one for each label: ``label.room``."""

    def __missing__(self, name: str) -> Field[R]:
        label = name.removeprefix(LABEL)
        if label in ("", name):
            raise KeyError(name)

        def text(record: Any) -> str:
            return str(record.labels.get(label, ""))

        return Field(name, label.upper(), text)


def labels_text(labels: Mapping[str, str]) -> str:
    """Return labels in one line."""
    return " ".join(f"{name}={value}" for name, value in labels.items())


def table_of(
    name: str,
    fields: Sequence[Field[R]],
    records: Sequence[R],
    key: Callable[[R], str],
) -> list[Table]:
    """Return the table of some records; none without a record.

    Args:
        name: Tells it from other tables.
        fields: Its columns.
        records: Its rows.
        key: Returns what tells a record from the others.
    """
    if not records:
        return []
    rows = [Row(key(it), [field.text(it) for field in fields]) for it in records]
    columns = [it.column for it in fields]
    return [Table(name=name, columns=columns, rows=rows, is_chosen=True)]


def list_footer(shown: int, total: int | None, is_all: bool) -> Iterator[str]:
    """Yield how much of a list is shown, and how to see the rest."""
    if not shown:
        yield "None matches."
    elif shown == total or (total is None and is_all):
        yield f"{shown} of {shown}"
    else:
        known = "more" if total is None else str(total)
        yield f"{shown} of {known}; --all shows every one"
