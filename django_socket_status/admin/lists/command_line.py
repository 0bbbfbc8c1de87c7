"""The line of ``manage.py socket_status`` that lists what a filter selects."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence

from django_socket_status.admin.filters import Filter
from django_socket_status.admin.lists.columns import Column, query_value
from django_socket_status.status.list_types import State

__all__ = ["command_of"]

SUBCOMMANDS: Mapping[State, str] = {
    "open": "list",
    "closed": "closed",
    "rejected": "rejected",
}

#: Filters of the URL that the command has as options of the same name.
OPTIONS = (
    *("type", "user", "endpoint", "worker", "host", "release"),
    *("older", "younger", "cause", "code"),
)


def command_of(
    filter_: Filter, columns: Sequence[Column], user_id: str | None = None
) -> str:
    """Return the command that lists what a filter selects, for a POSIX shell.

    Args:
        filter_: The filter.
        columns: The columns that are shown.
        user_id: The primary key of the user that the filter selects, if it is known:
            a name may become that of another user.
    """
    words = ["python", "manage.py", "socket_status", SUBCOMMANDS[filter_.state]]
    words += _words(filter_, user_id)
    names = query_value(columns, filter_.state)
    if names is not None:
        words.append(f"--columns={_known(names, filter_.state)}")
    return shlex.join(words)


def _known(names: str, state: State) -> str:
    """Return the columns that the command has, too."""
    unknown = {"host", "release"} if state == "open" else {"host"}
    return ",".join(it for it in names.split(",") if it not in unknown) or "type"


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
