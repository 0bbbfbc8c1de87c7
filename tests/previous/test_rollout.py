"""Workers of an earlier version and of this one, beside each other on one store."""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.source import PACKAGE

pytestmark = pytest.mark.faults

HERE = Path(__file__).resolve().parent

WHEELS = {path.parent.name: path for path in sorted(HERE.glob("*/*.whl"))}

DEADLINE_SECONDS = 60.0

#: Short, because a test waits until it has ended; long enough for a busy machine.
LEASE_SECONDS = 3.0

#: Kind, user and room of the sockets of each process.
OF_THE_OLD = [("call", "7", "blue"), ("call", None, "blue")]
OF_THE_NEW = [("call", "7", "red"), ("chat", "8", "red"), ("chat", None, "red")]

Sockets = list[tuple[str, str | None, str]]


class Template:
    """A process that has imported one version of the package, and forks the others."""

    def __init__(self, parent: Path) -> None:
        self._asked, its_end = socket.socketpair()
        with its_end:
            self._process = subprocess.Popen(
                [sys.executable, str(HERE / "process.py"), str(its_end.fileno())],
                cwd=parent,
                env={**os.environ, "PYTHONPATH": str(parent)},
                pass_fds=[its_end.fileno()],
            )

    def fork(self, settings: dict[str, Any]) -> tuple[int, socket.socket]:
        """Return the id of a new process, and a connection to it."""
        ours, its_end = socket.socketpair()
        with its_end:
            text = json.dumps(settings).encode()
            socket.send_fds(self._asked, [text], [its_end.fileno()])
        pid = self._asked.recv(64)
        assert pid, "it ended"
        return int(pid), ours

    def stop(self) -> None:
        self._asked.close()
        self._process.wait(DEADLINE_SECONDS)


@functools.cache
def template(parent: Path) -> Template:
    """Start a template once: most of the time, it imports."""
    found = Template(parent)
    atexit.register(found.stop)
    return found


class Process:
    """A process with one version of the package; see ``process.py``.

    Args:
        parent: The directory that holds the package.
        settings: What ``SOCKET_STATUS`` holds.
    """

    def __init__(self, parent: Path, settings: dict[str, Any]) -> None:
        self.sockets: Sockets = []
        self.pid, self._connection = template(parent).fork(settings)
        self._lines = self._connection.makefile("rw")
        self._package = parent / PACKAGE.name / "__init__.py"
        self._is_known = False

    def ask(self, name: str, *arguments: object) -> Any:
        if not self._is_known:
            self._is_known = True
            assert Path(self.ask("where")) == self._package, "it runs another version"
        self._lines.write(json.dumps([name, *arguments]) + "\n")
        self._lines.flush()
        answer = self._lines.readline()
        assert answer, "it ended"
        return json.loads(answer)

    def open(self, sockets: Sockets) -> None:
        for one in sockets:
            self.ask("opens", *one)
            self.sockets.append(one)

    def close_last(self) -> None:
        self.ask("closes")
        self.sockets.pop()

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self._wait()
        self.sockets = []

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def warnings(self) -> list[str]:
        """Return what the package warned of, but for answers that came late."""
        return [it for it in self.ask("said") if "no answer within" not in it]

    def stop(self) -> None:
        """End it as a server would: it says goodbye."""
        if self._connection.fileno() >= 0:
            self._connection.shutdown(socket.SHUT_WR)
            self._wait()
        self.sockets = []

    def _wait(self) -> None:
        """Wait until it is gone."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        with contextlib.suppress(ProcessLookupError):
            while True:
                os.kill(self.pid, 0)
                assert time.monotonic() < deadline, "it does not end"
                time.sleep(0.02)
        self._lines.close()
        self._connection.close()


Start = Callable[[Path], Process]


def is_right(process: Process, *workers: Process) -> bool:
    """Return whether a process knows all the sockets of workers, and no other ones."""
    answers = process.ask("answers")
    if "error" in answers:
        return False
    sockets = [socket for worker in workers for socket in worker.sockets]
    users = {user for _, user, _ in sockets if user is not None}
    summary = answers["summary"]
    listed = [tuple(connection[1:]) for connection in answers["connections"]]
    return (
        summary["total_sockets"] == len(sockets)
        and summary["sockets_by_type"] == Counter(kind for kind, _, _ in sockets)
        and summary["unique_users"] == len(users)
        and summary["anonymous_sockets"] == sum(user is None for _, user, _ in sockets)
        and summary["workers"] == answers["workers"] == len(workers)
        and not summary["stale"]
        and Counter(listed) == Counter(sockets)
        and answers["users"] == sorted(users)
        and answers["is_online"] == ("7" in users)
        and answers["has_listeners"] == any(kind == "call" for kind, _, _ in sockets)
    )


def ids_of(process: Process) -> list[str]:
    return [connection[0] for connection in process.ask("answers")["connections"]]


def wait_until(is_so: Callable[[], bool], *told: Process) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, [it.ask("answers") for it in told]
        time.sleep(0.02)


def wait_until_right(*workers: Process) -> None:
    """Wait until each worker reads what all of them report."""
    for process in workers:
        wait_until(
            lambda process=process: is_right(process, *workers),  # type: ignore[misc]
            process,
        )


@pytest.fixture(scope="session")
def unzip(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Return what unzips a wheel, once: each process of a new place compiles it."""

    @functools.cache
    def unzip(wheel: Path) -> Path:
        parent = tmp_path_factory.mktemp(wheel.parent.name)
        with zipfile.ZipFile(wheel) as opened:
            opened.extractall(parent)
        return parent

    return unzip


