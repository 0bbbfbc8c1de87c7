"""``python -m benchmarks``: measure, and print a table."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence

import django

from benchmarks.options import Options
from benchmarks.results import Row, as_json, as_markdown, as_table

NAMES = {
    "lifecycle": "CPU time that tracking adds to one connection",
    "instructions": "instructions that it adds, counted by valgrind",
    "messages": "what it adds to one message, on its way out and in",
    "echo": "what it adds to an echo under a real server",
    "memory": "bytes that it adds to one open connection",
    "drains": "CPU time of the reporter for one connection",
    "redis_lifecycle": "the same with Redis, and the CPU time of Redis itself",
    "redis_memory": "bytes that a connection takes in Redis",
    "redis_read": "reading from Redis, by number of workers and connections",
    "redis_worker": "a worker that is idle, and one that dies",
    "redis_activity": "what workers did: what it costs Redis to keep and to read",
    "redis_echo": "what the host feels of a full report to Redis",
    "million": "a million connections in Redis, and how it grows",
    "summary": "the read, by number of open sockets, and the view",
    "pages": "page 1,000 of a list of connections against page 1",
    "admin_page": "the admin page: overview, updates, lists, ten open pages",
    "select": "selecting the connections of one user among 100,000",
    "command_line": "what manage.py socket_status adds to an empty command",
    "alternatives": "what people build: a database row, a counter in the cache",
    "disconnect": "how soon connections are closed, and what an echo feels of it",
    "drain": "how evenly a drain closes the sockets of a worker",
    "live": "live push under a real server, and how soon a change is told",
}

EPILOG = """\
benchmarks:
{}

A goal that is not met is shown, and is no error. Keep the machine quiet, and believe
a ratio only as far as "bare again", the bare application measured twice, adds nothing.
"""

ROUNDS = 15
QUICK_ROUNDS = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks that were named; return the exit status."""
    given = parser().parse_args(arguments)
    options = Options(
        rounds=given.rounds or (QUICK_ROUNDS if given.quick else ROUNDS),
        quick=given.quick,
        sockets=given.sockets,
        seconds=given.seconds,
    )
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as directory:
        os.environ["BENCHMARKS_DIRECTORY"] = directory
        os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
        django.setup()
        rows = list(_measured(given.names or list(NAMES), options))
    if given.json:
        print(as_json(rows))
    else:
        print(as_markdown(rows) if given.markdown else as_table(rows))
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    described = "\n".join(f"  {name:<17}{what}" for name, what in NAMES.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure what this package costs, against named contestants in one "
        "run.",
        epilog=EPILOG.format(described),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("names", nargs="*", type=_name, metavar="NAME", help="default: all")
    add("--rounds", type=_count, metavar="N", help=f"rounds to take, default {ROUNDS}")
    add("--quick", action="store_true", help="only see that everything runs")
    add(
        "--sockets",
        type=_count,
        metavar="N",
        help="how many are closed, default 10000",
    )
    add("--seconds", type=_count, metavar="S", help="of drain, default 60")
    output = parser.add_mutually_exclusive_group()
    add = output.add_argument
    add("--json", action="store_true", help="print JSON instead of a table")
    add("--markdown", action="store_true", help="print the ratios, for the docs")
    return parser


def _name(text: str) -> str:
    if text not in NAMES:
        raise argparse.ArgumentTypeError(f"no benchmark is called {text!r}")
    return text


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError("at least 1")
    return int(text)


def _measured(names: Sequence[str], options: Options) -> Iterator[Row]:
    for name in names:
        began = time.monotonic()
        _say(f"{name} ...")
        # Not before: a benchmark needs the settings.
        yield from importlib.import_module(f"benchmarks.{name}").run(options)
        _say(f"{name}: {time.monotonic() - began:.0f} s")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
