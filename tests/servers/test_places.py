"""Where the status file is: by default in the temporary directory of a process."""

from __future__ import annotations

import json
import os
import shutil

import psutil
import pytest

from tests.servers.servers import Site, pid_of, serving, started, wait_until

pytestmark = pytest.mark.server

DEFAULT = {"OPTIONS": {}}

SCRIPT = """
import json
from django_socket_status.services import SocketStatusService
from django_socket_status.status.reader import status_reader
status_reader.read_seconds = 10.0
print(json.dumps([it.worker.pid for it in SocketStatusService.get_workers()]))
"""


def workers_seen_from(site: Site) -> list[int]:
    """Return the pids of the workers that a management command of a site sees."""
    command = f"--command={SCRIPT}"
    return json.loads(site.manage("shell", "--verbosity=0", command))


def test_processes_with_a_temporary_directory_each_see_only_their_own(serve):
    one, two = (serve("uvicorn-sansio", socket_status=DEFAULT) for _ in range(2))
    with one.open("async/a/") as there, two.open("async/b/") as here:
        for site, socket in ((one, there), (two, here)):
            site.eventually_holds(1)
            assert site.ask().content["workers"] == 1
            assert workers_seen_from(site) == [pid_of(socket)]


def test_processes_with_a_temporary_directory_each_meet_at_a_path(serve, tmp_path):
    shared = {"OPTIONS": {"path": str(tmp_path / "shared")}}
    one, two = (serve("uvicorn-sansio", socket_status=shared) for _ in range(2))
    with one.open("async/a/"), two.open("async/b/"):
        for site in (one, two):
            site.eventually(
                lambda it: it.get("workers") == it.get("total_sockets") == 2
            )


def test_temporary_directory_that_a_cleaner_empties_is_filled_again(serve):
    site = serve("daphne", socket_status=DEFAULT)
    with site.open("async/a/"):
        site.eventually_holds(1)
        (directory,) = site.directory.glob("django-socket-status-*")
        assert directory.stat().st_mode & 0o777 == 0o700
        shutil.rmtree(directory)
        wait_until(lambda: directory.exists() and site.ask().status == 200)
        site.eventually_holds(1)


def test_development_server_that_restarts_leaves_nothing_over(tmp_path):
    """``manage.py runserver``, which is Daphne here, after a file was saved."""
    (tmp_path / "saved_by_its_author.py").touch()
    site = Site(
        ("django", "runserver", "127.0.0.1:0"),
        tmp_path / "site",
        python=("-X", "dev"),
        environment={
            "PROJECT_FIRST_APP": "daphne",
            "PROJECT_IMPORTS": "saved_by_its_author",
            "PYTHONPATH": str(tmp_path),
        },
    )
    with started(site), site.open("async/a/") as socket:
        site.eventually_holds(1)
        before = pid_of(socket)
        with site.reader() as status:
            assert [it.worker.pid for it in status.get_workers()] == [before]

            def is_restarted() -> bool:
                # Django sees no change before it has looked at its files once.
                os.utime(tmp_path / "saved_by_its_author.py")
                return not psutil.pid_exists(before)

            wait_until(is_restarted)
            # Not a lease later: as the next one starts.
            assert not status.get_workers()
            site.wait_until_ready()
            assert site.ask().content["total_sockets"] == 0
            with site.open("async/a/") as again:
                site.eventually_holds(1)
                (worker,) = status.get_workers()
                assert worker.worker.pid == pid_of(again) != before
    assert not site.complaints(), site.stderr


def test_root_path_of_the_server_is_in_front_of_the_endpoints(tmp_path):
    with (
        serving("uvicorn-sansio", tmp_path, "--root-path=/app") as site,
        site.open("async/blue/"),
    ):
        answer = site.eventually(lambda it: it["total_sockets"] == 1)
        assert answer["endpoints_known"] is True
        assert answer["uncounted_endpoints"] == {}
        urls = answer["ws_endpoints"].values()
        assert "/app/ws/async/<room>/" in urls
        assert all(url.startswith("/app/ws/") for url in urls)
        with site.reader() as service:
            (connection,) = service.get_connections()
        assert connection.endpoint == "/ws/async/<room>/"
        assert connection.labels == {"room": "blue"}
