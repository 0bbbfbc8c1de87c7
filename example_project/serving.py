"""Run an ASGI server as a child process, until it or a signal ends it."""

from __future__ import annotations

import asyncio
import dataclasses
import errno
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
APPLICATION = "example_project.asgi:application"

START_SECONDS = 30.0
STOP_SECONDS = 10.0

#: What to connect to when a server listens everywhere.
REACHED_AS = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}  # noqa: S104


class StartError(Exception):
    """The site cannot start; the message says what to do."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Which server runs the site, and where it listens."""

    name: str
    host: str
    port: int
    workers: int = 1

    @property
    def origin(self) -> str:
        """The URL of the site, without a path."""
        host = REACHED_AS.get(self.host, self.host)
        return (
            f"http://[{host}]:{self.port}"
            if ":" in host
            else f"http://{host}:{self.port}"
        )

    @property
    def command(self) -> list[str]:
        """The command line of the server."""
        if self.name == "daphne":
            words = ["-v", "0", "-b", self.host, "-p", str(self.port)]
        else:
            words = ["--host", self.host, "--port", str(self.port)]
            words += ["--workers", str(self.workers), "--log-level", "warning"]
            words += ["--timeout-graceful-shutdown", "2"]
        return [sys.executable, "-m", self.name, *words, APPLICATION]


def free_port(host: str, port: int) -> int:
    """Return ``port``, or for 0 one that is free.

    Raises:
        StartError: the port is taken, or the address cannot be listened on.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            if os.name == "posix":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            return int(probe.getsockname()[1])
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise StartError(
                f"port {port} is already in use; --port 0 takes any that is free"
            ) from error
        raise StartError(
            f"cannot listen on {host}, port {port}: {error.strerror}"
        ) from error


async def serve(
    server: Server,
    on_answer: Callable[[], None],
    visitors: Callable[[int], Coroutine[Any, Any, None]] | None = None,
) -> int:
    """Run ``server``; return its exit status, or 0 when a signal ended it.

    Args:
        server: what to run.
        on_answer: called once, when the site can be reached.
        visitors: called then with the process id of the server, and run until the end.
    """
    process = await asyncio.create_subprocess_exec(*server.command, cwd=ROOT)
    interrupted = catch_signals()
    ends: set[asyncio.Future[Any]] = {
        asyncio.ensure_future(process.wait()),
        asyncio.ensure_future(interrupted.wait()),
    }
    try:
        if await reachable(server, ends):
            on_answer()
            if visitors is not None:
                ends.add(asyncio.ensure_future(visitors(process.pid)))
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if process.returncode is not None and not interrupted.is_set():
            raise StartError(f"{server.name} ended with status {process.returncode}")
        return 0
    finally:
        for end in ends:
            end.cancel()
        await asyncio.gather(*ends, return_exceptions=True)
        await stop(process)


def catch_signals() -> asyncio.Event:
    """Return an event that is set when this process is asked to end."""
    interrupted = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Windows has no such handlers: there, Ctrl-C is a KeyboardInterrupt.
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, interrupted.set)
    return interrupted


async def reachable(server: Server, ends: set[asyncio.Future[Any]]) -> bool:
    """Wait until the server takes connections; return False when it ended instead."""
    host = REACHED_AS.get(server.host, server.host)
    give_up_at = asyncio.get_running_loop().time() + START_SECONDS
    while asyncio.get_running_loop().time() < give_up_at:
        with suppress(OSError):
            _, writer = await asyncio.open_connection(host, server.port)
            writer.close()
            return True
        done, _ = await asyncio.wait(ends, timeout=0.1, return_when="FIRST_COMPLETED")
        if done:
            return False
    raise StartError(f"{server.name} did not start in {START_SECONDS:.0f} seconds")


async def stop(process: asyncio.subprocess.Process) -> None:
    """End the server, by force if it does not go."""
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except asyncio.TimeoutError:
        process.kill()
        await process.wait()
