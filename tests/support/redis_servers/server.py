"""A Redis or Valkey server of a test's own, on the loopback interface.

``SOCKET_STATUS_TEST_REDIS_SERVER`` says where the program is, as a path or a pattern of
one; without it, ``redis-server`` or ``valkey-server`` is taken from the ``PATH``.
"""

from __future__ import annotations

import atexit
import contextlib
import glob
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

SECONDS = 60.0
POLL_SECONDS = 0.005

VARIABLE = "SOCKET_STATUS_TEST_REDIS_SERVER"

#: Below those that the system gives to clients that connect, so that none takes a port
#: while its server is restarted. A node of a Cluster listens 10,000 above, too.
PORTS = range(15_000, 22_000)
BUS_OFFSET = 10_000
ATTEMPTS = 5

#: It keeps nothing, so that it is empty after a restart.
DEFAULTS = ("--save", "", "--appendonly", "no", "--bind", "127.0.0.1")


#: Kills the processes that are named on its standard input, once that ends.
REAPER = """
import os, sys
alive = set()
for line in sys.stdin:
    change = alive.add if line[0] == "+" else alive.discard
    change(int(line[1:]))
for pid in alive:
    try:
        os.kill(pid, 9)
    except ProcessLookupError:
        pass
"""


class Reaper:
    """Ends the servers of this process when it ends in any way, also by ``kill -9``.

    Another process reads the other end of a pipe, which the kernel closes with this
    process. ``PR_SET_PDEATHSIG`` was rejected: it follows the thread that started the
    server, and only Linux has it.
    """

    def __init__(self) -> None:
        self._pid = 0
        self._process: subprocess.Popen[str] | None = None

    def watch(self, pid: int) -> None:
        """End a process with this one."""
        self._tell(f"+{pid}")

    def forget(self, pid: int) -> None:
        """Leave a process alone, because it has ended."""
        self._tell(f"-{pid}")

    def _tell(self, line: str) -> None:
        if self._process is None or self._pid != os.getpid():
            # A forked child starts its own servers.
            self._pid = os.getpid()
            self._process = subprocess.Popen(
                [sys.executable, "-S", "-c", REAPER],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                text=True,
                # Out of reach of Ctrl-C.
                start_new_session=True,
            )
            atexit.register(self._process.communicate)
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()


reaper = Reaper()


def program() -> str:
    """Return the path of the server's program; skip the test where there is none."""
    if given := os.environ.get(VARIABLE):
        found = glob.glob(given)
        assert found, f"{VARIABLE} is {given!r}, and nothing is there"
    else:
        found = [*filter(None, map(shutil.which, ("redis-server", "valkey-server")))]
    if not found:
        pytest.skip(f"needs redis-server or valkey-server on the PATH, or {VARIABLE}")
    return found[0]


class RedisServer:
    """A server that is started by ``with``, and ends with the block.

    Args:
        *options: What differs from the defaults, as on the command line.
        port: Where it listens; a free one if not given.
        config: What is in its configuration file.
    """

    def __init__(self, *options: str, port: int = 0, config: str | None = None) -> None:
        self._options = options
        self._is_port_given = bool(port)
        self.port = port or free_port()
        # A Unix socket's path has to be short, and those of pytest are not.
        self._place = tempfile.TemporaryDirectory(prefix="redis-")
        self.directory = Path(self._place.name)
        self.socket_path = self.directory / "socket"
        self._config = config
        self._process: subprocess.Popen[bytes] | None = None
        self.admin = self.client()

    def __enter__(self) -> RedisServer:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()
        self.admin.close()
        self._place.cleanup()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def socket_url(self) -> str:
        return f"unix://{self.socket_path}?db=0"

    @property
    def log(self) -> str:
        """Return what it said, of all its lives."""
        file = self.directory / "log"
        return file.read_text(errors="replace") if file.exists() else ""

    def client(self, **options: Any) -> redis.Redis:
        """Return a client that is connected past whatever is between."""
        given = {
            "decode_responses": True,
            "retry": Retry(NoBackoff(), 0),
            "socket_timeout": SECONDS,
            **options,
        }
        return redis.Redis(unix_socket_path=str(self.socket_path), **given)

    # Its life.

    def start(self) -> None:
        """Start it, and return when it answers."""
        for _ in range(ATTEMPTS):
            if self._is_up():
                # Once known, its address has to stay.
                self._is_port_given = True
                return
            assert not self._is_port_given, self.log
            # Another process was faster.
            self.port = free_port()
        raise AssertionError(f"it does not start: {self.log}")

    def _is_up(self) -> bool:
        command = [program(), *self._configuration(), *DEFAULTS, *self._places()]
        self._process = subprocess.Popen(
            [*command, *self._options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            # A separate group, so that Ctrl-C ends the test first.
            start_new_session=True,
        )
        reaper.watch(self._process.pid)
        wait_until(lambda: self.is_ended or self.answers(), lambda: self.log)
        return not self.is_ended

    def _configuration(self) -> tuple[str, ...]:
        if self._config is None:
            return ()
        file = self.directory / "config"
        if not file.exists():
            file.write_text(self._config)
        return (str(file),)

    def _places(self) -> tuple[str, ...]:
        return (
            *("--port", str(self.port)),
            *("--unixsocket", str(self.socket_path)),
            *("--dir", str(self.directory)),
            *("--logfile", str(self.directory / "log")),
        )

    @property
    def is_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def answers(self) -> bool:
        """Return whether it says something, be it that it wants a password."""
        try:
            with contextlib.closing(self.client(socket_timeout=1.0)) as client:
                return bool(client.ping())
        except (redis.AuthenticationError, redis.ResponseError):
            return True
        except (OSError, redis.RedisError):
            return False

    def stop(self) -> None:
        """End it as an init system does."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None and not self.is_ended:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(number)
            self._process.wait(SECONDS)
        if self._process is not None:
            reaper.forget(self._process.pid)

    def restart(self) -> None:
        """Kill it and start it again where it was."""
        self.kill()
        self.start()

    def freeze(self) -> None:
        """Stop it: connections stay open without an answer."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        stat = Path(f"/proc/{self._process.pid}/stat")
        if stat.exists():
            wait_until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T")

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


def free_port() -> int:
    """Return a free port, whose companion for a Cluster is free as well."""
    while True:
        port = random.choice(PORTS)
        if is_free(port) and is_free(port + BUS_OFFSET):
            return port


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def wait_until(
    is_so: Callable[[], object],
    explain: Callable[[], object] = lambda: "it did not happen in time",
    seconds: float = SECONDS,
) -> float:
    """Wait until something is so; return how many seconds it took."""
    started_at = time.monotonic()
    while not is_so():
        assert time.monotonic() < started_at + seconds, explain()
        time.sleep(POLL_SECONDS)
    return time.monotonic() - started_at
