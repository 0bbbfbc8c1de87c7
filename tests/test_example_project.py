"""The example: the site of the quick start, started as the README says."""

from __future__ import annotations

import dataclasses
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from django_socket_status.status.answers import WorkerRecord
from example_project import accident, traffic
from example_project.__main__ import main
from tests.admin.figures.conftest import WORKER
from tests.support.asgi_driver import wait_until
from tests.support.asking import visitor
from tests.support.source import ROOT

PATHS = {
    "call": "/ws/call/blue/",
    "stt": "/ws/stt/",
    "stt_room": "/ws/stt/room/?role=consultant&name=Ada",
    "stt_sales": "/ws/stt/sales/",
    "stt_admin": "/ws/stt/admin/",
}


def environment(directory: Path) -> dict[str, str]:
    """Return the environment of a machine on which the example never ran."""
    kept = {k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"}
    return {
        **kept,
        "TMPDIR": str(directory),
        "EXAMPLE_PROJECT_DATABASE": str(directory / "db.sqlite3"),
    }


@contextmanager
def running(directory: Path, *words: str) -> Iterator[str]:
    """Start the example, yield its address, end it as Ctrl-C does."""
    complaints = directory / "stderr"
    with complaints.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "example_project", "--port", "0", *words],
            cwd=ROOT,
            env=environment(directory),
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )
    with process, process.stdout:
        try:
            said = ""
            while "curl" not in said:
                line = process.stdout.readline()
                assert line, f"the example ended: {complaints.read_text()}"
                said += line
            yield re.search(r"curl (http://\S+)/socket-status/", said)[1]
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0
            assert "Traceback" not in complaints.read_text()
        finally:
            if process.poll() is None:
                # And the servers that it has started.
                os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def origin(tmp_path_factory) -> Iterator[str]:
    """Return the address of a site that several tests visit."""
    with running(tmp_path_factory.mktemp("site")) as origin:
        yield origin


def log_in(origin: str, name: str) -> str:
    """Log in as a person does; return the cookies."""
    with httpx.Client(base_url=origin, follow_redirects=True, timeout=60) as client:
        form = client.get("/accounts/login/").text
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form)[1]
        answer = client.post(
            "/accounts/login/",
            data={"username": name, "password": name, "csrfmiddlewaretoken": token},
        )
        assert name in answer.text
        return f"sessionid={client.cookies['sessionid']}"


def open_socket(origin: str, path: str, cookies: str = "") -> ClientConnection:
    return connect(
        origin.replace("http", "ws", 1) + path,
        origin=origin,
        additional_headers={"Cookie": cookies} if cookies else {},
        proxy=None,
    )


def eventually(
    origin: str, is_as_expected: Callable[[dict], bool], seconds: float = 60
) -> dict:
    """Ask until the summary is as expected, and return it."""
    give_up_at = time.monotonic() + seconds
    while True:
        summary = visitor.get(f"{origin}/socket-status/").json()
        if is_as_expected(summary):
            return summary
        assert time.monotonic() < give_up_at, summary
        time.sleep(0.1)


@pytest.mark.server
def test_page_does_not_call_processes_without_sockets_missing(origin):
    """Their number is 0 on an idle site: it has a row only where it is more."""
    page = visitor.get(f"{origin}/").text
    row = '<div hidden><dt>Processes that hold sockets</dt><dd id="workers">'
    assert row in page
    assert "<dt>Workers</dt>" not in page
    script = re.search(r'src="(\S+/site\.js)"', page)[1]
    assert "hidden = status.workers === 0" in visitor.get(f"{origin}{script}").text


@pytest.mark.server
@pytest.mark.parametrize("server", ["uvicorn", "daphne"])
def test_site_counts_every_kind_of_socket_and_who_is_on_it(tmp_path, server):
    with running(tmp_path, "--server", server) as origin, ExitStack() as stack:
        nobody = eventually(origin, lambda summary: True)
        assert nobody["active"] is False
        assert nobody["ws_endpoints"] == {
            "call": "/ws/call/<room>/",
            "stt": "/ws/stt/",
            "stt_room": "/ws/stt/room/?role=<role>&name=<name>",
            "stt_sales": "/ws/stt/sales/",
            "stt_admin": "/ws/stt/admin/",
        }

        staff = log_in(origin, "staff")
        for path in PATHS.values():
            stack.enter_context(open_socket(origin, path, staff))
        stack.enter_context(open_socket(origin, PATHS["call"]))
        summary = eventually(origin, lambda summary: summary["total_sockets"] == 6)
        assert summary["sockets_by_type"] == dict.fromkeys(PATHS, 1) | {"call": 2}
        assert summary["unique_users"] == 1
        assert summary["anonymous_sockets"] == 1
        assert summary["coverage"] == "host"

        stack.close()
        summary = eventually(origin, lambda summary: not summary["active"])
        assert summary["total_sockets"] == 0


@pytest.mark.server
def test_site_refuses_strangers_and_does_not_count_them(origin):
    for kind in ("stt_sales", "stt_admin"):
        with pytest.raises(InvalidStatus):
            open_socket(origin, PATHS[kind])
    with open_socket(origin, PATHS["stt"]) as there:
        expected = {"stt": 1}
        eventually(origin, lambda summary: summary["sockets_by_type"] == expected)
        there.send("good morning")
        assert there.recv(10) == "Good morning"


