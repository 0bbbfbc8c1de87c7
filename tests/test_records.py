from __future__ import annotations

import datetime
import pickle

import pytest

from django_socket_status.records import (
    ConnectionPage,
    ConnectionRecord,
    OpenedConnection,
    WorkerStatus,
    connection_id,
    instant,
)
from django_socket_status.reporter.worker import this_worker


def opened(number: int) -> OpenedConnection:
    return OpenedConnection(number, "call", "/ws/", "7", {"room": "1"}, 1000.25)


def page(count: int, *, total: int, offset: int = 0) -> ConnectionPage:
    records = tuple(ConnectionRecord.of("w", opened(n)) for n in range(count))
    return ConnectionPage(connections=records, total=total, limit=3, offset=offset)


def test_public_record_says_what_the_report_said():
    record = ConnectionRecord.of("cafe", opened(255))
    assert record.connection_id == "cafe-ff"
    assert record.worker_id == "cafe"
    assert record.type == "call"
    assert record.user_id == "7"
    assert record.labels == {"room": "1"}
    assert record.connected_at.isoformat() == "1970-01-01T00:16:40.250000+00:00"


def test_labels_of_a_public_record_are_its_own():
    reported = opened(1)._replace(labels={"room": "42"})
    ConnectionRecord.of("w", reported).labels["room"] = "43"
    assert reported.labels == {"room": "42"}


def test_connection_ids_of_two_workers_differ():
    ids = {connection_id(worker, number) for worker in "ab" for number in range(300)}
    assert len(ids) == 600


def test_instants_are_aware():
    assert instant(0.0).tzinfo is datetime.timezone.utc


def test_records_cannot_be_changed():
    record = ConnectionRecord.of("w", opened(1))
    with pytest.raises(AttributeError):
        record.type = "chat"  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(record)) == record


def test_page_is_a_sequence_of_its_connections():
    records = page(3, total=7)
    assert len(records) == 3
    assert [*records] == [records[0], *records[1:]]
    assert records[-1].connection_id == "w-2"
    assert records[0] in records


@pytest.mark.parametrize(
    ("count", "total", "offset", "following"),
    [(3, 7, 0, 3), (3, 7, 3, 6), (1, 7, 6, None), (0, 0, 0, None), (0, 7, 9, None)],
)
def test_next_offset_leads_to_the_last_page(count, total, offset, following):
    assert page(count, total=total, offset=offset).next_offset == following


def test_worker_status_adds_its_counts_up():
    status = WorkerStatus(
        worker=this_worker(), counts={"a": 1, "b": 2}, anonymous=1, age_seconds=0.0
    )
    assert status.total_sockets == 3


def test_worker_is_late_when_it_missed_a_report(settings):
    settings.SOCKET_STATUS = {"HEARTBEAT_SECONDS": 3}
    on_time, late = (
        WorkerStatus(worker=this_worker(), counts={}, anonymous=0, age_seconds=age)
        for age in (5.9, 6.0)
    )
    assert not on_time.is_late
    assert late.is_late