@pytest.fixture(params=WHEELS)
def old_code(request: pytest.FixtureRequest, unzip: Callable[[Path], Path]) -> Path:
    """Return the directory that holds the package of a wheel."""
    return unzip(WHEELS[request.param])


@pytest.fixture
def new_code() -> Path:
    return PACKAGE.parent


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.redis)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """Return the settings of a store that all processes share."""
    if request.param == "sqlite":
        options = {"path": str(tmp_path / "status")}
    else:
        options = {"url": request.getfixturevalue("redis_server").url}
    backend = f"{request.param.capitalize()}Backend"
    return {
        "BACKEND": f"django_socket_status.backends.{request.param}.{backend}",
        "OPTIONS": options,
        "CACHE_SECONDS": 0.0,
        "HEARTBEAT_SECONDS": 0.1,
        "LEASE_SECONDS": LEASE_SECONDS,
    }


@pytest.fixture
def start(store: dict[str, Any]) -> Iterator[Start]:
    with contextlib.ExitStack() as started:

        def start(parent: Path) -> Process:
            process = Process(parent, store)
            started.callback(process.stop)
            return process

        yield start


def test_there_is_a_wheel_of_each_earlier_version() -> None:
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    assert WHEELS
    assert not [name for name in WHEELS if f"| `{name}` |" not in readme]


def test_rollout_that_is_taken_back_and_tried_again(
    start: Start, old_code: Path, new_code: Path
) -> None:
    old, new, old_again, newest = map(start, [old_code, new_code] * 2)
    old.open(OF_THE_OLD)
    new.open(OF_THE_NEW)
    wait_until_right(old, new)
    wait_until(lambda: ids_of(old) == ids_of(new), old, new)
    wait_until(lambda: ids_of(old) == sorted(new.ask("walks")), old, new)
    old.close_last()
    new.close_last()
    wait_until_right(old, new)
    assert old.warnings() == []
    # Each version removes a dead worker of the other one.
    old.kill()
    wait_until_right(new)
    old_again.open(OF_THE_OLD)
    wait_until_right(new, old_again)
    assert new.warnings() == []
    new.kill()
    wait_until_right(old_again)
    newest.open(OF_THE_NEW)
    wait_until_right(old_again, newest)
    assert old_again.warnings() == []
    old_again.stop()
    wait_until_right(newest)
    assert newest.warnings() == []