@pytest.mark.server
def test_two_in_a_room_hear_each_other(origin):
    with ExitStack() as stack:
        one, two = (
            stack.enter_context(open_socket(origin, PATHS["call"])) for _ in range(2)
        )
        one.send('{"offer": 1}')
        assert one.recv(10) == two.recv(10) == '{"offer": 1}'


@pytest.mark.server
def test_page_finds_all_that_it_names(origin):
    with httpx.Client(base_url=origin, timeout=60) as client:
        page = client.get("/")
        assert "curl -s " + origin in page.text
        named = re.findall(r'(?:src|href)="(/[^"]*)"', page.text)
        scripts = [name for name in named if name.endswith(".js")]
        assert scripts
        for script in scripts:
            imported = re.findall(r'from "\./([^"]+)"', client.get(script).text)
            named += [f"{script.rpartition('/')[0]}/{name}" for name in imported]
        for name in named:
            assert client.get(name).status_code == 200, name


@pytest.mark.server
def test_site_with_simulated_visitors_survives_a_worker_that_is_killed(tmp_path):
    words = ("--workers", "2", "--traffic", "--visitors", "10", "--kill-after", "0.1")
    with running(tmp_path, *words) as origin:
        wait_until(lambda: says_that_a_worker_was_lost(origin))
        # Another one has taken its place.
        summary = eventually(origin, lambda summary: summary["workers"] == 2)
        assert summary["active"]
        eventually(origin, lambda summary: summary["unique_users"] > 0)
        with open_socket(origin, PATHS["stt"]):
            for _ in range(10):
                eventually(origin, lambda summary: summary["workers"] == 2)


def says_that_a_worker_was_lost(origin: str) -> bool:
    """Return whether the admin page does, after a pause."""
    time.sleep(0.5)
    url = f"{origin}/admin/django_socket_status/socketstatus/now/"
    try:
        cookies = {"Cookie": log_in(origin, "staff")}
        text = visitor.get(url, headers=cookies).text
    except httpx.TransportError:
        # The worker that answered was the one.
        return False
    lost = "1 worker was lost in the last hour."
    return lost in text and "The worker was lost" in text


def test_no_worker_of_another_server_is_killed():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with child:
        assert accident.parent_of(child.pid) == os.getpid()
        assert not accident.kill_busiest(os.getppid(), [holding(child.pid)] * 2)
        assert child.poll() is None
        assert not accident.kill_busiest(os.getpid(), [holding(child.pid)])
        assert accident.kill_busiest(os.getpid(), [holding(child.pid)] * 2)
        assert child.wait(60) == -signal.SIGKILL


def holding(pid: int) -> WorkerRecord:
    """Return a worker that holds a connection."""
    return dataclasses.replace(WORKER, pid=pid, total_sockets=1)


def test_taken_port_is_said_plainly(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["--port", str(port)]) == 1
    assert f"port {port} is already in use" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--host", "no.such.host.invalid"], "cannot listen on no.such.host.invalid"),
        (["--server", "daphne", "--workers", "2"], "daphne is a single process"),
    ],
)
def test_what_cannot_work_is_said_plainly(words, reason, capsys):
    assert main(words) == 1
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["--port", "70000"],
        ["--workers", "0"],
        ["--server", "apache"],
        ["--kill-after", "-1"],
    ],
)
def test_words_that_make_no_sense_show_the_usage(words, capsys):
    with pytest.raises(SystemExit):
        main(words)
    assert "usage: python -m example_project" in capsys.readouterr().err


def test_missing_package_names_the_command_that_installs_it(monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main([]) == 1
    assert 'pip install -e ".[example]"' in capsys.readouterr().err


def test_same_seed_makes_the_same_visitors():
    def visits(seed):
        rng = random.Random(seed)
        return [traffic.plan(rng) for _ in range(50)]

    assert visits("1/1") == visits("1/1")
    assert visits("1/1") != visits("2/1")


def test_visitors_are_bounded():
    rng = random.Random(1)
    visits = [traffic.plan(rng) for _ in range(1000)]
    assert max(len(visit.paths) for visit in visits) == 2
    assert max(visit.stay_seconds for visit in visits) <= traffic.STAY_SECONDS[1]
    kinds = {path.partition("?")[0] for visit in visits for path in visit.paths}
    assert len(kinds) == len(traffic.ROOMS) + 4


@pytest.mark.server
def test_staff_reach_the_admin_page_from_the_start_page(origin):
    link = re.compile(r'href="(/admin/django_socket_status/socketstatus/)"')
    cookies = {"Cookie": log_in(origin, "staff")}
    page = visitor.get(f"{origin}/", headers=cookies).text
    answer = visitor.get(f"{origin}{link.search(page)[1]}", headers=cookies)
    assert answer.status_code == 200
    assert "Open connections" in answer.text
    cookies = {"Cookie": log_in(origin, "customer")}
    assert not link.search(visitor.get(f"{origin}/", headers=cookies).text)
