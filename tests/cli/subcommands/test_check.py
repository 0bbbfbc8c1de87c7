from __future__ import annotations

from typing import Any

import pytest

from django_socket_status.cli.columns import UsageError
from django_socket_status.cli.subcommands.check import (
    Limit,
    State,
    Verdict,
    judge,
    read,
)
from django_socket_status.records import Summary, instant
from django_socket_status.services import SocketStatusService
from django_socket_status.status.answers import WorkerRecord
from tests.support.held_sockets import close_socket, open_socket
from tests.support.scripted_backend import SCRIPTED, fails_with, scripted


def summary(total: int, *, stale: bool = False) -> Summary:
    return {
        "active": total > 0,
        "total_sockets": total,
        "sockets_by_type": {"call": total} if total else {},
        "timestamp": "2026-11-22T10:30:45.123456+00:00",
        "ws_endpoints": {},
        "unique_users": 0,
        "anonymous_sockets": total,
        "workers": 1,
        "coverage": "host",
        "stale": stale,
        "endpoints_known": False,
        "uncounted_endpoints": {},
    }


def worker(age: float = 0.5, *, is_late: bool = False) -> WorkerRecord:
    return WorkerRecord(
        worker_id="8f3a5c0d9e1b2746",
        host="web1",
        pid=1201,
        server="uvicorn",
        started_at=instant(0),
        reported_at=instant(0),
        is_late=is_late,
        total_sockets=0,
        sockets_by_type={},
        anonymous_sockets=0,
        age_seconds=age,
        complete=True,
    )


def judged(
    found: Summary, workers: list[WorkerRecord] | None = None, **options: Any
) -> Verdict:
    return judge(
        found,
        [worker()] if workers is None else workers,
        Limit.of(options, "min", is_least=True),
        Limit.of(options, "max_age", is_least=False),
        Limit.of(options, "max_late", is_least=False),
    )


@pytest.mark.parametrize(
    ("total", "limits", "state"),
    [
        (0, None, State.OK),
        (1, (None, 1.0), State.OK),
        (0, (None, 1.0), State.CRITICAL),
        (10, (10.0, 5.0), State.OK),
        (9, (10.0, 5.0), State.WARNING),
        (5, (10.0, 5.0), State.WARNING),
        (4, (10.0, 5.0), State.CRITICAL),
    ],
)
def test_open_sockets_are_compared_with_min(total, limits, state):
    assert judged(summary(total), min=limits).state is state


@pytest.mark.parametrize(
    ("age", "limits", "state"),
    [
        (4.0, (None, 4.0), State.OK),
        (4.1, (None, 4.0), State.CRITICAL),
        (2.5, (2.0, 4.0), State.WARNING),
    ],
)
def test_oldest_report_is_compared_with_max_age(age, limits, state):
    found = judged(summary(1), [worker(0.1), worker(age)], max_age=limits)
    assert found.state is state


def test_age_is_unknown_without_a_worker():
    found = judged(summary(0), [], max_age=(None, 4.0))
    assert found.state is State.UNKNOWN
    assert "no worker reports" in found.line
    assert judged(summary(0), []).state is State.OK


def test_late_workers_are_compared_with_max_late():
    workers = [worker(3, is_late=True), worker()]
    assert judged(summary(1), workers).state is State.OK
    assert judged(summary(1), workers, max_late=(None, 1.0)).state is State.OK
    assert judged(summary(1), workers, max_late=(None, 0.0)).state is State.CRITICAL
    assert judged(summary(1), workers, max_late=(0.0, 1.0)).state is State.WARNING


def test_number_that_may_be_too_low_never_breaks_a_limit():
    assert judged(summary(3, stale=True), min=(None, 5.0)).state is State.UNKNOWN
    assert judged(summary(5, stale=True), min=(None, 5.0)).state is State.WARNING


def test_certain_problem_comes_before_an_unknown_one():
    found = judged(
        summary(3, stale=True),
        [worker(9)],
        min=(None, 5.0),
        max_age=(None, 4.0),
    )
    assert found.state is State.CRITICAL
    assert len(found.problems) == 2


def test_line_is_that_of_a_monitoring_plugin():
    found = judged(summary(9), min=(10.0, 5.0), max_age=(None, 4.0))
    assert found.line == (
        "SOCKETS WARNING - 9 open is below 10; 9 open WebSockets, 1 worker, oldest "
        "report 0.5 s ago | sockets=9;10:;5:;0 workers=1;;;0 late=0;;;0 "
        "age=0.5s;;4;0"
    )


def test_large_numbers_have_all_their_digits():
    line = judged(summary(1_234_567), min=(None, 2_345_678.0)).line
    assert "1234567 open is below 2345678" in line
    assert "sockets=1234567;;2345678:;0" in line


def test_bar_of_a_message_is_no_performance_data():
    assert Verdict.unknown("a|b").line == "SOCKETS UNKNOWN - a/b"


def test_json_has_the_same_facts():
    body = judged(summary(0), min=(None, 1.0)).body
    assert body == {
        "state": "critical",
        "exit_code": 2,
        "problems": ["0 open is below 1"],
        "total_sockets": 0,
        "workers": 1,
        "late_workers": 0,
        "oldest_report_seconds": 0.5,
        "coverage": "host",
        "stale": False,
        "timestamp": "2026-11-22T10:30:45.123456+00:00",
    }


@pytest.mark.parametrize(
    "options", [{"min": (5.0, 10.0)}, {"max_age": (5.0, 4.0)}, {"max_late": (2.0, 1.0)}]
)
def test_warning_that_would_never_come_first_is_an_error(options):
    with pytest.raises(UsageError, match="WARNING must come before CRITICAL"):
        read(options)


class TestRead:
    def test_status_is_read(self):
        connection = open_socket()
        assert not SocketStatusService.get_summary().stale
        assert read({"min": (None, 1.0)}).state is State.OK
        assert read({"min": (None, 2.0)}).state is State.CRITICAL
        close_socket(connection)

    def test_status_that_cannot_be_read_is_unknown(self, settings):
        settings.SOCKET_STATUS = {"BACKEND": SCRIPTED}
        scripted().before_read = fails_with(OSError("disk on fire"))
        found = read({})
        assert found.state is State.UNKNOWN
        assert "disk on fire" in found.line
        assert "manage.py check" in found.line

    def test_backend_that_shows_nothing_to_a_command_is_unknown(self, settings):
        backend = "django_socket_status.backends.memory.MemoryBackend"
        settings.SOCKET_STATUS = {"BACKEND": backend}
        assert read({}).state is State.UNKNOWN

    @pytest.mark.parametrize(
        "given", [5, {"LEASE": 5}, {"LEASE_SECONDS": "long"}, {"LEASE_SECONDS": -1}]
    )
    def test_broken_settings_are_unknown(self, settings, given):
        settings.SOCKET_STATUS = given
        found = read({})
        assert found.state is State.UNKNOWN
        assert "django_socket_status.E" in found.line

    def test_silenced_check_is_no_problem(self, settings):
        settings.SOCKET_STATUS = {**settings.SOCKET_STATUS, "LEASE": 5}
        settings.SILENCED_SYSTEM_CHECKS = ["django_socket_status.E002"]
        assert read({}).state is State.OK
