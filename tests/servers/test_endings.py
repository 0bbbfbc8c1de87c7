"""Each way in which one connection ends, on the servers that most people run.

The codes are the servers' own: FACTS of another kind than ours, and they disagree.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from django_socket_status.endings import CAUSES
from tests.servers.servers import SECONDS, Site, answer_of, serving, wait_until

pytestmark = pytest.mark.server

#: After so many seconds without a client, Daphne cancels what still runs.
DAPHNE = ("daphne", "--application-close-timeout=4")
UVICORN = (("uvicorn-sansio",), ("uvicorn-wsproto",))

#: The code of a client that left without a close frame.
ABNORMAL = {"daphne": 1006, "uvicorn-sansio": 1005, "uvicorn-wsproto": 1005}

#: Who is said to have ended a connection whose client left while messages went out.
#: A text message is watched to its end once a heartbeat; if another one raises, the
#: exception is known when the application lets it pass.
GONE_WHILE_SENDING = {
    "daphne": {"cancel"},
    "uvicorn-sansio": {"send"},
    "uvicorn-wsproto": {"send"},
}

KINDS = ("async", "sync", "bare")

rooms = (f"room-{number}" for number in itertools.count(1))


@pytest.fixture(scope="module", params=[DAPHNE, *UVICORN], ids=lambda it: it[0])
def server(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """Return a server and its options."""
    return request.param


@pytest.fixture(scope="module")
def site(
    server: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Serve every test of this module; each leaves no socket behind."""
    with serving(server[0], tmp_path_factory.mktemp(server[0]), *server[1:]) as site:
        yield site
        # What Python has to say about what is left open, it says at the end.
        assert site.terminate() in (0, -15), site.stderr


@pytest.fixture
def room(site: Site) -> Iterator[str]:
    """Return a new room name."""
    yield next(rooms)
    site.eventually_holds(0)


@pytest.fixture
def abnormal(server: tuple[str, ...]) -> int:
    return ABNORMAL[server[0]]


def life(site: Site, room: str) -> dict[str, Any]:
    """Return how a connection that was opened once was closed, once."""
    wait_until(lambda: len(site.diary(room)) >= 2, explain=lambda: site.diary(room))
    opened, closed = site.diary(room)
    assert opened.pop("kind") == "opened"
    assert closed.pop("kind") == "closed"
    assert opened.pop("type") == closed.pop("type")
    # ``test_causes.py`` is about the causes.
    assert closed.pop("cause") in CAUSES
    return closed


def ending(by: str, code: int | None = None, reason: str = "") -> dict[str, Any]:
    return {"ended_by": by, "close_code": code, "close_reason": reason}


def test_client_of_an_application_that_ignores_what_send_raises_is_missed(
    site, room, server
):
    with site.open_raw(f"bare/{room}/?deaf") as socket:
        assert socket.hear() == "tick"
        socket.reset()
        assert life(site, room)["ended_by"] == (
            "cancel" if server is DAPHNE else "send"
        )


@pytest.mark.parametrize("kind", KINDS)
def test_open_socket_is_counted_under_its_type_until_it_closes(site, room, kind):
    name = {"async": "async_room", "sync": "sync_room", "bare": "ws_bare"}[kind]
    with site.open(f"{kind}/{room}/") as socket:
        assert answer_of(socket, "hello") == "hello"
        # What is open here is seen here at once: no waiting.
        assert site.ask().content["sockets_by_type"] == {name: 1}
    site.eventually_holds(0)


@pytest.mark.parametrize("kind", KINDS)
def test_client_closes_with_a_code_and_a_reason(site, room, kind, server):
    with site.open(f"{kind}/{room}/") as socket:
        socket.close(4321, "bye")
    reason = "" if server is DAPHNE else "bye"
    assert life(site, room) == ending("client", 4321, reason)


def test_client_closes_without_a_code(site, room):
    with site.open_raw(f"async/{room}/") as socket:
        socket.close()
        assert life(site, room) == ending("client", 1005)


@pytest.mark.parametrize("kind", KINDS)
def test_client_resets_the_connection(site, room, kind, abnormal):
    with site.open_raw(f"{kind}/{room}/") as socket:
        assert socket.ask("hello") == "hello"
        socket.reset()
        assert life(site, room) == ending("client", abnormal)


def test_client_hangs_up_without_a_close_frame(site, room, abnormal):
    with site.open_raw(f"async/{room}/") as socket:
        socket.finish()
        assert life(site, room) == ending("client", abnormal)


