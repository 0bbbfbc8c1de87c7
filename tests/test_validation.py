"""Nothing that a backend read enters the process with another type or range."""

from __future__ import annotations

import dataclasses
import datetime
import json
import math

import pytest
from django.test import AsyncClient

from django_socket_status.backends import get_backend
from django_socket_status.exceptions import BackendError, StatusUnavailableError
from django_socket_status.records import (
    ConnectionPage,
    ConnectionQuery,
    ConnectionRecord,
    Cursor,
    OpenedConnection,
    Snapshot,
    Worker,
    WorkerStatus,
)
from django_socket_status.services import SocketStatusService
from django_socket_status.testing import FakeWorker, isolated_socket_status
from django_socket_status.validation import (
    valid_count,
    valid_opened,
    valid_page,
    valid_seconds,
    valid_snapshot,
    valid_user_ids,
)
from tests.support.scripted_backend import SCRIPTED

NOW = datetime.datetime(2026, 11, 30, tzinfo=datetime.timezone.utc)
WORKER = Worker(worker_id="a", host="host", pid=7, server="daphne", started_at=NOW)
STATUS = WorkerStatus(WORKER, {"call": 2}, 1, 0.5)
SNAPSHOT = Snapshot(workers=(STATUS,), unique_users=1)

NO_COUNTS = [-1, 1.0, 1.5, math.nan, math.inf, True, "1", b"1", None, 2**53, [1]]


@pytest.mark.parametrize("value", NO_COUNTS, ids=repr)
def test_count_is_a_whole_number_in_range(value):
    with pytest.raises(BackendError):
        valid_count(value)
    assert valid_count(2**53 - 1)


@pytest.mark.parametrize(
    "value", [-1.0, math.nan, math.inf, -math.inf, True, "1", None, 1e12], ids=repr
)
def test_time_is_finite_and_in_range(value):
    with pytest.raises(BackendError):
        valid_seconds(value)
    assert valid_seconds(1_800_000_000.5)


def with_worker(**changed):
    return STATUS._replace(worker=dataclasses.replace(WORKER, **changed))


DAMAGED = {
    **{
        f"count is {value!r}": STATUS._replace(counts={"call": value})
        for value in NO_COUNTS
    },
    "no mapping": STATUS._replace(counts=[("call", 1)]),
    "no text as a type": STATUS._replace(counts={1: 1}),
    "a type without an end": STATUS._replace(counts={"c" * 10_000: 1}),
    "too many types": STATUS._replace(counts={str(n): 1 for n in range(10_001)}),
    **{f"anonymous is {it!r}": STATUS._replace(anonymous=it) for it in NO_COUNTS},
    **{
        f"age is {it!r}": STATUS._replace(age_seconds=it)
        for it in (-1, math.nan, math.inf, "1", None, True)
    },
    "complete is no bool": STATUS._replace(complete="no"),
    "no worker": STATUS._replace(worker=None),
    "id is no text": with_worker(worker_id=7),
    "host is no text": with_worker(host=None),
    "pid is text": with_worker(pid="7"),
    "pid is negative": with_worker(pid=-7),
    "start is text": with_worker(started_at="2026"),
    "start has no time zone": with_worker(started_at=NOW.replace(tzinfo=None)),
    "no status": {"worker": "a"},
    "nothing": None,
}


@pytest.mark.parametrize("damaged", DAMAGED.values(), ids=DAMAGED)
def test_damaged_worker_is_left_out_and_admitted(damaged):
    given = dataclasses.replace(SNAPSHOT, workers=(damaged, STATUS))
    found = valid_snapshot(given)
    assert found.workers == (STATUS,)
    assert not found.complete


@pytest.mark.parametrize("users", [it for it in NO_COUNTS if it is not None], ids=repr)
def test_damaged_number_of_users_is_not_known(users):
    found = valid_snapshot(dataclasses.replace(SNAPSHOT, unique_users=users))
    assert found.unique_users is None
    assert not found.complete


def test_sound_snapshot_is_the_same_object():
    assert valid_snapshot(SNAPSHOT) is SNAPSHOT
    partial = dataclasses.replace(SNAPSHOT, complete=False)
    assert valid_snapshot(partial) is partial
    assert not valid_snapshot(dataclasses.replace(SNAPSHOT, complete="yes")).complete


@pytest.mark.parametrize("answer", [None, {}, (), "snapshot", 7])
def test_what_is_no_snapshot_is_no_answer(answer):
    with pytest.raises(BackendError):
        valid_snapshot(answer)
    with pytest.raises(BackendError):
        valid_snapshot(Snapshot(workers=None, unique_users=0))


QUERY = ConnectionQuery()
OPENED = OpenedConnection(1, "call", "/call/", "7", {"room": "blue"}, 1e9)
RECORD = ConnectionRecord.of("a", OPENED)
PLACE = Cursor(1e9, "a", 1)
PAGE = ConnectionPage(connections=(RECORD,), total=1, limit=100, offset=0)


@pytest.mark.parametrize(
    "changed",
    [
        {"connection_id": 7},
        {"type": None},
        {"endpoint": b"/"},
        {"user_id": 7},
        {"labels": None},
        {"labels": {"room": 7}},
        {"labels": {7: "room"}},
        {"connected_at": 1e9},
        {"connected_at": NOW.replace(tzinfo=None)},
        {"worker_id": None},
    ],
    ids=repr,
)
def test_damaged_connection_is_left_out_and_admitted(changed):
    damaged = dataclasses.replace(RECORD, **changed)
    page = dataclasses.replace(PAGE, connections=(damaged, RECORD), total=2)
    found = valid_page(page, QUERY)
    assert found.connections == (RECORD,)
    assert not found.complete
    assert valid_page(PAGE, QUERY) is PAGE


