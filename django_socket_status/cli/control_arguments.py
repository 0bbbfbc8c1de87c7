"""The arguments of the subcommands that tell workers what to do."""

from __future__ import annotations

import argparse

__all__ = ["CONTROL"]

DISCONNECT = """\
Closes the connections that match everything that is given. Shows them and asks before.
Exit codes: 0 if each has ended; 3 if not, or if you said no; 1 if the workers cannot be
reached; 2 for wrong options.
"""

DRAIN = """\
Closes each connection of some workers at its own random moment of a window. Asks
nothing, since it is for hooks that run before a stop. Exit codes: 0; with --wait, 0 if
no connection is left, and 3 if the time ran out; 1 if the workers cannot be reached; 2
for wrong options.
"""


def _add_disconnect(parser: argparse.ArgumentParser) -> None:
    parser.epilog = DISCONNECT
    _add_selection(parser)
    how = parser.add_argument_group("how to close them").add_argument
    how("--code", type=int, default=4000, help="the close code, by default 4000")
    how("--reason", default="", help="the reason in the close frame")
    how(
        "--rate",
        type=float,
        metavar="N",
        help="close at most so many per second in each worker",
    )
    how("--dry-run", action="store_true", help="show what matches, and close nothing")
    how("--yes", action="store_true", help="do not ask")
    _add_requester(parser)


def _add_selection(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("which connections").add_argument
    add("--id", action="append", metavar="IDS", help="these ids, separated by commas")
    add(
        "--user",
        metavar="NAME_OR_PK",
        help="those of this user: a primary key, or a name, which is looked up",
    )
    add("--type", help="those of this type")
    add(
        "--label",
        action="append",
        metavar="NAME=VALUE",
        help="those with this label; several must all match",
    )
    add("--worker", metavar="WORKER_ID", help="those of this worker")
    add("--release", help="those of workers with this release")
    add("--all", action="store_true", help="every connection of the deployment")
    add("--keep", action="append", metavar="IDS", help="but not these ids")


def _add_drain(parser: argparse.ArgumentParser) -> None:
    parser.epilog = DRAIN
    which = parser.add_argument_group("which workers").add_argument
    which("--this-host", action="store_true", help="those of this host")
    which("--host", metavar="NAME", help="those of this host")
    which("--worker", metavar="WORKER_ID", help="this one")
    which("--release", help="those with this release")
    which("--all", action="store_true", help="every worker of the deployment")
    how = parser.add_argument_group("how to empty them").add_argument
    how(
        "--over",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="how long the window is, by default 60",
    )
    how(
        "--grace",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="how long nothing is closed before, by default 10",
    )
    how("--code", type=int, default=1012, help="the close code, by default 1012")
    how("--reason", default="", help="the reason in the close frame")
    how(
        "--wait",
        action="store_true",
        help="end when the grace is over and no connection is left, or when the time "
        "ran out",
    )
    how(
        "--stop",
        action="store_true",
        help="let workers that drain go on, all of them if none is chosen",
    )
    _add_requester(parser)


def _add_requester(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--requested-by",
        metavar="NAME",
        help="who asks, for the log and the signals; by default the user of the system",
    )


def _add_commands(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--columns",
        metavar="NAMES",
        help="the columns to show, separated by commas: kind, state, requested_by, "
        "age, selector, code, reason, matched, closed, sent, unsent, gone, unanswered, "
        "given_at, command_id",
    )
    add("--sort", metavar="COLUMN", help="sort by this column, the smallest first")
    add("--reverse", action="store_true", help="turn the order round")


#: What adds the options of each subcommand.
CONTROL = {
    "disconnect": _add_disconnect,
    "drain": _add_drain,
    "commands": _add_commands,
}
