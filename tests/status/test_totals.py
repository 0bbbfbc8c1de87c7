"""The totals: the base and the counters of all workers together."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator

import pytest

from django_socket_status.activity.stored import Activity, CountTotals
from django_socket_status.activity.totals import Totals
from django_socket_status.backends import get_backend
from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.status.totals import aget_totals, get_totals, read_counted
from django_socket_status.testing import FakeWorker, isolated_socket_status

MEMORY = "django_socket_status.backends.memory.MemoryBackend"


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    with isolated_socket_status(BACKEND=MEMORY):
        yield


def report(worker_id: str, text: str) -> None:
    totals = CountTotals(1, is_new=True, text=text)
    worker = FakeWorker(worker_id)
    assert get_backend().exchange(worker.full(activity=Activity(totals=totals)))


def totals_of(number: int) -> Totals:
    totals = Totals(
        opened={"call": number, "chat": 1},
        closed={"call": {"app_error": 1}},
        rejected={"call": {"403": 2}},
        codes={"1000": 1},
    )
    totals.durations.add([3])
    totals.accepts.add([0.2])
    return totals


def test_totals_are_those_of_all_workers():
    report("a", totals_of(5).to_text())
    report("b", totals_of(7).to_text())
    found = get_totals()
    assert found.opened == {"call": 12, "chat": 2}
    assert found.closed == {"call": {"app_error": 2}}
    assert found.rejected == {"call": {"403": 4}}
    assert found.close_codes == {"1000": 2}
    assert found.durations.count == 2
    assert found.durations.sum_seconds == 6
    assert found.accept_seconds.count == 2
    assert found.since is not None
    now = datetime.datetime.now(tz=datetime.timezone.utc)
    assert abs(now - found.since) < datetime.timedelta(minutes=1)


def test_totals_of_a_worker_are_known_while_it_reports():
    report("a", totals_of(5).to_text())
    report("b", totals_of(7).to_text())
    get_backend().goodbye("a")
    found = read_counted()
    assert found.totals.opened == {"call": 12, "chat": 2}
    assert found.by_worker == {"b": totals_of(7)}


def test_nothing_was_counted_yet():
    found = get_totals()
    assert found.since is None
    assert found.opened == {}


async def test_totals_are_the_same_on_an_event_loop():
    report("a", totals_of(5).to_text())
    found = await aget_totals()
    assert found == get_totals()
    assert json.loads(json.dumps(found.as_dict())) == found.as_dict()


@pytest.mark.parametrize("text", ["x", '{"opened":{"call":-1}}', "[]"])
def test_damaged_totals_are_no_zero(text):
    report("a", totals_of(5).to_text())
    report("b", text)
    with pytest.raises(StatusUnavailableError, match="damaged"):
        get_totals()