@pytest.mark.parametrize("kind", KINDS)
def test_application_closes_with_a_code(site, room, kind):
    with site.open(f"{kind}/{room}/") as socket:
        socket.send("close 4001 enough")
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(SECONDS)
        assert closed.value.rcvd.code == 4001
    reason = "" if kind == "bare" else "enough"
    assert life(site, room) == ending("server", 4001, reason)


def test_application_closes_and_the_client_never_answers(site, room):
    with site.open_raw(f"async/{room}/") as socket:
        socket.say("close 4001 enough")
        site.eventually_holds(0)
        assert life(site, room) == ending("server", 4001, "enough")


@pytest.mark.parametrize("kind", ["async", "sync"])
def test_rejected_handshake_is_never_open(site, room, kind):
    with pytest.raises(InvalidStatus) as rejected, site.open(f"{kind}/{room}/?reject"):
        pass
    assert rejected.value.response.status_code == 403
    wait_until(lambda: site.diary(room))
    assert site.diary(room) == [{"kind": "rejected", "type": f"{kind}_room"}]


@pytest.mark.parametrize("kind", ["async", "sync"])
def test_application_that_raises_before_it_accepts_was_never_open(site, room, kind):
    with pytest.raises(InvalidStatus) as rejected, site.open(f"{kind}/{room}/?raise"):
        pass
    assert rejected.value.response.status_code == 500
    wait_until(lambda: site.diary(room))
    assert [entry["kind"] for entry in site.diary(room)] == ["rejected"]


def test_application_that_returns_before_it_accepts_was_never_open(site, room):
    with site.open_raw(f"bare/{room}/?return", wait=False):
        wait_until(lambda: site.diary(room))
    assert [entry["kind"] for entry in site.diary(room)] == ["rejected"]


@pytest.mark.parametrize("kind", KINDS)
def test_application_that_raises_is_gone(site, room, kind, server):
    with site.open_raw(f"{kind}/{room}/") as socket:
        socket.say("raise")
        assert life(site, room) == ending("error")
        if kind == "async":
            # The server's own answer to an exception, as it was without us.
            assert socket.hear_end() == (1011 if server is DAPHNE else None)


@pytest.mark.parametrize("kind", KINDS)
def test_application_that_returns_without_closing_is_gone(site, room, kind, server):
    with site.open_raw(f"{kind}/{room}/") as socket:
        socket.say("return")
        assert life(site, room) == ending("return")
        if server is not DAPHNE:
            # Daphne keeps the socket without an application.
            assert socket.hear_end() is None


def test_client_that_leaves_before_the_accept_is_not_left_behind(site, room, server):
    site.open_raw(f"async/{room}/?slow", wait=False).reset()
    if server is DAPHNE:
        # It takes the accept, and only then reports that the client is gone.
        assert life(site, room) == ending("client", 1006)
    else:
        wait_until(lambda: site.diary(room))
        assert [entry["kind"] for entry in site.diary(room)] == ["rejected"]


def test_client_of_an_application_that_only_sends_is_missed(site, room, server):
    with site.open_raw(f"bare/{room}/?push") as socket:
        assert socket.hear() == "tick"
        site.eventually_holds(1)
        socket.reset()
        # uvicorn raises from send(); Daphne says nothing, and cancels at last.
        assert life(site, room)["ended_by"] in GONE_WHILE_SENDING[server[0]]


def test_application_that_is_busy_when_its_client_leaves_is_cancelled_or_comes_to_it(
    site, room, server
):
    seconds = 60 if server is DAPHNE else 0.5
    with site.open_raw(f"bare/{room}/") as socket:
        assert socket.ask("hello") == "hello"
        socket.say(f"sleep {seconds}")
        socket.reset()
        by = life(site, room)["ended_by"]
        assert by in {*GONE_WHILE_SENDING[server[0]], "client"}


def test_labels_can_change_while_a_socket_is_open(site, room, server):
    with site.open(f"async/{room}/") as socket, site.reader() as status:
        assert answer_of(socket, "label") == "label"
        wait_until(lambda: status.get_connections(labels={"told": "yes"}))
        (connection,) = status.get_connections(labels={"room": room})
        assert connection.endpoint == "/ws/async/<room>/"
        assert connection.labels == {"room": room, "told": "yes"}
        (worker,) = status.get_workers()
        assert worker.worker.server == server[0].partition("-")[0]
