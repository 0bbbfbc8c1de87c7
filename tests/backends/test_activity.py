"""What workers reported, as the service and the views read it from each backend."""

from __future__ import annotations

import contextlib
import inspect
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.test import RequestFactory
from django.urls import resolve, reverse

from django_socket_status.activity.entries import (
    EndedConnection,
    RejectedHandshake,
    closed_text,
    rejected_text,
)
from django_socket_status.activity.stored import (
    Activity,
    Bucket,
    CountTotals,
    Entries,
)
from django_socket_status.activity.totals import Totals
from django_socket_status.backends import get_backend
from django_socket_status.backends.redis import RedisBackend
from django_socket_status.conf import SQLITE_BACKEND
from django_socket_status.exceptions import NotKeptError, StatusUnavailableError
from django_socket_status.records import OpenedConnection
from django_socket_status.reporter.sampler import Sampler
from django_socket_status.services import SocketStatusService
from django_socket_status.testing import FakeWorker, isolated_socket_status

MEMORY = "django_socket_status.backends.memory.MemoryBackend"
REDIS = "django_socket_status.backends.redis.RedisBackend"
AT = 1_700_000_000.0


@pytest.fixture(
    params=["memory", "sqlite", pytest.param("redis", marks=pytest.mark.redis)]
)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Read and write one of the backends."""
    given: dict[str, Any] = {"BACKEND": MEMORY}
    if request.param == "sqlite":
        given = {"BACKEND": SQLITE_BACKEND, "OPTIONS": {"path": tmp_path / "file"}}
    if request.param == "redis":
        prefix = request.getfixturevalue("redis_prefix")
        url = request.getfixturevalue("shared_redis").url
        given = {"BACKEND": REDIS, "OPTIONS": {"url": url, "prefix": prefix}}
    with isolated_socket_status(**given):
        yield request.param


pytestmark = pytest.mark.usefixtures("store")


class Reporting:
    """A worker that reports what a test makes up."""

    def __init__(self, worker_id: str = "a" * 16) -> None:
        self.worker = FakeWorker(worker_id, lease_seconds=600)
        self.totals = Totals()

    def report(self, *, held: int = 0, **activity: Any) -> None:
        is_new = not self.worker.sequence
        text = self.totals.to_text()
        if is_new:
            activity = {"totals": CountTotals(1, True, text), **activity}
        opened = [self.worker.open() for _ in range(held)]
        report = self.worker.full if is_new else self.worker.change
        given: Any = [opened] if is_new else opened
        answer = get_backend().exchange(report(*given, activity=Activity(**activity)))
        assert answer.is_taken

    def close(self, *ended: EndedConnection, left_out: int = 0) -> None:
        text = closed_text(self.worker.worker.worker_id, "v7", ended)
        self.report(closed=Entries(text, len(ended), left_out))

    def reject(self, *statuses: str, user: str | None = None) -> None:
        opened = OpenedConnection(0, "call", "/ws/", user, {}, AT)
        handshakes = [
            RejectedHandshake(opened._replace(opened_at=AT + number), status)
            for number, status in enumerate(statuses)
        ]
        text = rejected_text(self.worker.worker.worker_id, "v7", handshakes)
        self.report(rejected=Entries(text, len(statuses)))


@pytest.fixture
def reporting() -> Reporting:
    return Reporting()


def ended(
    number: int,
    *,
    kind: str = "call",
    user: str | None = None,
    cause: str = "client_closed",
    code: int | None = 1000,
    **labels: str,
) -> EndedConnection:
    opened = OpenedConnection(number, kind, "/ws/", user, labels, AT)
    return EndedConnection(opened, AT + number, cause, code, "")


def both(name: str, **given: Any) -> Any:
    """Return the answer of both forms of a method, which is the same."""
    found = getattr(SocketStatusService, name)(**given)
    on_loop = getattr(SocketStatusService, f"a{name}")(**given)
    if inspect.isasyncgen(on_loop):
        return [*found], async_to_sync(collected)(on_loop)
    answer = async_to_sync(awaited)(on_loop)
    assert answer == found
    return found


async def awaited(on_loop: Any) -> Any:
    return await on_loop


async def collected(on_loop: Any) -> list[Any]:
    return [it async for it in on_loop]


def view(name: str, status: int = 200, **parameters: Any) -> Any:
    """Return the JSON that staff gets."""
    path = reverse(f"socket_status:{name}")
    request = RequestFactory().get(path, parameters)
    request.user = User(pk=1, is_active=True, is_staff=True)
    response = resolve(path).func(request)
    assert response.status_code == status, response.content
    return json.loads(response.content)


def numbers(page: Any) -> list[int]:
    return [int(it.connection_id.partition("-")[2], 16) for it in page]


def test_totals_are_those_of_all_workers(reporting):
    reporting.totals.opened["call"] = 3
    reporting.totals.closed["call"] = {"app_error": 1}
    reporting.report()
    other = Reporting("b" * 16)
    other.totals.opened["call"] = 4
    other.totals.rejected["call"] = {"403": 2}
    other.report()
    found = both("get_totals")
    assert found.opened == {"call": 7}
    assert found.closed == {"call": {"app_error": 1}}
    assert found.rejected == {"call": {"403": 2}}
    assert view("totals") == found.as_dict()


def test_totals_have_no_beginning_before_the_first_worker():
    assert both("get_totals").since is None
    assert view("totals")["since"] is None


def test_closed_connections_are_listed_counted_and_iterated(reporting):
    reporting.close(ended(1, room="blue"), ended(2, kind="chat"))
    reporting.close(ended(3, user="7"), ended(4, cause="app_error", code=None))
    page = both("get_connections", state="closed", limit=3)
    assert numbers(page) == [4, 3, 2]
    assert (page.total, page.next_offset, page.complete) == (4, 3, True)
    assert view("closed", limit=3) == page.as_dict()
    for given, wanted in (
        ({"cause": "app_error"}, [4]),
        ({"code": 1000}, [3, 2, 1]),
        ({"type": "chat"}, [2]),
        ({"user": 7}, [3]),
        ({"anonymous": True}, [4, 2, 1]),
        ({"labels": {"room": "blue"}}, [1]),
    ):
        found = both("get_connections", state="closed", **given)
        assert numbers(found) == wanted
        for iterated in both("iter_connections", state="closed", **given):
            assert iterated == list(found)
    assert view("closed", **{"label.room": "blue"})["total"] == 1
    assert view("closed", cause="app_error", anonymous="true")["total"] == 1


def test_connection_that_is_open_again_leaves_the_list(reporting):
    reporting.close(ended(1, cause="worker_lost"), ended(2))
    reporting.close(ended(1)._replace(closed_at=None))
    assert numbers(both("get_connections", state="closed")) == [2]
    reporting.close(ended(1))
    (first, second), _ = both("iter_connections", state="closed")
    assert (first.cause, second.cause) == ("client_closed", "client_closed")


def test_rejected_handshakes_are_listed_and_iterated(reporting):
    reporting.reject("403", "gone")
    reporting.reject("404", user="7")
    page = both("get_connections", state="rejected")
    assert {it.status for it in page} == {"403", "404", "gone"}
    assert view("rejected") == page.as_dict()
    (found,) = both("get_connections", state="rejected", code=404)
    assert found.user_id == "7"
    assert both("iter_connections", state="rejected", user=7) == ([found], [found])


def test_list_says_that_it_is_a_sample(reporting):
    reporting.close(ended(1), left_out=5000)
    assert both("get_connections", state="closed").is_sample
    assert view("closed")["is_sample"] is True


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_list_whose_space_was_needed_says_that_connections_are_missing(reporting):
    reporting.report(held=3)
    reporting.close(ended(1))
    backend: Any = get_backend()
    assert backend._store.drop_ended()
    reporting.close(ended(2))
    page = SocketStatusService.get_connections(state="closed")
    assert (page.total, page.is_sample) == (0, True)


def test_samples_become_the_history(reporting):
    reporting.report(held=3)
    Sampler().take(get_backend())
    for span in ("1h", "6h", "1d", "7d"):
        found = SocketStatusService.get_history(span=span)
        (bucket,) = [it for it in found.buckets if it.samples]
        assert (bucket.open_average, bucket.open_peak, bucket.workers) == (3, 3, 1)
        assert found.complete
        assert len(found.buckets) == 60
    typed = SocketStatusService.get_history("7d", type="call")
    assert [it.open_peak for it in typed.buckets if it.samples] == [3]
    body = view("history", span="1h", type="call")
    assert (body["span"], body["type"], body["types"]) == ("1h", "call", ["call"])
    assert async_to_sync(SocketStatusService.aget_history)("7d").types == ["call"]


def test_history_without_a_sample_is_all_gaps():
    found = SocketStatusService.get_history()
    assert {it.open_average for it in found.buckets} == {None}
    assert {it.opened for it in found.buckets} == {None}


def test_forgotten_user_is_in_no_list(reporting):
    reporting.close(ended(1, user="7", room="blue"), ended(2, user="77"))
    reporting.close(ended(3, user="7"))
    reporting.reject("403", "gone", user="7")
    assert SocketStatusService.forget_user(7) == 4
    assert both("get_connections", state="closed", user=7).total == 0
    assert both("get_connections", state="rejected", user=7).total == 0
    page = both("get_connections", state="closed")
    assert [it.user_id for it in page] == [None, "77", None]
    assert page[2].labels == {"room": "blue"}
    assert page.complete
    assert both("forget_user", user="7") == 0
    assert async_to_sync(SocketStatusService.aforget_user)(77) == 1


def test_users_are_forgotten_where_nothing_is_kept():
    assert both("forget_user", user=7) == 0


#: What a store may hold instead of entries; one of them names a user.
DAMAGED = [
    "x",
    "[]",
    "{}",
    "[" * 100_000,
    '{"worker":5,"release":"","entries":[]}',
    '{"worker":"a","release":"","entries":{}}',
    '{"worker":"a","release":"","entries":[null,[],"7"]}',
    '{"worker":"a","release":"","entries":[[1,"call","/","7",{},0,1e999,"x",1,""]]}',
    '{"worker":"a","release":"","entries":[[1,"call","/","7",{},NaN,1,"x",1,""]]}',
    '{"worker":"a","release":"","entries":[[-1,"call","/","7",{},0,1,"x",1,""]]}',
]


@pytest.mark.parametrize("text", DAMAGED, ids=range(len(DAMAGED)))
def test_damaged_entries_are_left_out_and_the_list_says_so(reporting, text):
    reporting.close(ended(1, user="7"))
    reporting.reject("403", user="7")
    reporting.report(closed=Entries(text, 1), rejected=Entries(text, 1))
    for state in ("closed", "rejected"):
        page = both("get_connections", state=state)
        assert (page.total, page.complete) == (1, False)
        assert view(state)["complete"] is False
        with pytest.raises(StatusUnavailableError, match="damaged"):
            both("iter_connections", state=state)
    SocketStatusService.forget_user(7)
    for state in ("closed", "rejected"):
        page = both("get_connections", state=state)
        assert (page.total, page.complete) == (1, False)
        assert page[0].user_id is None
        for entries in get_backend().read_ended(state):  # type: ignore[arg-type]
            assert '"7"' not in entries.text


@pytest.mark.parametrize("text", ["x", "[]", '{"opened":{"call":-1}}', "[" * 100_000])
def test_damaged_totals_are_no_zero(reporting, text):
    reporting.totals.opened["call"] = 3
    reporting.report()
    reporting.report(totals=CountTotals(1, False, text))
    with pytest.raises(StatusUnavailableError, match="damaged"):
        SocketStatusService.get_totals()
    assert view("totals", 503)["error"]["code"] == "service_unavailable"


@pytest.mark.parametrize("text", ["x", "[]", "{}", '{"samples":NaN}', "[" * 100_000])
@pytest.mark.parametrize("ring", ["1h", "10s", "events"])
def test_damaged_bucket_is_a_gap_and_the_history_says_so(reporting, ring, text):
    reporting.report(held=1)
    Sampler().take(get_backend())
    (good, *_) = get_backend().read_buckets({ring: 0}) or [Bucket(ring, 10**16, "")]
    get_backend().write_buckets([good._replace(text=text, keep=60)], "")
    found = both_histories()
    assert not found.complete
    assert not (ring == "1h" and any(it.samples for it in found.buckets))
    assert view("history")["complete"] is False


def both_histories() -> Any:
    """Return the history, which may be of another instant on an event loop."""
    found = SocketStatusService.get_history()
    on_loop = async_to_sync(SocketStatusService.aget_history)()
    assert on_loop.complete is found.complete
    return found


def test_list_that_a_setting_disables_is_no_empty_list(settings, reporting):
    reporting.close(ended(1))
    given = settings.SOCKET_STATUS
    for setting, state in (
        ("CLOSED_LIMIT", "closed"),
        ("CLOSED_SECONDS", "closed"),
        ("REJECTED_LIMIT", "rejected"),
        ("CLOSED_SECONDS", "rejected"),
    ):
        settings.SOCKET_STATUS = {**given, setting: 0}
        with pytest.raises(NotKeptError, match=rf"{setting}.* is 0"):
            SocketStatusService.get_connections(state=state)
        assert setting in view(state, 501)["error"]["message"]


# Redis.


@pytest.fixture
def trips(store: str) -> Callable[[], contextlib.AbstractContextManager[list[str]]]:
    """Return what counts the round trips of a block."""

    @contextlib.contextmanager
    def counted() -> Iterator[list[str]]:
        backend = get_backend()
        assert isinstance(backend, RedisBackend)
        made: list[str] = []
        with pytest.MonkeyPatch.context() as patch:
            for name in ("run", "run_with", "pipeline"):
                call = getattr(backend._client, name)

                def note(*given: Any, name: str = name, call: Any = call) -> Any:
                    made.append(name)
                    return call(*given)

                patch.setattr(backend._client, name, note)
            yield made

    return counted


@pytest.mark.parametrize("store", ["redis"], indirect=True)
@pytest.mark.redis
def test_answers_take_three_round_trips_at_most(reporting, trips):
    reporting.report(held=3)
    Sampler().take(get_backend())
    for first in range(1, 2000, 100):
        reporting.close(*(ended(it) for it in range(first, first + 100)))
    reporting.reject(*["403"] * 100)
    for ask in (
        SocketStatusService.get_totals,
        lambda: SocketStatusService.get_history("1h"),
        lambda: SocketStatusService.get_history("7d", type="call"),
        lambda: SocketStatusService.get_connections(state="closed"),
        lambda: SocketStatusService.get_connections(state="closed", offset=1900),
        lambda: SocketStatusService.get_connections(state="closed", cause="drained"),
        lambda: SocketStatusService.get_connections(state="rejected"),
    ):
        with trips() as made:
            ask()
        assert 1 <= len(made) <= 3, made


@pytest.mark.parametrize("store", ["redis"], indirect=True)
@pytest.mark.redis
def test_heartbeat_is_one_round_trip_and_a_sample_three_more(reporting, trips):
    kinds = [f"kind_{number}" for number in range(20)]
    reporting.totals.closed = {kind: {"client_closed": 1} for kind in kinds}
    reporting.report(held=3)
    Sampler().take(get_backend())
    with trips() as made:
        reporting.report()
    assert len(made) == 1
    with trips() as made:
        Sampler().take(get_backend())
    assert len(made) == 3


@pytest.mark.parametrize("store", ["redis"], indirect=True)
@pytest.mark.redis
def test_without_details_there_is_no_list_and_the_caller_learns_why(
    settings, reporting
):
    reporting.close(ended(1, user="7"))
    given = settings.SOCKET_STATUS
    options = {**given["OPTIONS"], "details": False}
    settings.SOCKET_STATUS = {**given, "OPTIONS": options}
    for state in ("closed", "rejected"):
        with pytest.raises(NotKeptError, match="'details'"):
            SocketStatusService.get_connections(state=state)
        with pytest.raises(NotKeptError, match="'details'"):
            both("iter_connections", state=state)
        assert "details" in view(state, 501)["error"]["message"]
    # What was kept before can still be forgotten.
    assert SocketStatusService.forget_user(7) == 1
