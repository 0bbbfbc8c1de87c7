"""One worker that is killed: what a crash looks like on the admin page.

uvicorn notices the crash and starts another worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Iterable
from pathlib import Path

from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.services import SocketStatusService
from django_socket_status.status.answers import WorkerRecord

PAUSE_SECONDS = 0.5


async def kill_one(server_pid: int, *, after_seconds: float) -> None:
    """Kill the worker of a server that holds the most connections, once.

    Waits until two of them hold connections, so that the site can be reached meanwhile.

    Args:
        server_pid: The process of the server. No other process's child is killed.
        after_seconds: How long to let the site run before.
    """
    await asyncio.sleep(after_seconds)
    while True:
        with contextlib.suppress(StatusUnavailableError):
            workers = await SocketStatusService.aget_workers()
            if await asyncio.to_thread(kill_busiest, server_pid, workers):
                return
        await asyncio.sleep(PAUSE_SECONDS)


def kill_busiest(server_pid: int, workers: Iterable[WorkerRecord]) -> bool:
    """Kill the busiest worker of a server; return whether there were two to choose."""
    own = [
        it
        for it in workers
        if it.total_sockets and not it.is_late and parent_of(it.pid) == server_pid
    ]
    if len(own) < 2:
        return False
    os.kill(max(own, key=lambda it: it.total_sockets).pid, signal.SIGKILL)
    return True


def parent_of(pid: int) -> int | None:
    """Return the parent of a process; ``None`` without one, and if it is not known.

    From Linux, or else from ``ps``.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        # The name of the program stands in parentheses, and may contain some.
        return int(stat.rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        pass
    command = ["ps", "-o", "ppid=", "-p", str(pid)]
    try:
        answer = subprocess.run(command, capture_output=True, check=True, text=True)
        return int(answer.stdout)
    except (OSError, ValueError, subprocess.CalledProcessError):
        return None
