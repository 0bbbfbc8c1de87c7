"""The arguments of the command line.

Parsing imports only the modules of the arguments, so that ``--help`` is quick.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from typing import Any

from django_socket_status.cli.control_arguments import CONTROL
from django_socket_status.cli.search_arguments import with_search_filters

__all__ = ["ACTIONS", "SUBCOMMANDS", "add_arguments", "named_in"]

#: Seconds between two readings of ``--watch``.
WATCH_SECONDS = 2.0
LEAST_WATCH_SECONDS, MOST_WATCH_SECONDS = 0.1, 86_400.0
LIMIT = 50
#: The spans of ``history``, repeated here so that parsing does not import its module.
SPANS = ("1h", "6h", "1d", "7d")

#: The subcommands and what they do, in the order of ``--help``.
SUBCOMMANDS = {
    "summary": "how many WebSockets are open, of which type (the default)",
    "list": "the open connections, newest first",
    "closed": "the connections that closed in the last seven days, newest first",
    "rejected": "the handshakes that were rejected, newest first",
    "workers": "the processes that serve WebSockets, and how they do",
    "history": "how many were open, opened and closed in each part of a span",
    "totals": "how many opened, closed and were rejected since counting began",
    "disconnect": "close connections, and say what became of each",
    "drain": "empty workers before they are stopped, spread over some time",
    "commands": "what workers were told to do in the last 24 hours, newest first",
    "check": "compare with limits, for Nagios, Icinga, cron and the like",
}

#: The subcommands that change something; the others show something.
ACTIONS = frozenset({"disconnect", "drain"})
#: The subcommands that do not take ``--watch``.
UNWATCHED = ACTIONS | {"check"}

JSON = (
    "print JSON: the keys of the JSON endpoint; one line for each reading with --watch"
)

CHECK = """\
Prints one line with performance data, and ends with the exit code that monitoring
plugins use: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN. UNKNOWN is also for wrong options,
broken settings and a status that cannot be read. A limit is one number, which is
CRITICAL beyond it, or two with a comma: WARNING beyond the first, CRITICAL beyond the
second.
"""

#: Options of every command of Django. A subcommand accepts them, too.
INHERITED: Sequence[tuple[Sequence[str], dict[str, Any]]] = (
    (("-v", "--verbosity"), {"type": int, "choices": [0, 1, 2, 3]}),
    (("--settings",), {}),
    (("--pythonpath",), {}),
    (("--traceback",), {"action": "store_true"}),
    (("--no-color",), {"action": "store_true"}),
    (("--force-color",), {"action": "store_true"}),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options and subcommands of ``manage.py socket_status``."""
    _add_json(parser, default=False)
    _add_watch(parser, default=None)
    commands = parser.add_subparsers(
        title="subcommands", dest="subcommand", metavar="SUBCOMMAND"
    )
    for name, what in SUBCOMMANDS.items():
        command = commands.add_parser(
            name,
            help=what,
            description=f"{what[0].upper()}{what[1:]}.",
            epilog=CHECK if name == "check" else None,
            allow_abbrev=False,
        )
        _add_json(
            command,
            default=argparse.SUPPRESS,
            help_text="print JSON" if name in UNWATCHED else JSON,
        )
        for names, given in INHERITED:
            default = help_text = argparse.SUPPRESS
            command.add_argument(*names, default=default, help=help_text, **given)
        if name not in UNWATCHED:
            _add_watch(command, default=argparse.SUPPRESS)
        ADDED.get(name, _add_nothing)(command)


def named_in(words: Sequence[str]) -> str | None:
    """Return the first subcommand among the words of a command line."""
    return next((word for word in words if word in SUBCOMMANDS), None)


def _add_json(
    parser: argparse.ArgumentParser, *, default: Any, help_text: str = JSON
) -> None:
    parser.add_argument("--json", action="store_true", default=default, help=help_text)


def _add_watch(parser: argparse.ArgumentParser, *, default: Any) -> None:
    parser.add_argument(
        "--watch",
        nargs="?",
        type=_watch_seconds,
        const=WATCH_SECONDS,
        default=default,
        metavar="SECONDS",
        help="read again and again, by default every "
        f"{WATCH_SECONDS:g} seconds, until Ctrl-C; before a subcommand, write "
        "--watch=SECONDS",
    )


def _add_nothing(parser: argparse.ArgumentParser) -> None:
    """Add no further options."""