@pytest.mark.parametrize(
    "changed",
    [
        {"total": -1},
        {"total": "1"},
        {"total": math.nan},
        {"limit": 7},
        {"offset": None},
        {"connections": 7},
        {"total": None},
        {"after": PLACE},
        {"next_cursor": PLACE.text},
        {"next_cursor": PLACE._replace(opened_at=math.nan)},
        {"next_cursor": PLACE._replace(worker_id=7)},
        {"next_cursor": PLACE._replace(number=-1)},
    ],
    ids=repr,
)
def test_page_of_something_else_is_no_answer(changed):
    with pytest.raises(BackendError):
        valid_page(dataclasses.replace(PAGE, **changed), QUERY)


@pytest.mark.parametrize(
    "changed",
    [
        {"after": None},
        {"after": PLACE._replace(number=2)},
        {"next_cursor": PLACE},
        {"next_cursor": PLACE._replace(number=0)},
        {"next_cursor": PLACE._replace(opened_at=2e9)},
    ],
    ids=repr,
)
def test_page_that_does_not_follow_its_cursor_is_no_answer(changed):
    query = dataclasses.replace(QUERY, after=PLACE)
    page = dataclasses.replace(PAGE, after=PLACE, total=None)
    assert valid_page(page, query) is page
    following = dataclasses.replace(page, next_cursor=PLACE._replace(number=2))
    assert valid_page(following, query) is following
    with pytest.raises(BackendError):
        valid_page(dataclasses.replace(page, **changed), query)


@pytest.mark.parametrize(
    "changed",
    [
        {"number": -1},
        {"number": True},
        {"opened_at": math.nan},
        {"opened_at": -1.0},
        {"opened_at": 1e300},
        {"type": 7},
        {"endpoint": None},
        {"user_id": b"7"},
        {"labels": []},
        {"labels": {"room": None}},
    ],
    ids=repr,
)
def test_damaged_report_of_a_connection_is_refused(changed):
    with pytest.raises(BackendError):
        valid_opened(OPENED._replace(**changed))
    assert valid_opened(OPENED) is OPENED


@pytest.mark.parametrize("answer", [None, 7, "ab", b"ab", [7], [None], iter("ab")])
def test_users_are_a_collection_of_texts(answer):
    with pytest.raises(BackendError):
        valid_user_ids(answer)
    assert valid_user_ids({"a"}) == {"a"}


def test_page_of_users_is_no_answer_to_a_question_for_anonymous_connections():
    query = dataclasses.replace(QUERY, anonymous=True)
    with pytest.raises(BackendError, match="anonymous"):
        valid_page(PAGE, query)
    unnamed = dataclasses.replace(RECORD, user_id=None)
    page = dataclasses.replace(PAGE, connections=(unnamed,))
    assert valid_page(page, query) is page


# A backend of others, through everything that answers.


@pytest.fixture
def backend():
    with isolated_socket_status(BACKEND=SCRIPTED, OPTIONS={}):
        yield get_backend()


@pytest.mark.parametrize("damaged", DAMAGED.values(), ids=DAMAGED)
async def test_summary_of_damaged_data_is_stale_and_json(backend, damaged):
    backend.seen = lambda _: dataclasses.replace(SNAPSHOT, workers=(damaged, STATUS))
    response = await AsyncClient().get("/socket-status/")
    assert response.status_code == 200

    def refuse(name):
        pytest.fail(f"{name} is no JSON")

    summary = json.loads(response.content, parse_constant=refuse)
    assert summary["stale"]
    assert summary["total_sockets"] == 2
    assert [it.worker for it in await SocketStatusService.aget_workers()] == [WORKER]
    with pytest.raises(StatusUnavailableError):
        await SocketStatusService.ahas_listeners("chat")


@pytest.mark.parametrize("answer", [None, {}, "snapshot", 7])
async def test_answer_that_is_no_snapshot_is_no_answer_at_all(backend, answer):
    backend.seen = lambda _: answer
    response = await AsyncClient().get("/socket-status/")
    assert response.status_code == 503


def test_other_questions_have_no_damaged_answer(backend, monkeypatch):
    answers = {"get_connections": None, "is_online": "no", "online_user_ids": "ab"}
    for name, answer in answers.items():
        monkeypatch.setattr(backend, name, lambda *given, answer=answer: answer)
    with pytest.raises(StatusUnavailableError):
        SocketStatusService.get_connections()
    with pytest.raises(StatusUnavailableError):
        SocketStatusService.is_online("7")
    with pytest.raises(StatusUnavailableError):
        SocketStatusService.online_user_ids()


def test_backend_of_an_older_contract_names_no_user_as_anonymous(backend, monkeypatch):
    """It knows the fields of its version, and passes those on."""
    worker = FakeWorker()
    assert backend.report(worker.full([worker.open(user="7"), worker.open()]))
    known = {"type", "user_id", "labels", "limit", "offset"}
    get_connections = backend.get_connections

    def older(query):
        return get_connections(
            ConnectionQuery(**{it: getattr(query, it) for it in known})
        )

    monkeypatch.setattr(backend, "get_connections", older)
    monkeypatch.setattr(backend, "pages_after", False, raising=False)
    assert SocketStatusService.get_connections().total == 2
    with pytest.raises(StatusUnavailableError, match="anonymous"):
        SocketStatusService.get_connections(anonymous=True)
    with pytest.raises(StatusUnavailableError, match="anonymous"):
        list(SocketStatusService.iter_connections(anonymous=True))
