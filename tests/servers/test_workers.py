"""Several processes serve one project, and others only ask.

Each gives the same right answer, whatever becomes of the processes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import psutil
import pytest
from websockets.sync.client import ClientConnection

from tests.servers.servers import (
    Answer,
    Site,
    killed,
    open_on_each_worker,
    pid_of,
    serving,
    started,
    wait_until,
)

pytestmark = pytest.mark.server

WORKERS = 4
SOCKETS = 60

#: Ask for the summary where there is no server at all.
SCRIPT = """
import json
from django_socket_status.services import SocketStatusService
from django_socket_status.status.reader import status_reader
status_reader.read_seconds = 10.0
print(json.dumps(SocketStatusService.get_socket_info_summary()))
"""


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Serve with four workers."""
    directory = tmp_path_factory.mktemp("crowd")
    options = (f"--workers={WORKERS}",)
    with serving("uvicorn-sansio", directory, *options) as site:
        yield site


@pytest.fixture
def sockets(crowd: Site) -> Iterator[list[ClientConnection]]:
    """Hold sixty sockets, of which every worker has some."""
    with ExitStack() as stack:
        opened = open_on_each_worker(crowd, stack, WORKERS)
        for number in range(SOCKETS - len(opened)):
            socket = crowd.open(f"{'sync' if number % 3 else 'bare'}/{number}/")
            opened.append(stack.enter_context(socket))
        crowd.settle(len(opened), WORKERS)
        yield opened
    crowd.eventually_holds(0)


def is_right(content: dict[str, Any], sockets: list[ClientConnection]) -> bool:
    """Return whether an answer says what the clients themselves know."""
    counts = Counter(content["sockets_by_type"])
    assert content["total_sockets"] == counts.total() == content["anonymous_sockets"]
    assert content["coverage"] == "host"
    return counts == Counter(map(type_of, sockets))


def type_of(socket: ClientConnection) -> str:
    kind = socket.request.path.split("/")[2]
    return "ws_bare" if kind == "bare" else f"{kind}_room"


def test_workers_whose_first_sockets_open_at_once_meet_in_one_file(crowd):
    assert list(crowd.ask_every_worker(WORKERS))
    with ExitStack() as stack:
        opened = [
            stack.enter_context(crowd.open_raw("bare/a/", wait=False))
            for _ in range(SOCKETS)
        ]
        for socket in opened:
            assert socket.handshake() == 101
        crowd.settle(SOCKETS, WORKERS)
        assert crowd.ask().content["workers"] > 1
    crowd.settle(0, WORKERS)


def test_every_worker_gives_the_same_right_answer(crowd, sockets):
    for answer in crowd.ask_every_worker(WORKERS, 5):
        assert is_right(answer.content, sockets), answer
        assert answer.content["workers"] == WORKERS
        assert not answer.content["stale"]


def test_management_command_and_wsgi_process_see_the_same(crowd, sockets, tmp_path):
    command = ("tests.servers.project.wsgi",)
    web = Site(command, tmp_path / "web", socket_status=crowd.socket_status)
    with started(web):
        seen = [
            json.loads(crowd.manage("shell", "--verbosity=0", f"--command={SCRIPT}")),
            web.ask().content,
        ]
    for content in seen:
        assert is_right(content, sockets), content
        assert content["workers"] == WORKERS
        assert not content["stale"]
        assert content["ws_endpoints"] == crowd.ask().content["ws_endpoints"]
    assert not web.complaints()
    # A process that only reads is no worker.
    assert crowd.ask().content["workers"] == WORKERS


def test_files_that_a_cleaner_removes_are_made_again(crowd, sockets):
    for file in crowd.directory.glob("status*"):
        file.unlink()
    answers: list[Answer] = []

    def is_back() -> bool:
        answers.append(crowd.ask())
        return answers[-1].status == 200 and is_right(answers[-1].content, sockets)

    # Every worker looks at each heartbeat, which is a second.
    wait_until(is_back, explain=lambda: answers)
    crowd.settle(len(sockets), WORKERS)
    # On the way there, no answer was wrong without saying so.
    for answer in answers:
        if answer.status == 200 and not answer.content["stale"]:
            assert is_right(answer.content, sockets), answer


def test_answer_after_files_were_removed_is_never_zero(crowd, sockets):
    for file in crowd.directory.glob("status*"):
        file.unlink()
    answers = list(crowd.ask_every_worker(WORKERS))
    crowd.settle(len(sockets), WORKERS)
    for answer in answers:
        assert answer.status != 200 or answer.content["total_sockets"]


def test_killed_worker_is_out_of_the_answer_at_the_next_read(crowd, sockets):
    held = Counter(map(pid_of, sockets))
    assert len(held) == WORKERS
    victim = min(held)
    killed(psutil.Process(victim))
    with crowd.reader() as status:
        found = status.get_workers()
        assert {it.worker.pid: it.total_sockets for it in found} == {
            pid: count for pid, count in held.items() if pid != victim
        }
        assert status.get_connections().total == len(sockets) - held[victim]
    crowd.eventually_holds(len(sockets) - held[victim])
    # uvicorn starts another one in its place.
    for answer in crowd.ask_every_worker(WORKERS):
        assert answer.pid != victim
        assert answer.content["total_sockets"] == len(sockets) - held[victim]
