"""``python -m example_project``: the site, on this machine, with nothing to set up."""

from __future__ import annotations

import argparse
import asyncio
import functools
import importlib.util
import math
import os
import sys
from collections.abc import Mapping, Sequence

from example_project.serving import Server, StartError, free_port, serve

NEEDED = ("django", "channels", "daphne", "uvicorn", "websockets")

INSTALL = 'python -m pip install -e ".[example]"'


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the site until it is interrupted; return the exit status."""
    options = parser().parse_args(arguments)
    try:
        check(options)
        server = Server(
            name=options.server,
            host=options.host,
            port=free_port(options.host, options.port),
            workers=options.workers,
        )
        sessions = prepare(options)
        visitors = None
        if options.traffic:
            visitors = functools.partial(visit, server, sessions, options)
        say = functools.partial(print, welcome(server, options), flush=True)
        return asyncio.run(serve(server, say, visitors))
    except StartError as error:
        print(f"example_project: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


async def visit(
    server: Server,
    sessions: Mapping[str, str],
    options: argparse.Namespace,
    server_pid: int,
) -> None:
    """Let visitors come and go, and kill a worker meanwhile if there are several."""
    from example_project import accident, traffic

    coming = traffic.run(
        server.origin, sessions, visitors=options.visitors, seed=options.seed
    )
    if server.workers == 1 or not options.kill_after:
        await coming
        return
    killing = accident.kill_one(server_pid, after_seconds=options.kill_after)
    await asyncio.gather(coming, killing)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m example_project",
        description="Run a consultation site that shows which of its WebSockets are "
        "open. It needs no other server, and keeps its users in one SQLite file.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="where to listen")
    add("--port", type=port, default=8000, help="the port; 0 for any that is free")
    add(
        "--server", choices=("uvicorn", "daphne"), default="uvicorn", help="ASGI server"
    )
    add("--workers", type=at_least_one, default=1, metavar="N", help="processes")
    traffic = parser.add_argument_group("simulated visitors")
    add = traffic.add_argument
    add("--traffic", action="store_true", help="let them come and go")
    add(
        "--visitors",
        type=at_least_one,
        default=20,
        metavar="N",
        help="the most that there are at a time",
    )
    add(
        "--kill-after",
        type=seconds,
        default=20.0,
        metavar="SECONDS",
        help="when one of several workers is killed, as by a crash; 0 for never",
    )
    add("--seed", type=int, default=1, help="the same seed, the same visitors")
    return parser


def port(word: str) -> int:
    """Return the number of a port from the command line."""
    if (number := int(word)) not in range(65536):
        raise argparse.ArgumentTypeError("must be from 0 to 65535")
    return number


def seconds(word: str) -> float:
    """Return a number of seconds from the command line."""
    if not 0 <= (number := float(word)) < math.inf:
        raise argparse.ArgumentTypeError("must be 0 or more")
    return number


def at_least_one(word: str) -> int:
    """Return a number from the command line."""
    if (number := int(word)) < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def check(options: argparse.Namespace) -> None:
    """Raise StartError for what cannot work."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise StartError(f"not installed: {', '.join(missing)}; run {INSTALL}")
    if options.workers > 1 and options.server == "daphne":
        raise StartError("daphne is a single process; --workers needs uvicorn")


def prepare(options: argparse.Namespace) -> dict[str, str]:
    """Set up Django and the database; return the sessions of simulated visitors."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "example_project.settings"
    os.environ["EXAMPLE_PROJECT_HOST"] = options.host
    import django

    django.setup()
    from example_project import demo

    demo.prepare()
    return demo.log_in() if options.traffic else {}


def welcome(server: Server, options: argparse.Namespace) -> str:
    """Return what a person at the terminal has to know."""
    lines = [
        f"The site is open at {server.origin}/",
        "Log in as customer, consultant or staff; the password is the name.",
        "",
        "Which WebSockets are open:",
        f"    curl {server.origin}/socket-status/",
        "",
    ]
    if options.traffic:
        lines.append(f"Up to {options.visitors} visitors come and go.")
    if server.workers > 1:
        lines.append(
            f"{server.workers} workers serve it: a call reaches the worker it is on, "
            "the status covers all."
        )
    if options.traffic and server.workers > 1 and options.kill_after:
        lines.append(
            f"After {options.kill_after:g} seconds, one of them is killed, as by a "
            "crash. Another one takes its place."
        )
    lines.append("Ctrl-C ends it.")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
