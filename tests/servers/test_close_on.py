"""Users sign out, and lose their access, in a process under WSGI without sockets.

The sockets are in another process, which shares a database and a store with it.
"""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.servers.pairs import REDIS, end_of
from tests.servers.servers import (
    PROJECT,
    SERVERS,
    Site,
    answer_of,
    started,
    wait_until,
)
from tests.support.redis_servers.server import RedisServer
from tests.support.source import ROOT

pytestmark = pytest.mark.server

EVENTS = ["logout", "password_change", "deactivation"]

MIGRATE = """
import django
django.setup()
from django.contrib.auth.models import User
from django.core.management import call_command
call_command("migrate", verbosity=0)
for name in ("ada", "bob", "cid"):
    User.objects.create_user(name, password="old")
"""


class Accounts:
    """A process with sockets, and one with pages."""

    def __init__(self, sockets: Site, pages: Site) -> None:
        self.sockets, self.pages = sockets, pages

    def ask(self, path: str, cookie: str = "") -> str:
        """Ask for a page; return the session's cookie that comes with it, if any."""
        client = http.client.HTTPConnection("127.0.0.1", self.pages.port, timeout=60)
        with closing(client):
            client.request("GET", f"/accounts/{path}", headers={"Cookie": cookie})
            response = client.getresponse()
            body = response.read().decode()
            assert response.status == 200, body + self.pages.stderr
            cookies = response.headers.get_all("Set-Cookie", [])
            found = [it.partition(";")[0] for it in cookies if it.startswith("sess")]
            return next(iter(found), "")

    def sign_in(self, name: str) -> str:
        return self.ask(f"sign-in/?user={name}")

    def open(self, path: str, cookie: str) -> ClientConnection:
        """Open a socket of a session."""
        return connect(
            f"ws://127.0.0.1:{self.sockets.port}/ws/user/{path}",
            additional_headers={"Cookie": cookie},
            proxy=None,
            open_timeout=60,
            compression=None,
        )


def make_database(path: Path) -> dict[str, str]:
    """Make a database with three users; return the environment that names it."""
    environment = {
        "DJANGO_SETTINGS_MODULE": f"{PROJECT}.settings",
        "PROJECT_DATABASE": str(path),
    }
    subprocess.run(
        [sys.executable, "-c", MIGRATE],
        env={**os.environ, **environment},
        cwd=ROOT,
        check=True,
    )
    return environment


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("redis", marks=pytest.mark.redis)]
)
def accounts(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Accounts]:
    directory = tmp_path_factory.mktemp(request.param)
    with ExitStack() as stack:
        given: dict[str, Any] = {"OPTIONS": {"path": str(directory / "status")}}
        if request.param == "redis":
            redis = stack.enter_context(RedisServer())
            given = {"BACKEND": REDIS, "OPTIONS": {"url": redis.url}}
        more: dict[str, Any] = {
            "socket_status": {"CLOSE_ON": EVENTS, **given},
            "environment": make_database(directory / "database"),
        }
        commands = {
            "sockets": (
                *SERVERS["uvicorn-sansio"],
                f"{PROJECT}.accounts_asgi:application",
            ),
            "pages": (f"{PROJECT}.wsgi",),
        }
        sites = [
            stack.enter_context(started(Site(command, directory / name, **more)))
            for name, command in commands.items()
        ]
        yield Accounts(*sites)


class Held:
    """A handshake that has looked its session up, and waits."""

    def __init__(self, accounts: Accounts, cookie: str) -> None:
        self._directory = accounts.sockets.directory
        self._clients: list[ClientConnection] = []
        self._thread = threading.Thread(
            target=lambda: self._clients.append(accounts.open("held/?hold", cookie))
        )
        self._thread.start()
        wait_until(
            (self._directory / "handshake").exists,
            60,
            lambda: accounts.sockets.stderr,
        )

    def go_on(self) -> ClientConnection:
        (self._directory / "accept").touch()
        self._thread.join(60)
        for name in ("handshake", "accept"):
            (self._directory / name).unlink()
        return self._clients[0]


def test_session_that_signed_out_loses_its_sockets_after_the_commit(accounts):
    with ExitStack() as stack:
        ada, again, bob = (accounts.sign_in(it) for it in ("ada", "ada", "bob"))
        opened = [stack.enter_context(accounts.open("a/", ada)) for _ in range(2)]
        others = [stack.enter_context(accounts.open("b/", it)) for it in (again, bob)]
        accounts.sockets.eventually_holds(4)
        reconnected = Held(accounts, ada)
        # The session is flushed, and the transaction of the request goes on.
        page = threading.Thread(target=accounts.ask, args=("sign-out/?hold", ada))
        page.start()
        wait_until((accounts.pages.directory / "holding").exists, 60)
        opened.append(stack.enter_context(accounts.open("gap/", ada)))
        for client in (*opened, *others):
            assert answer_of(client, "still here") == "still here"
        (accounts.pages.directory / "released").touch()
        page.join(60)
        assert [end_of(it) for it in opened] == [(4401, "logout")] * 3
        # It reconnects in the gap: it was signed in, and opens now.
        late = stack.enter_context(reconnected.go_on())
        assert end_of(late) == (4401, "logout")
        accounts.sockets.eventually_holds(2)
        for client in others:
            assert answer_of(client, "still here") == "still here"
        # With the old cookie, it is a visitor's like any other.
        visitor = stack.enter_context(accounts.open("c/", ada))
        accounts.sockets.eventually_holds(3)
        assert answer_of(visitor, "still here") == "still here"


def test_user_loses_other_sessions_by_a_new_password_and_all_by_deactivation(accounts):
    with ExitStack() as stack:
        cid, again, bob = (accounts.sign_in(it) for it in ("cid", "cid", "bob"))
        kept, other, another = (
            stack.enter_context(accounts.open("a/", it)) for it in (cid, again, bob)
        )
        accounts.sockets.eventually_holds(3)
        reconnected = Held(accounts, again)
        renewed = accounts.ask("change-password/", cid)
        assert renewed not in ("", cid)
        assert end_of(other) == (4401, "password_change")
        late = stack.enter_context(reconnected.go_on())
        assert end_of(late) == (4401, "password_change")
        back = stack.enter_context(accounts.open("back/", renewed))
        accounts.sockets.eventually_holds(3)
        for client in (kept, back, another):
            assert answer_of(client, "still here") == "still here"
        accounts.ask("deactivate/", renewed)
        assert end_of(kept) == end_of(back) == (4401, "deactivation")
        assert answer_of(another, "still here") == "still here"
        accounts.sockets.eventually_holds(1)
