"""The list of ended connections travels in bounded pieces, none of them lost."""

from __future__ import annotations

from typing import Any

import pytest

from django_socket_status.activity.ended_rows import read_closed, read_rejected
from django_socket_status.activity.entries import EndedConnection, RejectedHandshake
from django_socket_status.records import OpenedConnection, connection_id
from django_socket_status.registry.ends import ENTRY_LIMIT
from django_socket_status.registry.entry_list import EntryList
from django_socket_status.reporter.ended import RETURN_LIMIT, EndedReport
from django_socket_status.reporter.worker import this_worker


def entries(*numbers: int, rejected: int = 0, **left_out: int) -> EntryList:
    return EntryList(
        [
            EndedConnection(record(number), 2.0, "client_closed", 1000, "")
            for number in numbers
        ],
        [RejectedHandshake(record(0), "403") for _ in range(rejected)],
        **left_out,
    )


def record(number: int) -> OpenedConnection:
    return OpenedConnection(number, "call", "/ws/", "1", {}, 1.0)


def closed_ids(found: Any) -> list[str]:
    return [it.connection_id for it in read_closed(found.text)[0]]


def id_of(number: int) -> str:
    return connection_id(this_worker().worker_id, number)


def test_entries_are_carried_again_until_a_report_is_taken():
    report, waiting = EndedReport(), entries(1, rejected=2)
    closed, rejected = report.of(waiting, keep=True)
    assert closed_ids(closed) == [id_of(1)]
    assert (closed.number, closed.left_out) == (1, 0)
    assert len(read_rejected(rejected.text)[0]) == rejected.number == 2
    assert not waiting.closed
    again = entries(2)
    assert report.of(again, keep=True) == (closed, rejected)
    report.answered()
    closed, rejected = report.of(again, keep=True)
    assert closed_ids(closed) == [id_of(2)]
    assert rejected is None
    report.answered()
    assert report.of(again, keep=True) == (None, None)


def test_number_that_was_left_out_is_carried_also_without_entries():
    closed, rejected = EndedReport().of(
        entries(closed_left_out=3, rejected_left_out=4), keep=True
    )
    assert (closed.number, closed.left_out) == (0, 3)
    assert (rejected.number, rejected.left_out) == (0, 4)


@pytest.mark.parametrize("limit", [0, 2])
def test_setting_limits_a_report(settings, limit):
    settings.SOCKET_STATUS = {"CLOSED_LIMIT": limit, "REJECTED_LIMIT": limit}
    closed, rejected = EndedReport().of(entries(1, 2, 3, rejected=3), keep=True)
    if limit:
        assert (closed.number, closed.left_out) == (2, 1)
        assert (rejected.number, rejected.left_out) == (2, 1)
    else:
        assert closed is rejected is None


def test_nothing_is_kept_for_a_store_without_lists():
    waiting = entries(1, rejected=1)
    assert EndedReport().of(waiting, keep=False) == (None, None)
    assert waiting == EntryList()


def test_returned_connections_leave_the_list_over_several_reports():
    report, waiting = EndedReport(), entries(5000)
    report.take_back(range(1, 1200), 1)
    returned: list[str] = []
    reports = 0
    while (closed := report.of(waiting, keep=True)[0]) is not None:
        assert closed.number <= ENTRY_LIMIT
        _, back, is_whole, _ = read_closed(closed.text)
        assert is_whole
        returned += back
        reports += 1
        report.answered()
    assert returned == [id_of(number) for number in range(1200 - RETURN_LIMIT, 1200)]
    assert reports == 11


def test_storm_keeps_no_connection_from_coming_back():
    report, waiting = EndedReport(), entries(*range(1000, 1200))
    report.take_back(range(1, 200), 1)
    closed = report.of(waiting, keep=True)[0]
    ended, back, *_ = read_closed(closed.text)
    assert len(ended) == len(back) == ENTRY_LIMIT // 2
    assert closed.left_out == 200 - ENTRY_LIMIT // 2
