"""The tutorial and the first page, followed step by step in an empty directory.

The packages are those that run the suite, so nothing is installed.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from tests.support.redis_servers.server import free_port
from tests.support.source import PACKAGE, ROOT

pytestmark = pytest.mark.server

PAGE = ROOT / "docs" / "tutorial" / "index.md"

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECONDS = 90


FIRST_PAGE = ROOT / "README.md"


class Page:
    """The blocks of a page, taken one after the other."""

    def __init__(self, path: Path = PAGE) -> None:
        self._blocks = BLOCK.findall(path.read_text(encoding="utf-8"))

    def take(self, language: str) -> str:
        """Return the next block, which must be of this language."""
        found, content = self._blocks.pop(0)
        assert found == language, content
        return content

    @property
    def is_done(self) -> bool:
        return not self._blocks


class Reader:
    """Follows the page step by step, in a separate directory."""

    def __init__(self, directory: Path) -> None:
        self.page = Page()
        self.directory = directory / "site"
        self.directory.mkdir()
        self._port = free_port()
        self._log = (directory / "log").open("wb")
        self._running: list[subprocess.Popen[bytes]] = []
        self._environment = {
            **os.environ,
            "PYTHONPATH": str(PACKAGE.parent),
            "PYTHONUNBUFFERED": "1",
            "TMPDIR": str(directory),
        }
        self._environment.pop("DJANGO_SETTINGS_MODULE", None)

    # What is done with a block.

    def skip(self, beginning: str) -> None:
        """Pass over commands that make an environment."""
        assert self.page.take("console").startswith(beginning)

    def write(self) -> None:
        """Write a file, or the end of one, as the first line says."""
        content = self.page.take("python")
        heading, _, rest = content.partition("\n")
        name, _, at_the_end = heading.removeprefix("# ").partition(", ")
        self._write(name, rest, at_the_end=bool(at_the_end))

    def write_in_package(self, name: str) -> None:
        """Write a file whose first line names it alone; add to the settings."""
        heading, _, rest = self.page.take("python").partition("\n")
        assert heading == f"# {name}"
        self._write(f"mysite/{name}", rest, at_the_end=name == "settings.py")

    def _write(self, name: str, content: str, *, at_the_end: bool) -> None:
        path = self.directory / name
        assert path.exists() or not at_the_end
        with path.open("a" if at_the_end else "w", encoding="utf-8") as file:
            file.write(content)

    def run(self) -> str:
        """Run a command to its end, and return what it prints."""
        return subprocess.run(
            self._words(self.page.take("console")),
            cwd=self.directory,
            env=self._environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            timeout=SECONDS,
        ).stdout

    def serve(self) -> None:
        """Start the server of a block, in the place of the one before it."""
        self.start_server(self.page.take("console"))

    def start_server(self, command: str) -> None:
        """Start a server, in the place of the one before it."""
        self.stop()
        words = [*self._words(command), "--port", str(self._port)]
        self._start(words, stdin=subprocess.DEVNULL)
        wait_for(lambda: self._ask() is not None)

    def connect(self, times: int = 1) -> IO[bytes]:
        """Start the client of a block; return where to type."""
        return self.start_clients(self.page.take("console"), times)

    def start_clients(self, command: str, times: int = 1) -> IO[bytes]:
        """Start a client several times; return where to type into the last one."""
        command = command.replace("8000", str(self._port))
        for _ in range(times):
            client = self._start(self._words(command), stdin=subprocess.PIPE)
        assert client.stdin is not None
        return client.stdin

    def expect(self, sockets: int, *, shown: bool = False) -> None:
        """Ask as a block says, until the answer is right, and as the page shows it."""
        assert self.page.take("console") == (
            "curl -s http://127.0.0.1:8000/socket-status/ | python -m json.tool\n"
        )
        expected = json.loads(self.page.take("json")) if shown else {}
        self.wait_for_answer(sockets, expected)

    def wait_for_answer(self, sockets: int, expected: dict[str, Any]) -> None:
        """Ask until so many sockets are open, and all is as expected if that is given.

        The timestamp may be any: it must only be of the form that is shown.
        """
        shown = bool(expected)

        def is_right() -> bool:
            answer = self._ask() or {}
            return answer.get("total_sockets") == sockets and (
                not shown or {**answer, "timestamp": expected["timestamp"]} == expected
            )

        wait_for(is_right, explain=self._ask)

    def stop(self) -> None:
        """End whatever was started."""
        for process in self._running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in self._running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(SECONDS)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(SECONDS)
            if process.stdin is not None:
                with contextlib.suppress(BrokenPipeError):
                    process.stdin.close()
        self._running.clear()

    def close(self) -> None:
        self.stop()
        self._log.close()

    # How.

    def _words(self, command: str) -> list[str]:
        program, *words = shlex.split(command)
        assert program == "python"
        return [sys.executable, *words]

    def _start(self, words: list[str], stdin: int) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            words,
            cwd=self.directory,
            env=self._environment,
            stdin=stdin,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        self._running.append(process)
        return process

    def _ask(self) -> dict[str, Any] | None:
        url = f"http://127.0.0.1:{self._port}/socket-status/"
        try:
            with urllib.request.urlopen(url, timeout=SECONDS) as response:
                return json.load(response)
        except (urllib.error.URLError, ConnectionError):
            return None


def wait_for(
    is_so: Callable[[], bool], explain: Callable[[], object] = lambda: ""
) -> None:
    give_up_at = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < give_up_at, explain()
        time.sleep(0.1)


@pytest.fixture
def reader(tmp_path) -> Iterator[Reader]:
    """Return a reader in an empty directory; at the end, stop its processes."""
    reader = Reader(tmp_path)
    try:
        yield reader
    finally:
        reader.close()


def test_tutorial_does_what_it_says(reader):
    reader.skip("python3 -m venv")
    django_admin("startproject", "mysite", ".", cwd=reader.directory)
    for _ in ("consumers", "asgi", "settings"):
        reader.write()

    reader.skip('python -m pip install "django-socket-status @ git+https://')
    reader.write()
    assert reader.run() == reader.page.take("text")
    for _ in ("consumers", "urls"):
        reader.write()

    reader.serve()
    reader.expect(sockets=0, shown=True)
    client = reader.connect()
    reader.expect(sockets=1, shown=True)
    client.write(b"break\n")
    client.flush()
    reader.expect(sockets=0)

    reader.serve()
    reader.connect(times=2)
    reader.expect(sockets=2)
    total, first, *others = reader.run().splitlines()
    assert total == reader.page.take("text").splitlines()[0] == "2"
    pid, _, counts = first.partition(" ")
    assert reader.page.take("console") == "kill -9 20105\n"
    os.kill(int(pid), signal.SIGKILL)
    reader.expect(sockets=2 - ast.literal_eval(counts)["call"])
    assert len(others) <= 1
    assert reader.page.is_done


def django_admin(*words: str, cwd: Path) -> None:
    """Do what the first commands of the page end with."""
    subprocess.run([sys.executable, "-m", "django", *words], cwd=cwd, check=True)


def test_first_page_shows_what_its_four_lines_answer(reader):
    """The project is the tutorial's, before it has this package."""
    reader.skip("python3 -m venv")
    django_admin("startproject", "mysite", ".", cwd=reader.directory)
    for _ in ("consumers", "asgi", "settings"):
        reader.write()

    reader.page = Page(FIRST_PAGE)
    reader.skip('python -m pip install "django-socket-status @ git+https://')
    for name in ("settings.py", "consumers.py", "urls.py"):
        reader.write_in_package(name)
    reader.start_server("python -m uvicorn mysite.asgi:application")
    address = "ws://127.0.0.1:8000/ws/call/42/"
    reader.start_clients(f"python -m websockets {address}", times=2)
    reader.wait_for_answer(2, json.loads(reader.page.take("json")))


def test_home_of_the_documentation_has_the_lines_of_the_first_page():
    first, home = Page(FIRST_PAGE), Page(ROOT / "docs" / "index.md")
    for language in ("console", "python", "python", "python"):
        assert first.take(language) == home.take(language)


def test_first_page_is_short():
    assert len(FIRST_PAGE.read_text(encoding="utf-8").splitlines()) < 130


def test_links_of_the_first_page_work_on_other_sites():
    """PyPI and npm show the README, where a relative link leads nowhere."""
    text = FIRST_PAGE.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    assert links
    site = "https://github.com/django-socket-status/django-socket-status/blob/main/"
    raw = "https://raw.githubusercontent.com/django-socket-status/django-socket-status/main/"
    for link in links:
        assert link.startswith((site, raw))
        path = link.removeprefix(site).removeprefix(raw).partition("#")[0]
        # The suite may be staged without the pages beside the documentation, and the
        # picture may be made later.
        if path.startswith("docs/") and not path.endswith(".gif"):
            assert (ROOT / path).exists(), link
