"""Live push under real servers, told to real clients."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import ClientConnection, connect

from tests.servers.servers import PROJECT, SERVERS, Site, serving, started, wait_until

pytestmark = pytest.mark.server

TESTED = ["daphne", "uvicorn-sansio", "uvicorn-wsproto"]

HASTY = f"{PROJECT}.hasty_asgi"

LISTENERS = 50
STRANGERS = 60


class Listener:
    """A client of live push."""

    def __init__(self, site: Site, **given: Any) -> None:
        self.socket = listening_socket(site, **given)

    def hears(self) -> int:
        """Return how many sockets the next message speaks of."""
        message = json.loads(self.socket.recv(20))
        assert message["v"] == 1
        assert message["type"] == "summary"
        assert isinstance(message["summary"]["total_sockets"], int)
        return int(message["summary"]["total_sockets"])

    def eventually_hears(self, sockets: int) -> None:
        give_up_at = time.monotonic() + 20
        while self.hears() != sockets:
            assert time.monotonic() < give_up_at

    def hears_end(self) -> tuple[int, str]:
        with pytest.raises(ConnectionClosed):
            while True:
                self.socket.recv(20)
        assert self.socket.close_code is not None
        return self.socket.close_code, self.socket.close_reason or ""


def listening_socket(site: Site, **given: Any) -> ClientConnection:
    url = f"ws://127.0.0.1:{site.port}/ws/socket-status/"
    return connect(url, proxy=None, open_timeout=20, compression=None, **given)


@contextlib.contextmanager
def listeners(site: Site, count: int, **given: Any) -> Iterator[list[Listener]]:
    with ExitStack() as stack:
        made = [Listener(site, **given) for _ in range(count)]
        for listener in made:
            stack.enter_context(listener.socket)
        yield made


@pytest.fixture(scope="module", params=TESTED)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    with serving(request.param, tmp_path_factory.mktemp("live")) as site:
        yield site


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[Any]:
    """Serve an application that cannot wait."""
    with ExitStack() as stack:

        def start(server: str, ready: int = 200, **given: Any) -> Site:
            command = (*SERVERS[server], f"{HASTY}:application")
            site = Site(command, tmp_path / "site", **given)
            return stack.enter_context(started(site, ready))

        yield start


def test_listeners_get_each_change_and_are_not_counted(site):
    with listeners(site, 3) as made:
        for listener in made:
            assert listener.hears() == 0
        with site.open("async/1/"):
            for listener in made:
                listener.eventually_hears(1)
        for listener in made:
            listener.eventually_hears(0)
        answer = site.ask().content
    assert answer["total_sockets"] == 0
    assert not [url for url in answer["ws_endpoints"].values() if "status" in url]
    assert site.diary(None) == []


def test_answer_says_where_live_push_is(site):
    client = http.client.HTTPConnection("127.0.0.1", site.port, timeout=20)
    with contextlib.closing(client):
        client.request("GET", "/socket-status/")
        response = client.getresponse()
        assert response.headers["Socket-Status-Live"] == "/ws/socket-status/"


def test_page_of_another_site_is_told_why_it_is_refused(site):
    with listeners(site, 1, origin="https://evil.com") as (listener,):
        code, reason = listener.hears_end()
    assert code == 4403
    # Daphne does not pass a reason on.
    assert reason in ("origin not allowed", "")


def test_page_of_this_site_may_listen(site):
    origin = f"http://127.0.0.1:{site.port}"
    with listeners(site, 1, origin=origin) as (listener,):
        assert listener.hears() == 0


def test_what_clients_say_and_how_they_leave_hurts_nobody(site):
    with listeners(site, 1) as (listener,):
        assert listener.hears() == 0
        for way in ("finish", "reset", "close"):
            with site.open_raw("socket-status/") as client:
                assert client.status == 101
                client.say("hello")
                getattr(client, way)()
        with site.open("async/1/"):
            listener.eventually_hears(1)


def test_handshake_is_quick_while_sync_consumers_are_busy(site):
    with ExitStack() as stack:
        busy = [stack.enter_context(site.open(f"sync/{n}/")) for n in range(2)]
        for client in busy:
            client.send("sleep 8")
        with listeners(site, 1) as (listener,):
            listener.hears()
        # They take turns: the last of them is busy for sixteen seconds.
        answers = [still_silent(client) for client in busy]
        assert any(answers)
        for client, is_silent in zip(busy, answers, strict=True):
            if is_silent:
                client.recv(20)


def still_silent(client: ClientConnection) -> bool:
    try:
        client.recv(0)
    except TimeoutError:
        return True
    return False


def test_change_in_one_worker_is_heard_in_another(tmp_path):
    with ExitStack() as stack:
        site = stack.enter_context(
            serving("uvicorn-sansio", tmp_path, "--workers=2", "--log-level=warning")
        )
        made = stack.enter_context(listeners(site, 12))
        for listener in made:
            assert listener.hears() == 0
        # A machine that is busy is slow now and then, and not each time.
        assert any(time_to_be_heard(site, made) < 1 for _ in range(6))


def time_to_be_heard(site: Site, made: list[Listener]) -> float:
    with site.open("async/1/"):
        began_at = time.monotonic()
        for listener in made:
            listener.eventually_hears(1)
        took = time.monotonic() - began_at
    for listener in made:
        listener.eventually_hears(0)
    return took


@pytest.mark.parametrize("server", TESTED)
def test_listeners_keep_a_server_from_ending_for_less_than_a_second(tmp_path, server):
    # A machine that is busy is slow now and then, and not each time; and Daphne takes
    # its time also without listeners.
    assert any(
        time_to_end(server, tmp_path / f"with{number}", LISTENERS)
        < time_to_end(server, tmp_path / f"without{number}", 0) + 1
        for number in range(6)
    )


def time_to_end(server: str, directory: Path, count: int) -> float:
    with serving(server, directory) as site, listeners(site, count) as made:
        for listener in made:
            listener.hears()
        began_at = time.monotonic()
        site.terminate()
        took = time.monotonic() - began_at
        codes = {listener.hears_end()[0] for listener in made}
    # Daphne cuts the line: 1006 is what a browser makes of that.
    assert codes <= ({1006} if server == "daphne" else {1012})
    assert "destroyed" not in site.stderr
    assert "Traceback" not in site.stderr
    return took


@pytest.mark.parametrize("server", TESTED)
def test_listener_that_loses_access_is_closed_with_the_reason(hasty, server):
    site = hasty(server, socket_status={"SUMMARY_ACCESS": f"{HASTY}.is_allowed"})
    with listeners(site, 3) as made:
        for listener in made:
            assert listener.hears() == 0
        (site.directory / "nobody").touch()
        for listener in made:
            code, reason = listener.hears_end()
            assert code == 4401
            # Daphne does not pass a reason on.
            assert reason == ("" if server == "daphne" else "sign in")
    with listeners(site, 1) as (listener,):
        assert listener.hears_end()[0] == 4401
    assert "Traceback" not in site.stderr


@pytest.mark.parametrize("server", ["daphne", "uvicorn-sansio"])
def test_flood_of_handshakes_ends_no_listener(hasty, server):
    rule = f"{HASTY}.is_member"
    # No database: this is about the rule.
    engine = "django.contrib.sessions.backends.cache"
    site = hasty(
        server,
        socket_status={"SUMMARY_ACCESS": rule},
        environment={"PROJECT_SESSION_ENGINE": engine},
        ready=401,
    )

    def with_cookie(value: str) -> dict[str, Any]:
        return {
            "origin": f"http://127.0.0.1:{site.port}",
            "additional_headers": {"Cookie": f"sessionid={value}"},
        }

    def is_refused(number: int) -> int:
        try:
            with listeners(site, 1, **with_cookie(f"random{number}")) as (stranger,):
                return stranger.hears_end()[0]
        except InvalidHandshake:
            # Daphne waits for five seconds, and this machine may be busy.
            return 1000

    with listeners(site, 5, **with_cookie("member")) as members:
        for member in members:
            assert member.hears() == 0
        with ThreadPoolExecutor(STRANGERS) as pool:
            codes = Counter(pool.map(is_refused, range(STRANGERS)))
        # More came than can be asked about while they wait. Daphne cannot send 1013.
        assert codes[1000 if server == "daphne" else 1013]
        assert sum(codes.values()) == STRANGERS
        with site.open("async/1/"):
            for member in members:
                member.eventually_hears(1)
    assert "Traceback" not in site.stderr


@pytest.mark.parametrize("server", ["uvicorn-sansio", "uvicorn-wsproto"])
def test_client_that_never_reads_is_dropped_and_costs_no_memory(hasty, server):
    """Daphne takes whatever is sent, and hangs up when its own ping is not answered."""
    long = {f"type_{number}": f"/ws/{'x' * 90}/{number}/" for number in range(900)}
    site = hasty(server, socket_status={"ENDPOINTS": long})
    size = len(json.dumps(long))
    (process,) = site.processes()
    with listeners(site, 1, max_size=None) as (sound,), never_reading(site) as slow:
        assert sound.hears() == 0
        changes = 0

        def change_until_it_is_dropped() -> bool:
            nonlocal changes
            with site.open("async/1/"):
                sound.eventually_hears(1)
            sound.eventually_hears(0)
            changes += 2
            return (site.directory / "dismissed-4408").exists()

        wait_until(change_until_it_is_dropped, 60)
        received = everything(slow)
        before = memory(process)
        for _ in range(20):
            change_until_it_is_dropped()
        assert memory(process) - before < 20 * size
    # What the system keeps for a client that does not read is all that there was.
    assert len(received) < changes * size / 2
    # A close frame comes last: its length, its code and its reason.
    assert received.endswith(b"\x88\x0a" + (4408).to_bytes(2, "big") + b"too slow")


@contextlib.contextmanager
def never_reading(site: Site) -> Iterator[socket.socket]:
    """Open a connection of which the system takes hardly anything."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(20)
        client.connect(("127.0.0.1", site.port))
        client.sendall(
            b"GET /ws/socket-status/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            b"Sec-WebSocket-Version: 13\r\n\r\n"
        )
        yield client


def everything(client: socket.socket) -> bytes:
    """Read until the server hangs up, after a close of our own."""
    received = b""
    answered = False
    while chunk := client.recv(1_000_000):
        received += chunk
        if not answered and received.endswith(b"too slow"):
            # A masked close frame without a code.
            client.sendall(b"\x88\x80" + bytes(4))
            answered = True
    return received


def memory(process: psutil.Process) -> int:
    return int(process.memory_full_info().uss)


def test_killed_worker_takes_its_sockets_out_of_live_push(tmp_path):
    with ExitStack() as stack:
        here = stack.enter_context(
            serving("uvicorn-sansio", tmp_path / "here", quiet=False)
        )
        options = {"OPTIONS": here.socket_status["OPTIONS"]}
        there = stack.enter_context(
            serving("daphne", tmp_path / "there", socket_status=options)
        )
        (listener,) = stack.enter_context(listeners(there, 1))
        for number in range(3):
            stack.enter_context(here.open(f"async/{number}/"))
        listener.eventually_hears(3)
        here.kill()
        listener.eventually_hears(0)
