"""A socket's life on every server: opened, closed, aborted, broken, killed."""

from __future__ import annotations

from contextlib import ExitStack

import psutil
import pytest

from tests.servers.servers import (
    answer_of,
    killed,
    open_on_each_worker,
    pid_of,
    wait_until,
)

pytestmark = [pytest.mark.server, pytest.mark.oldest]

SERVERS = ["daphne", "hypercorn", "granian", "gunicorn", "gunicorn-uvicorn"]

PACKAGES = {"gunicorn-uvicorn": "gunicorn"}


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(PACKAGES.get(request.param, request.param))
    return request.param


def test_socket_is_counted_while_it_is_open_and_its_worker_alive(serve, server):
    # As in many projects, for its ``runserver``: it says nothing about what serves.
    site = serve(server, environment={"PROJECT_FIRST_APP": "daphne"})
    with site.open("async/a/") as one, site.open("sync/b/") as two:
        assert answer_of(one, "hello") == answer_of(two, "hello") == "hello"
        counts = {"async_room": 1, "sync_room": 1}
        # A report that a busy machine is still writing is said to be missing.
        answer = site.ask().content
        assert answer["stale"] or answer["sockets_by_type"] == counts, answer
        site.eventually(lambda it: not it["stale"] and it["sockets_by_type"] == counts)
        with site.reader() as status:
            (worker,) = status.get_workers()
            assert worker.worker.server == server.partition("-")[0]
        two.close(4321)
        site.eventually_holds(1)
        with site.open_raw("async/c/") as three:
            site.eventually_holds(2)
            three.reset()
            site.eventually_holds(1)
        one.send("raise")
        site.eventually_holds(0)
    wait_until(lambda: site.diary("a")[1:])
    assert [entry["ended_by"] for entry in site.diary("a")[1:]] == ["error"]
    wait_until(lambda: site.diary("c")[1:])
    assert [entry["ended_by"] for entry in site.diary("c")[1:]] == ["client"]
    with site.open("async/d/") as four:
        site.eventually_holds(1)
        killed(psutil.Process(pid_of(four)))
        with site.reader() as status:
            assert not status.get_workers()
            assert status.get_socket_info_summary()["total_sockets"] == 0


def test_workers_that_were_forked_after_the_application_was_loaded_count(serve):
    pytest.importorskip("gunicorn")
    site = serve("gunicorn-uvicorn", "--preload", "--workers=2")
    with ExitStack() as stack:
        opened = open_on_each_worker(site, stack, 2)
        site.settle(len(opened), 2)
        with site.reader() as status:
            found = status.get_workers()
            assert {it.worker.pid for it in found} == set(map(pid_of, opened))
            assert len({it.worker.worker_id for it in found}) == 2
            assert {it.worker.server for it in found} == {"gunicorn"}
    site.settle(0, 2)
