"""The columns of a list: which ones are shown, and what it is sorted by."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from django_socket_status.cli.formats import natural_key
from django_socket_status.cli.tables import Column

__all__ = ["Field", "UsageError", "chosen", "count_fields", "sort_key"]

R = TypeVar("R")


class UsageError(Exception):
    """An argument of the command line has an impossible value; the text says which."""


# Python 3.10 and 3.11 cannot make an instance of a subscripted class with slots.
@dataclasses.dataclass(frozen=True)
class Field(Generic[R]):
    """One column of a list of records."""

    name: str
    """What ``--columns`` and ``--sort`` call it."""
    title: str
    """What stands above it."""
    text: Callable[[R], str]
    """Returns its text for a record."""
    is_number: bool = False
    """Whether it is aligned to the right."""
    is_whole: bool = False
    """Whether it is never cut."""
    is_volatile: bool = False
    """Whether it changes with time alone."""
    sort_by: Callable[[R], float | None] | None = None
    """Returns the number to sort a record by; ``None`` for its text."""

    @property
    def column(self) -> Column:
        """Return the column of a table."""
        return Column(
            name=self.name,
            title=self.title,
            is_number=self.is_number,
            is_whole=self.is_whole,
            is_volatile=self.is_volatile,
        )


def count_fields(*names: str) -> Sequence[Field[Any]]:
    """Return a column for each of these numbers of a record."""
    return [Field(name, name.upper(), _text_of(name), is_number=True) for name in names]


def _text_of(name: str) -> Callable[[Any], str]:
    return lambda record: str(getattr(record, name))


def chosen(
    names: str | None, fields: Mapping[str, Field[R]], default: Sequence[str]
) -> Sequence[Field[R]]:
    """Return the fields that ``--columns`` names, separated by commas.

    Raises:
        UsageError: there is no such column.
    """
    if names is None:
        return [fields[name] for name in default]
    wanted = [name.strip() for name in names.split(",")]
    return [_field(name, fields, "--columns") for name in wanted]


def sort_key(name: str, fields: Mapping[str, Field[R]]) -> Callable[[R], Any]:
    """Return what records are sorted by: the smallest first, unknown values last.

    Raises:
        UsageError: there is no such column.
    """
    field = _field(name, fields, "--sort")
    if (number := field.sort_by) is None:
        return lambda record: natural_key(field.text(record))

    def key(record: R) -> tuple[float, ...]:
        value = number(record)
        return (1,) if value is None else (0, value)

    return key


def _field(name: str, fields: Mapping[str, Field[R]], option: str) -> Field[R]:
    try:
        return fields[name]
    except KeyError:
        near = difflib.get_close_matches(name, fields, n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise UsageError(
            f"{option}: there is no column {name!r}. {hint}The columns are: "
            f"{', '.join(fields)}."
        ) from None
