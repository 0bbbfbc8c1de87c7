"""What happened, as another process reads it, is what the clients know: exactly.

Each server reports to one store. A process beside it, the witness, lives on: it counts
what a killed server held as lost.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from subprocess import TimeoutExpired

import pytest

from tests.servers.happened import Known, Status, read, store_of, wait_for
from tests.servers.servers import Site, serving, wait_until
from tests.servers.test_causes import AT_LEISURE, ENDS, expected_of

pytestmark = [pytest.mark.server, pytest.mark.faults]

TYPES = {"async": "async_room", "sync": "sync_room", "bare": "ws_bare"}

#: What a server does when it gets SIGTERM: it ends, and says goodbye; it aborts now and
#: then (in a panic); it kills its worker after a while, here a second; it
#: waits for its clients until it is killed.
SAYS_GOODBYE = {"worker_stopped"}
MAY_ABORT = {"worker_stopped", "worker_lost"}
IS_KILLED = {"worker_lost"}
STOPS = {
    "daphne": SAYS_GOODBYE,
    "uvicorn-sansio": SAYS_GOODBYE,
    "gunicorn-uvicorn": SAYS_GOODBYE,
    "granian": MAY_ABORT,
    "gunicorn": IS_KILLED,
    "hypercorn": IS_KILLED,
}
OPTIONS = {"gunicorn": ("--graceful-timeout=1",)}
#: Their goodbye, at the end of the interpreter, has to come before the next report.
#: Uvicorn ends itself with a signal, so the next report has to come before that.
PACE = {"daphne": AT_LEISURE, "granian": AT_LEISURE}
STOPPED_AT_ONCE = 20
ENDS_SECONDS = 3

#: What differs on Redis is the backend, for all servers.
DEPLOYMENTS = [
    *((server, "sqlite") for server in STOPS),
    pytest.param(("uvicorn-sansio", "redis"), marks=pytest.mark.redis),
]

#: The codes that servers hand over, by what happened; no code where it is not here.
CODES = {
    "the client closed with 1000": 1000,
    "the client closed with 1001": 1001,
    "the client closed with 1012": 1012,
    "the client closed without a code": 1005,
    "the application closed with 4001": 4001,
}
RESET = "TCP was reset, no close frame"
#: Of a client that left without a close frame.
ABNORMAL = {"uvicorn-sansio": 1005, "gunicorn-uvicorn": 1005, "granian": 1005}

#: The consumer, what it does, and what that is counted as, if not as the status.
REJECTIONS = [
    ("async", "reject", ""),
    ("sync", "reject", ""),
    ("bare", "deny", ""),
    ("async", "raise", "error"),
    ("sync", "raise", "error"),
    ("bare", "return", "error"),
]
#: It does not tell an application that its client left during the handshake.
TELLS_NO_HANDSHAKE = {"granian"}


def codes_of(server: str) -> dict[str, int]:
    reset = {RESET: ABNORMAL.get(server, 1006)}
    if server == "hypercorn":
        # It hands over no code of a client.
        reset |= {what: 1006 for what in CODES if what.startswith("the client")}
    return CODES | reset


@pytest.fixture(scope="module")
def witness_of(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[str], Site]]:
    """Return the witness of a store. It has served one handshake, which it rejected."""
    with ExitStack() as stack:

        @functools.cache
        def start(kind: str) -> Site:
            directory = tmp_path_factory.mktemp(kind)
            store = stack.enter_context(store_of(kind, directory))
            served = serving("uvicorn-sansio", directory, socket_status=store)
            site = stack.enter_context(served)
            with site.open_raw("async/witness.0/?reject") as client:
                assert client.status == 403
            return site

        yield start


@pytest.fixture(scope="module", params=DEPLOYMENTS, ids="-".join)
def deployment(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Return a server, and where it reports to."""
    return request.param


@pytest.fixture(scope="module")
def server(deployment: tuple[str, str]) -> str:
    return deployment[0]


@pytest.fixture(scope="module")
def witness(deployment: tuple[str, str], witness_of: Callable[[str], Site]) -> Site:
    return witness_of(deployment[1])


@pytest.fixture(scope="module")
def site(
    server: str, witness: Site, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Serve the tests of this module. The last of them ends it."""
    words, store = OPTIONS.get(server, ()), witness.socket_status
    directory = tmp_path_factory.mktemp(server)
    # Gunicorn's master leaves a file open.
    quiet = server != "gunicorn"
    settings = {**store, **PACE.get(server, {})}
    with serving(server, directory, *words, quiet=quiet, socket_status=settings) as it:
        yield it


@pytest.fixture
def status(witness: Site) -> Iterator[Status]:
    """Read in a process of no server."""
    with witness.reader(CACHE_SECONDS=0.0) as status:
        yield status


def test_process_that_has_only_rejected_reports_it(witness, status):
    expected = Known(rejected={"witness.0": ("async_room", "403")})
    wait_for(status, "witness", lambda known: known == expected, site=witness)


def test_each_end_is_counted_and_listed_as_its_client_knows(server, site, status):
    causes, codes = expected_of(server), codes_of(server)
    expected = Known()
    with ExitStack() as stack:
        for what, kind in zip(ENDS, itertools.cycle(TYPES), strict=False):
            room = f"{server}.end-{len(expected.closed)}"
            client = stack.enter_context(site.open_raw(f"{kind}/{room}/"))
            assert client.status == 101
            ENDS[what](client)
            expected.closed[room] = (TYPES[kind], causes[what], codes.get(what))
        found = wait_for(
            *(status, server),
            lambda known: known.closed.keys() >= expected.closed.keys(),
            site=site,
        )
    rooms = expected.closed
    assert {room: found.closed[room] for room in rooms} == rooms


def test_each_rejection_is_counted_with_the_status_that_its_client_got(
    server, site, status
):
    expected = Known()
    with ExitStack() as stack:
        for kind, query, answer in REJECTIONS:
            room = f"{server}.{kind}-{query}"
            path = f"{kind}/{room}/?{query}"
            client = stack.enter_context(site.open_raw(path, wait=False))
            expected.rejected[room] = TYPES[kind], answer or str(client.handshake())
        if server not in TELLS_NO_HANDSHAKE:
            client = site.open_raw(f"bare/{server}.gone/?late", wait=False)
            wait_until((site.directory / "handshake").exists)
            client.reset()
            expected.rejected[f"{server}.gone"] = "ws_bare", "gone"
        found = wait_for(
            *(status, server),
            lambda known: known.rejected.keys() == expected.rejected.keys(),
            site=site,
        )
    assert found.rejected == expected.rejected


def test_server_that_gets_sigterm_closes_each_connection_once(
    server, site, witness, status
):
    rooms = {f"{server}.stopped-{number}" for number in range(STOPPED_AT_ONCE)}
    with ExitStack() as stack:
        for room in rooms:
            stack.enter_context(site.open_raw(f"async/{room}/"))
        wait_until(lambda: status.get_connections().total == STOPPED_AT_ONCE)
        site.process.terminate()
        with suppress(TimeoutExpired):
            site.process.wait(ENDS_SECONDS)
        # As its supervisor does when it loses patience.
        site.kill()
        found = wait_for(
            status, server, lambda known: known.closed.keys() >= rooms, site=witness
        )
        assert {found.closed[room][1] for room in rooms} <= STOPS[server]
        assert not status.get_connections()
    # No end of a client comes after that of its server.
    assert read(status)[0].of(server) == found
