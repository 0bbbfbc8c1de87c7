"""The filters of a list, from the options of the command line."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django_socket_status.cli.columns import UsageError
from django_socket_status.cli.subcommands.users import user_named
from django_socket_status.control.selector import SELECTS_NOTHING

__all__ = [
    "criteria_of",
    "labels_of",
    "verify_not_empty",
    "verify_selected",
    "with_user",
    "wrong_values_are_usage_errors",
]


def with_user(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the options with the user that ``--user`` means.

    The user is looked up here, once, and not for each reading of a watch.

    Raises:
        UsageError: no user has this name, or it cannot be looked up.
    """
    name = options.get("user")
    return {**options, "user": user_named(name)} if isinstance(name, str) else options


def criteria_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the filters as arguments of ``SocketStatusService.get_connections``.

    Raises:
        UsageError: a filter has an impossible value.
    """
    if options.get("user") is not None and options.get("anonymous"):
        raise UsageError("--user and --anonymous exclude each other.")
    return {
        "type": options.get("type"),
        "user": with_user(options).get("user"),
        "labels": labels_of(options.get("label") or ()),
        "anonymous": bool(options.get("anonymous")),
    }


def verify_selected(options: Mapping[str, Any], *names: str, all_of: str) -> None:
    """Verify that an option selects something.

    Args:
        options: The options.
        *names: The options that select.
        all_of: What ``--all`` means.

    Raises:
        UsageError: neither one of them nor ``--all`` was given, or one is empty.
    """
    verify_not_empty(options, *names)
    if not any(options.get(name) for name in (*names, "all")):
        given = ", ".join(f"--{name.replace('_', '-')}" for name in names)
        raise UsageError(f"Nothing is selected: give {given}, or --all for {all_of}.")


def verify_not_empty(options: Mapping[str, Any], *names: str) -> None:
    """Verify that no option was given an empty text, as of an unset variable.

    An empty option would be ignored, so the others would select more than was meant.

    Raises:
        UsageError: an option is empty.
    """
    for name in names:
        given = options.get(name)
        texts = given if isinstance(given, list) else [given]
        if texts and all(isinstance(it, str) and not it.strip(", ") for it in texts):
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} {SELECTS_NOTHING}")


@contextlib.contextmanager
def wrong_values_are_usage_errors() -> Iterator[None]:
    """Raise a ValueError of the Python API as a UsageError of the same text."""
    try:
        yield
    except ValueError as error:
        raise UsageError(str(error)) from error


def labels_of(given: Sequence[str]) -> dict[str, str]:
    """Return the labels of ``--label``, given as ``NAME=VALUE``.

    Raises:
        UsageError: a text has another form, or a name has two values.
    """
    labels: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise UsageError(f"--label: write NAME=VALUE, not {text!r}.")
        if labels.setdefault(name, value) != value:
            raise UsageError(f"--label: {name!r} cannot have two values.")
    return labels