def _add_filters(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    group = parser.add_argument_group("filters")
    add = group.add_argument
    add("--type", help="only those of this type")
    add(
        "--user",
        metavar="NAME_OR_PK",
        help="only those of this user: a primary key, or a name, which is looked up; "
        "'pk:' or 'name:' before it decides if it could be both",
    )
    add("--anonymous", action="store_true", help="only those without a user")
    add(
        "--label",
        action="append",
        metavar="NAME=VALUE",
        help="only those with this label; several must all match",
    )
    return with_search_filters(group)


def _add_columns(parser: argparse.ArgumentParser, columns: str) -> None:
    parser.add_argument(
        "--columns",
        metavar="NAMES",
        help=f"the columns to show, separated by commas: {columns}",
    )
    parser.add_argument(
        "--sort", metavar="COLUMN", help="sort by this column, the smallest first"
    )
    parser.add_argument("--reverse", action="store_true", help="turn the order round")


def _add_list(parser: argparse.ArgumentParser) -> None:
    _add_filters(parser)
    _add_columns(
        parser,
        "type, user_id, age, labels, label.NAME, endpoint, connected_at, worker_id, "
        "connection_id",
    )
    _add_limit(parser)
    parser.add_argument(
        "--after",
        metavar="CURSOR",
        help="continue after another answer: its next_after in the JSON",
    )


def _add_closed(parser: argparse.ArgumentParser) -> None:
    filters = _add_filters(parser)
    filters.add_argument("--cause", help="only those that closed for this cause")
    _add_code(filters, "only those that closed with this code")
    _add_columns(
        parser,
        "type, user_id, age, duration_seconds, cause, close_code, close_reason, "
        "labels, label.NAME, endpoint, connected_at, closed_at, worker_id, release, "
        "connection_id",
    )
    _add_limit(parser)


def _add_rejected(parser: argparse.ArgumentParser) -> None:
    _add_code(_add_filters(parser), "only those with this HTTP status")
    _add_columns(
        parser,
        "type, user_id, age, status, labels, label.NAME, endpoint, rejected_at, "
        "worker_id, release",
    )
    _add_limit(parser)


def _add_code(filters: argparse._ArgumentGroup, what: str) -> None:
    filters.add_argument("--code", type=int, metavar="CODE", help=what)


def _add_history(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--span",
        choices=SPANS,
        default=SPANS[0],
        help=f"how far back: {', '.join(SPANS)}; by default {SPANS[0]}",
        metavar="SPAN",
    )
    parser.add_argument("--type", help="only connections of this type")


def _add_limit(parser: argparse.ArgumentParser) -> None:
    some = parser.add_mutually_exclusive_group()
    some.add_argument(
        "--limit",
        type=_limit,
        default=LIMIT,
        metavar="N",
        help=f"how many to show at most, by default {LIMIT}",
    )
    some.add_argument("--all", action="store_true", help="show every one")


def _add_workers(parser: argparse.ArgumentParser) -> None:
    _add_columns(
        parser,
        "worker_id, host, pid, server, total_sockets, sockets_by_type, state, age, up, "
        "started_at, release, loop_lag_seconds, sync_thread_wait_seconds, "
        "sync_thread_runs, loop_runs",
    )


def _add_check(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("limits").add_argument
    add(
        "--min",
        type=_limits,
        metavar="LIMIT",
        help="how many WebSockets must be open",
    )
    add(
        "--max-age",
        type=_limits,
        metavar="LIMIT",
        help="how many seconds old the oldest report may be; UNKNOWN if no worker "
        "reports",
    )
    add(
        "--max-late",
        type=_limits,
        metavar="LIMIT",
        help="how many workers may have missed a report",
    )


ADDED = {
    "list": _add_list,
    "closed": _add_closed,
    "rejected": _add_rejected,
    "workers": _add_workers,
    "history": _add_history,
    **CONTROL,
    "check": _add_check,
}


def _watch_seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no number of seconds; before a subcommand, write "
            f"--watch={WATCH_SECONDS:g}"
        ) from None
    if not LEAST_WATCH_SECONDS <= seconds <= MOST_WATCH_SECONDS:
        raise argparse.ArgumentTypeError(
            f"must be from {LEAST_WATCH_SECONDS:g} to {MOST_WATCH_SECONDS:g} seconds"
        )
    return seconds


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text)):
        raise argparse.ArgumentTypeError("must be a whole number from 1 on")
    return int(text)


def _limits(text: str) -> tuple[float | None, float]:
    """Return the limit of a warning, if there is one, and that of a critical state."""
    parts = text.split(",")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2) or not all(
        math.isfinite(it) and it >= 0 for it in numbers
    ):
        raise argparse.ArgumentTypeError(
            f"{text!r} must be one number, or two: WARNING,CRITICAL"
        )
    return (None, numbers[0]) if len(numbers) == 1 else (numbers[0], numbers[1])
