"""What a caller hears of workers that answer, answer in part, or do not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from django_socket_status.activity.stored import Activity
from django_socket_status.backends import get_backend
from django_socket_status.control.results import DisconnectResult
from django_socket_status.control.texts import Outcome
from django_socket_status.services import SocketStatusService
from django_socket_status.testing import FakeWorker, isolated_socket_status
from tests.support.asgi_driver import wait_until

pytestmark = pytest.mark.python


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    with isolated_socket_status():
        yield


@pytest.fixture
def remote(memory: None) -> FakeWorker:
    """A worker elsewhere, with two connections in room a."""
    worker = FakeWorker("remote", lease_seconds=60.0)
    rooms = [worker.open(user=user, labels={"room": "a"}) for user in "78"]
    assert get_backend().report(worker.full(rooms))
    return worker


def disconnect(
    answer: Callable[[str], object] = lambda command_id: None, **given: Any
) -> DisconnectResult:
    """Disconnect, and call ``answer`` with the id of the command."""
    results: list[DisconnectResult] = []
    given = {"labels": {"room": "a"}, "wait_seconds": 10.0, **given}
    caller = threading.Thread(
        target=lambda: results.append(SocketStatusService.disconnect(**given))
    )
    caller.start()
    wait_until(get_backend().read_commands)
    answer(get_backend().read_commands()[-1].command.command_id)
    caller.join()
    return results[0]


def report(worker: FakeWorker, command_id: str, **numbers: Any) -> None:
    results = {command_id: Outcome(**numbers).to_text()}
    assert get_backend().exchange(worker.change(activity=Activity(results=results)))


def test_result_of_another_worker_is_waited_for(remote):
    def answer(command_id: str) -> None:
        report(remote, command_id, matched=2, unsent=2, is_final=False)
        time.sleep(0.1)
        report(remote, command_id, matched=2, closed=1, gone=1, codes={4000: 1})

    result = disconnect(answer)
    assert (result.matched, result.closed, result.gone) == (2, 1, 1)
    assert result.complete
    assert result.codes == result.by_worker["remote"].codes == {4000: 1}
    again = SocketStatusService.get_command(result.command_id)
    assert again == result


def test_worker_that_does_not_answer_is_counted_from_what_it_reported(remote):
    result = disconnect(wait_seconds=0.1)
    assert (result.matched, result.unanswered) == (2, 2)
    assert not result.complete
    assert disconnect(user="7", wait_seconds=0.1).unanswered == 1
    assert disconnect(labels={"room": "b"}, wait_seconds=0.1).complete


def test_what_a_worker_had_not_sent_when_it_was_lost_is_unanswered(remote):
    def answer(command_id: str) -> None:
        report(remote, command_id, matched=2, closed=1, unsent=1, is_final=False)
        get_backend().goodbye("remote")

    result = disconnect(answer, wait_seconds=0.5)
    assert (result.matched, result.closed, result.unanswered) == (2, 1, 1)
    again = SocketStatusService.get_command(result.command_id)
    assert again is not None
    assert (again.closed, again.unanswered) == (1, 1)


def test_command_that_the_backend_has_lost_leaves_an_unknown_worker(
    remote, monkeypatch
):
    def lose(command_id: str) -> None:
        # The worker may have closed its connections, and it cannot say so.
        get_backend().report(remote.full([]))
        monkeypatch.setattr(get_backend(), "read_commands", lambda: ())

    result = disconnect(lose, wait_seconds=0.5)
    assert result.unknown_workers == ("remote",)
    assert result.matched == 0
    assert not result.complete


def test_damaged_answer_is_none(remote):
    def answer(command_id: str) -> None:
        results = {command_id: "nonsense"}
        get_backend().exchange(remote.change(activity=Activity(results=results)))

    result = disconnect(answer, wait_seconds=0.3)
    assert (result.matched, result.unanswered) == (2, 2)


def test_stop_reaches_workers_as_a_command(remote):
    SocketStatusService.stop_command("abc")
    (state,) = get_backend().read_commands()
    assert '"stop"' in state.command.text
    assert '"abc"' in state.command.text
