"""A real Chromium, and a real server with two workers."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from tests.support.asking import visitor
from tests.support.redis_servers.server import free_port
from tests.support.source import ROOT

try:
    from playwright.sync_api import (
        Browser,
        BrowserContext,
        Page,
        WebSocket,
        expect,
        sync_playwright,
    )
except ImportError:
    # Of the dependency group ``browser``, which the environment of that name has.
    collect_ignore_glob = ["test_*.py"]
else:
    # A busy machine needs more than the five seconds that Playwright waits for a fact.
    expect.set_options(timeout=60_000)

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

#: Chromium must not call anybody but the site.
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]

SETTINGS = "tests.browser.site.settings"

PREPARE = """
import django
django.setup()
from django.conf import settings
from django.core.management import call_command
from django.contrib.auth.models import User
if settings.STATIC_ROOT:
    call_command("collectstatic", verbosity=0)
call_command("migrate", verbosity=0)
User.objects.create_superuser("ada", password="ada")
"""


#: Databases of sites, by what is in them: to make one takes some seconds.
prepared: dict[str, bytes] = {}


def wait_for(fact: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something is so."""
    give_up_at = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < give_up_at, "it never came to be"
        time.sleep(0.1)


class Site:
    """A site of two uvicorn workers, that can be killed and started again."""

    application = "tests.browser.site.asgi:application"
    workers = 2

    def __init__(self, directory: Path, **environment: str) -> None:
        self.port = free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": SETTINGS,
            "EXAMPLE_PROJECT_DATABASE": str(directory / "db.sqlite3"),
            "TMPDIR": str(directory),
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None
        self._prepare(directory / "db.sqlite3")

    def _prepare(self, database: Path) -> None:
        """Make the database, or copy that of another site with the same settings."""
        if database.exists():
            return
        module = self.environment["DJANGO_SETTINGS_MODULE"]
        # These have static files of this site, and tables of a theme.
        key = module if module.endswith(("hashed", "themed")) else "others"
        if key not in prepared:
            self.run(PREPARE)
            prepared[key] = database.read_bytes()
        database.write_bytes(prepared[key])

    def run(self, script: str) -> None:
        """Run a script under the settings of the site."""
        command = [sys.executable, "-c", script]
        subprocess.run(command, env=self.environment, cwd=ROOT, check=True)

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "uvicorn", "--workers", str(self.workers)),
                *("--port", str(self.port), "--log-level", "error"),
                self.application,
            ],
            env=self.environment,
            cwd=ROOT,
            start_new_session=True,
        )
        wait_for(self.answers)

    def answers(self) -> bool:
        try:
            answer = visitor.get(f"{self.origin}/socket-status/")
            return answer.status_code < 500
        except httpx.HTTPError:
            return False

    def kill(self) -> None:
        """End every process of the site at once, as a power failure would."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def open(self, path: str = "/ws/call/blue/") -> ClientConnection:
        return connect(
            f"ws://127.0.0.1:{self.port}{path}",
            origin=self.origin,
            proxy=None,
            open_timeout=30,
        )

    def total(self) -> int:
        """Return the number of sockets, -1 while there is no answer."""
        answer = visitor.get(f"{self.origin}/socket-status/").json()
        return answer.get("total_sockets", -1)


class StatesSite(Site):
    """A site of one process, which brings about a state when it is asked for it."""

    application = "tests.browser.states.asgi:application"
    workers = 1

    def __init__(self, directory: Path, **environment: str) -> None:
        names = {"DJANGO_SETTINGS_MODULE": "tests.browser.states.settings"}
        super().__init__(directory, **{**names, **environment})


@contextlib.contextmanager
def serving(
    directory: Path, kind: type[Site] = Site, **environment: str
) -> Iterator[Site]:
    site = kind(directory, **environment)
    site.start()
    try:
        yield site
    finally:
        if site.process is not None:
            site.kill()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serving(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


#: The rules of axe for which it matters in which colours a page is shown.
COLOURS = ("color-contrast", "link-in-text-block")


class Visit:
    """A page, and everything that it complained of."""

    def __init__(self, context: BrowserContext) -> None:
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.sockets: list[WebSocket] = []
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("websocket", lambda socket: self.sockets.append(socket))

    def _hear(self, message) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def badge(self, index: int = 0) -> str:
        script = "(badge) => badge.shadowRoot.querySelector('[part=label]').textContent"
        return self.page.locator("socket-status").nth(index).evaluate(script)

    def says(self, text: str, index: int = 0) -> None:
        wait_for(lambda: self.badge(index).strip() == text)

    def violations(self, *rules: str, within: str = ":root") -> list[str]:
        """Return what axe finds wrong with the page, by some rules or by all."""
        axe = files("axe_playwright_python").joinpath("axe.min.js")
        if not self.page.evaluate("'axe' in globalThis"):
            self.page.evaluate(axe.read_text())
        how = {"resultTypes": ["violations"], **({"runOnly": rules} if rules else {})}
        found = self.page.evaluate("(its) => axe.run(...its)", [within, how])
        return [
            f"{violation['id']}: {node['html'][:200]}"
            for violation in found["violations"]
            for node in violation["nodes"]
        ]

    def connection(self) -> str:
        return self.page.evaluate(
            "globalThis[Symbol.for('django-socket-status/v1')]?.getSnapshot().connection"
        )


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site that brings every state of the admin page about."""
    with serving(tmp_path_factory.mktemp("states"), StatesSite) as site:
        yield site


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visit]]:
    contexts = []

    def begin(url: str, **options: object) -> Visit:
        context = browser.new_context(**options)
        contexts.append(context)
        visit = Visit(context)
        visit.page.goto(url)
        return visit

    yield begin
    for context in contexts:
        context.close()
