from __future__ import annotations

from django_socket_status.testing.fakes import Clock, FakeWorker


def test_clock_moves_only_by_advance():
    clock = Clock(10.0)
    assert clock() == 10.0
    clock.advance(2.5)
    assert clock() == 12.5


def test_connections_are_numbered_in_their_order():
    worker = FakeWorker()
    assert [worker.open().number for _ in range(3)] == [1, 2, 3]


def test_reports_are_numbered_in_their_order():
    worker = FakeWorker("b")
    reports = [worker.full(), worker.change(), worker.change()]
    assert [report.sequence for report in reports] == [1, 2, 3]
    assert {report.worker.worker_id for report in reports} == {"b"}


def test_full_report_holds_everything():
    worker = FakeWorker()
    opened = [worker.open(user="7"), worker.open("chat", user="8"), worker.open()]
    report = worker.full(opened)
    assert report.full
    assert list(report.opened) == opened
    assert report.counts == {"call": 2, "chat": 1}
    assert report.anonymous == 1
    assert list(report.users_joined) == ["7", "8"]


def test_change_holds_what_is_different():
    worker = FakeWorker()
    stays, goes = worker.open(user="7"), worker.open(user="8")
    worker.full([stays, goes])
    comes = worker.open(user="9")
    report = worker.change(comes, closed=[goes])
    assert not report.full
    assert list(report.opened) == [comes]
    assert list(report.closed) == [goes.number]
    assert list(report.users_joined) == ["9"]
    assert list(report.users_left) == ["8"]
    assert report.counts == {"call": 2}


def test_user_with_another_connection_does_not_leave():
    worker = FakeWorker()
    one, other = worker.open(user="7"), worker.open(user="7")
    worker.full([one, other])
    assert list(worker.change(closed=[one]).users_left) == []


def test_change_with_nothing_given_is_a_heartbeat():
    worker = FakeWorker()
    worker.full([worker.open()])
    report = worker.change()
    assert not report.opened
    assert not report.closed
    assert report.counts == {"call": 1}
