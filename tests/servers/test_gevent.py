"""Pages under WSGI with gevent: all requests of a process take turns on one thread."""

from __future__ import annotations

import http.client
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from tests.servers.servers import GEVENT, Site, started, wait_until

pytestmark = pytest.mark.server

REQUESTS = 400
CLIENTS = 40


@pytest.fixture(scope="module", params=[(), ("--preload",)], ids=["", "preload"])
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    site = Site(
        (*GEVENT, *request.param),
        tmp_path_factory.mktemp("gevent"),
        # gevent itself warns of what was imported before.
        python=(),
        # Each request reads.
        socket_status={"CACHE_SECONDS": 0},
    )
    with started(site):
        yield site
    assert "Traceback" not in site.stderr, site.stderr


def status_of(site: Site, path: str) -> int:
    client = http.client.HTTPConnection("127.0.0.1", site.port, timeout=60)
    with closing(client):
        client.request("GET", path)
        response = client.getresponse()
        response.read()
        return response.status


def test_crowd_is_answered_and_hurts_no_view_of_the_project(site):
    (site.directory / "released").touch()

    def ask(number: int) -> tuple[str, int]:
        path = "/loop/" if number == REQUESTS // 2 else "/socket-status/"
        return path, status_of(site, path)

    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = Counter(pool.map(ask, range(REQUESTS)))
    assert answers == {
        ("/socket-status/", 200): REQUESTS - 1,
        ("/loop/", 200): 1,
    }
    # Django has no user to ask about in this project.
    assert status_of(site, "/socket-status/workers/") == 401


def test_summary_is_answered_while_a_loop_of_the_project_runs_in_the_thread(site):
    (site.directory / "released").unlink(missing_ok=True)
    (site.directory / "holding").unlink(missing_ok=True)
    with ThreadPoolExecutor(CLIENTS) as pool:
        held = pool.submit(status_of, site, "/loop/")
        try:
            wait_until((site.directory / "holding").exists)
            answers = Counter(
                pool.map(lambda _: status_of(site, "/socket-status/"), range(CLIENTS))
            )
            assert not held.done()
        finally:
            (site.directory / "released").touch()
        assert answers == {200: CLIENTS}
        assert held.result(60) == 200
