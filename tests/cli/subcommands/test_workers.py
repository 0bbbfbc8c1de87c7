from __future__ import annotations

import os
from typing import Any

import pytest

from django_socket_status.cli.columns import UsageError
from django_socket_status.cli.subcommands.workers import DEFAULT, FIELDS, read
from django_socket_status.services import SocketStatusService
from django_socket_status.testing import FakeWorker
from tests.support.held_sockets import close_socket, open_socket
from tests.support.scripted_backend import SCRIPTED, scripted


@pytest.fixture
def one_open() -> Any:
    connection = open_socket()
    assert not SocketStatusService.get_summary().stale
    yield
    close_socket(connection)


def lines(**options: Any) -> list[str]:
    return list(read(options).lines())


def test_each_process_is_a_row(one_open):
    titles, row = lines()
    assert titles.split()[:6] == ["HOST", "PID", "OPEN", "STATE", "REPORT", "UP"]
    assert row.split()[1:4] == [str(os.getpid()), "1", "ok"]


def test_every_column_can_be_shown_and_sorted_by(one_open):
    titles, row = lines(columns=",".join(FIELDS))
    assert "WORKER" in titles and "call=1" in row
    for name in FIELDS:
        assert len(lines(sort=name)) == 2
    assert set(DEFAULT) <= set(FIELDS)


def test_unknown_column_is_an_error(one_open):
    with pytest.raises(UsageError):
        lines(columns="hosts")
    with pytest.raises(UsageError):
        lines(sort="hosts")


def test_body_is_that_of_the_endpoint(one_open, client, admin_user):
    client.force_login(admin_user)
    expected = client.get("/socket-status/workers/").json()
    body = read({}).body
    assert body.keys() == expected.keys()
    assert body["workers"][0].keys() == expected["workers"][0].keys()


@pytest.fixture
def two_workers(settings: Any) -> list[FakeWorker]:
    settings.SOCKET_STATUS = {"BACKEND": SCRIPTED, "HEARTBEAT_SECONDS": 0.01}
    workers = [FakeWorker("web10"), FakeWorker("web9")]
    for worker in workers:
        scripted().report(worker.full())
    return workers


def ids(**options: Any) -> list[str]:
    return [row.key for row in read(options).tables[0].rows]


def test_rows_are_sorted_by_a_column_or_turned_round(two_workers):
    assert ids(sort="worker_id") == ["web9", "web10"]
    assert ids(sort="worker_id", reverse=True) == ["web10", "web9"]
    assert ids() == ids(reverse=True)[::-1]


def test_late_worker_is_marked_and_has_its_sentence(two_workers):
    answer = read({})
    while not any("missed a report" in it for it in answer.notes):
        answer = read({})
    assert "late" in [row.cells[3] for row in answer.tables[0].rows]


def test_no_worker_has_its_sentence():
    answer = read({})
    assert "No process reports" in answer.notes[0]
    assert not answer.tables
