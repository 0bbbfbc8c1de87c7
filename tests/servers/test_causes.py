"""The cause of each real end, on each server, is that of the page about endings."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.servers.clients import RawClient
from tests.servers.servers import Site, wait_until
from tests.support.source import ROOT
from tests.support.tables import table_after

pytestmark = pytest.mark.server

#: The column of the page, by server.
COLUMNS = {
    "daphne": "daphne",
    "uvicorn-sansio": "uvicorn",
    "gunicorn-uvicorn": "uvicorn",
    "hypercorn": "hypercorn",
    "granian": "granian",
    "gunicorn": "gunicorn",
}

#: What happens to a connection, by the words of the page.
ENDS: dict[str, Callable[[RawClient], object]] = {
    "the client closed with 1000": lambda client: client.close(1000),
    "the client closed with 1001": lambda client: client.close(1001),
    "the client closed with 1012": lambda client: client.close(1012),
    "the client closed without a code": lambda client: client.close(),
    "TCP was reset, no close frame": lambda client: client.reset(),
    "the application closed with 4001": lambda client: client.say("close 4001 enough"),
    "the application raised": lambda client: client.say("raise"),
    "the application returned": lambda client: client.say("return"),
}
KILLED = "the client's process was killed"
STOPPED = "the server got SIGTERM, several open"
NOT_TOLD = "no event"
STOPPED_AT_ONCE = 4

#: Longer than a busy machine takes from the end of the sockets to that of the process.
AT_LEISURE = {"REPORT_INTERVAL_SECONDS": 0.5}

#: A client in a separate process.
CLIENT = """
import sys
from tests.servers.clients import RawClient
with RawClient(int(sys.argv[1]), sys.argv[2]):
    print("open", flush=True)
    sys.stdin.read()
"""


def expected_of(server: str) -> dict[str, str]:
    """Return the causes that the page names for a server, by what happened."""
    head, *rows = table_after(
        "reference/endings-by-server.md", "The causes of the same ends"
    )
    column = head.index(COLUMNS[server])
    return {row[0]: row[column].strip("*") for row in rows}


def cause_in(site: Site, room: str) -> str:
    """Wait for the end of the one connection of a room, and return its cause."""
    wait_until(lambda: len(site.diary(room)) >= 2, explain=lambda: site.diary(room))
    opened, closed = site.diary(room)
    assert (opened["kind"], closed["kind"]) == ("opened", "closed")
    cause: str = closed["cause"]
    return cause


def kill_client(site: Site, path: str) -> None:
    """Open a socket in another process, and kill that process."""
    with subprocess.Popen(
        [sys.executable, "-c", CLIENT, str(site.port), path],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == "open\n"
        client.kill()


@pytest.mark.parametrize("server", COLUMNS)
def test_each_end_has_the_cause_that_the_page_names(serve, server):
    expected = expected_of(server)
    site = serve(server, socket_status=AT_LEISURE)
    with contextlib.ExitStack() as stack:
        for room, end in enumerate(ENDS.values()):
            end(stack.enter_context(site.open_raw(f"async/room-{room}/")))
        kill_client(site, "/ws/async/killed/")
        found = {what: cause_in(site, f"room-{room}") for room, what in enumerate(ENDS)}
        found[KILLED] = cause_in(site, "killed")
    found[STOPPED] = expected[STOPPED]
    if expected[STOPPED] != NOT_TOLD:
        causes = stop(site)
        # Whether such a server tells its applications is a race, which it may lose.
        assert NOT_TOLD in expected[STOPPED] or len(causes) == STOPPED_AT_ONCE
        assert set(causes) <= {"worker_stopped"}
    assert found == expected


def stop(site: Site) -> list[str]:
    """Tell a server with several connections to end; return the causes that it told."""
    rooms = [f"stopped-{number}" for number in range(STOPPED_AT_ONCE)]
    with contextlib.ExitStack() as stack:
        # A server that waits for its applications waits for this one. So the process
        # lives until the events of the others are sent.
        stack.enter_context(site.open_raw("async/busy/")).say("sleep 2")
        for room in rooms:
            stack.enter_context(site.open_raw(f"async/{room}/"))
        wait_until(lambda: all(site.diary(room) for room in rooms))
        site.terminate()
    return [entry["cause"] for room in rooms for entry in site.diary(room)[1:]]
