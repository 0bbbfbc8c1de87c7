"""The line of ``manage.py socket_status`` that lists what a filter selects."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from django_socket_status.admin.filters import Filter
from django_socket_status.admin.lists.columns import Column, query_value
from django_socket_status.status.list_types import State

__all__ = ["Command", "command_of"]

SUBCOMMANDS: Mapping[State, str] = {
    "open": "list",
    "closed": "closed",
    "rejected": "rejected",
}

#: Filters of the URL that the command has as options of the same name.
OPTIONS = ("type", "user", "cause", "code")


class Command(NamedTuple):
    """A line for a shell."""

    text: str
    """The line, quoted for a POSIX shell."""
    left_out: Sequence[str]
    """The filters that the command does not have: the line lists more."""


def command_of(
    filter_: Filter, columns: Sequence[Column], user_id: str | None = None
) -> Command:
    """Return the command that lists what a filter selects.

    Args:
        filter_: The filter.
        columns: The columns that are shown.
        user_id: The primary key of the user that the filter selects, if it is known:
            a name may become that of another user.
    """
    words = ["python", "manage.py", "socket_status", SUBCOMMANDS[filter_.state]]
    words += _words(filter_, user_id)
    names = query_value(columns, filter_.state)
    if names is not None and "host" not in names.split(","):
        words.append(f"--columns={names}")
    known = {*OPTIONS, "anonymous"}
    left_out = [name for name in filter_.values if name not in known]
    return Command(" ".join(shlex.quote(it) for it in words), left_out)


def _words(filter_: Filter, user_id: str | None) -> Iterator[str]:
    values = dict(filter_.values)
    if user_id is not None:
        values["user"] = f"pk:{user_id}"
    for name in OPTIONS:
        if name in values:
            # With "=", a value that begins with a hyphen is no option.
            yield f"--{name}={values[name]}"
    if "anonymous" in values:
        yield "--anonymous"
    for name, value in filter_.labels.items():
        yield f"--label={name}={value}"
