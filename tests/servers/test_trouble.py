"""A status store that cannot be used harms no socket, and the answer says so."""

from __future__ import annotations

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import psutil
import pytest

from tests.servers.servers import READ_LIMIT, Site, answer_of, wait_until

pytestmark = [pytest.mark.server, pytest.mark.faults]

SERVERS = ["daphne", "uvicorn-sansio"]

HANGING = {
    "BACKEND": "tests.servers.project.backends.HangingBackend",
    "OPTIONS": {},
}

#: Half a second for each read, and each question is one.
SLOW = {
    "BACKEND": "tests.servers.project.backends.SlowBackend",
    "OPTIONS": {},
    "CACHE_SECONDS": 0,
}

SOCKETS = 40

ECHOES = 20
#: Many times what an echo takes, and less than any timeout of ours.
QUICK_SECONDS = 0.2


def sockets_work(site: Site) -> None:
    """See that sockets open, answer, are refused and close as without us."""
    for kind in ("async", "sync", "bare"):
        with site.open(f"{kind}/a/") as socket:
            seconds = []
            for number in range(ECHOES):
                started_at = time.perf_counter()
                assert answer_of(socket, str(number)) == str(number)
                seconds.append(time.perf_counter() - started_at)
            assert sorted(seconds)[ECHOES // 2] < QUICK_SECONDS
    with site.open_raw("async/b/?reject", wait=False) as socket:
        assert socket.handshake() == 403


def warnings_of(site: Site) -> list[str]:
    """Return what we warned about, in order; nothing else may be of ours."""
    warnings = [
        line
        for line in site.complaints()
        if line.startswith("WARNING django_socket_status:")
    ]
    assert site.complaints() == warnings, site.stderr
    return warnings


@pytest.mark.parametrize("server", SERVERS)
def test_path_that_cannot_be_written_leaves_an_answer_for_the_process(
    serve, server, tmp_path
):
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "status"
    options = {"OPTIONS": {"path": str(path)}}
    site = serve(server, quiet=False, ready=503, socket_status=options)
    sockets_work(site)
    with site.open("async/a/"):
        content = site.ask().content
        assert content["coverage"] == "process"
        assert content["total_sockets"] == 1
    # Once for reading, once for reporting; not at each heartbeat.
    read, reported = warnings_of(site)
    assert "cannot be read" in read
    assert "cannot be reported" in reported
    for warning in (read, reported):
        assert str(path) in warning
        assert "Set SOCKET_STATUS['OPTIONS']['path']" in warning


@pytest.mark.parametrize("server", SERVERS)
def test_backend_that_hangs_leaves_the_sockets_alone(serve, server):
    site = serve(
        server,
        quiet=False,
        ready=503,
        socket_status=HANGING,
        environment=READ_LIMIT,
    )
    sockets_work(site)
    with site.open("async/a/"):

        def is_answered_soon() -> bool:
            started_at = time.monotonic()
            answer = site.ask()
            assert answer.status == 503
            assert answer.content["error"]["code"] == "service_unavailable"
            return time.monotonic() - started_at < 2

        # A machine that is busy is slow now and then, and not each time.
        assert any(is_answered_soon() for _ in range(6))
        site.process.terminate()
        wait_until(lambda: site.process.poll() is not None)
    (warning,) = warnings_of(site)
    assert "cannot be read: there was no answer within" in warning


@pytest.mark.parametrize("server", SERVERS)
def test_page_with_the_badge_stops_no_socket_while_the_store_is_slow(serve, server):
    site = serve(server, socket_status=SLOW)
    with site.open("async/a/") as socket, ThreadPoolExecutor(1) as pool:
        pages = pool.submit(lambda: [site.get("/page/") for _ in range(ECHOES)])
        seconds = []
        while not pages.done():
            started_at = time.perf_counter()
            assert answer_of(socket, "there") == "there"
            seconds.append(time.perf_counter() - started_at)
        # A page that waits for the store delays an echo each time, and a machine that
        # is busy does so now and then.
        assert sum(it > QUICK_SECONDS for it in seconds) < ECHOES / 2
    for page in pages.result():
        # None, or what it was before the socket opened.
        assert "1 live as of" in page or 'state="unknown"' in page


def test_store_that_stays_locked_is_replaced(serve):
    site = serve("uvicorn-sansio", quiet=False)
    with site.open("async/a/"):
        site.eventually_holds(1)
        files = site.directory.glob("status*.db")
        (database,) = (it for it in files if "activity" not in it.name)
        with closing(sqlite3.connect(database, isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            sockets_work(site)
            with site.open("sync/b/"), site.reader() as status:
                wait_until(
                    lambda: status.get_socket_info_summary()["total_sockets"] == 2
                )
                site.eventually_holds(2)
    assert any("is replaced" in warning for warning in warnings_of(site))


def test_full_disk_leaves_an_answer_for_the_process_until_there_is_room(serve):
    site = serve("uvicorn-sansio", quiet=False)
    process = psutil.Process(site.process.pid)
    if not hasattr(process, "rlimit"):
        pytest.skip("needs Linux")
    with ExitStack() as stack:
        stack.enter_context(site.open("async/a/"))
        site.eventually_holds(1)
        # What was written stays; no file of this process gets any longer.
        process.rlimit(psutil.RLIMIT_FSIZE, (4096, psutil.RLIM_INFINITY))
        for number in range(SOCKETS):
            stack.enter_context(site.open(f"sync/{number}/"))
        sockets_work(site)
        content = site.eventually(lambda it: it.get("coverage") == "process")
        assert content["total_sockets"] == 1 + SOCKETS
        unlimited = (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY)
        process.rlimit(psutil.RLIMIT_FSIZE, unlimited)
        site.eventually(lambda it: it.get("coverage") == "host")
        site.eventually_holds(1 + SOCKETS)
        with site.reader() as status:
            assert status.get_connections().total == 1 + SOCKETS
    (warning,) = warnings_of(site)
    assert "cannot be reported" in warning
    assert "Set SOCKET_STATUS['OPTIONS']['path']" in warning
