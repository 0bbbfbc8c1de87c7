from __future__ import annotations

import pytest

from django_socket_status.live.failures import MAX_KINDS, QUIET_SECONDS, FailureLog


@pytest.fixture
def failures(clock):
    return FailureLog("It failed.", clock=clock)


def test_error_is_logged_once_in_an_episode(failures, clock, caplog):
    for _ in range(100):
        failures.note(ValueError("mine"))
        clock.now += QUIET_SECONDS - 1
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert record.getMessage().startswith("It failed.")
    assert record.exc_info[0] is ValueError
    clock.now += 1
    failures.note(ValueError("mine"))
    assert len(caplog.records) == 2


def test_error_of_another_kind_is_logged_too(failures, caplog):
    for error in (ValueError(), KeyError(), ValueError(), KeyError()):
        failures.note(error)
    assert len(caplog.records) == 2


def test_kinds_are_bounded(failures, caplog):
    for number in range(2 * MAX_KINDS):
        failures.note(type(f"Error{number}", (Exception,), {})())
    assert len(caplog.records) == MAX_KINDS + 1


def test_reset_ends_every_episode(failures, caplog):
    failures.note(ValueError())
    failures.reset()
    failures.note(ValueError())
    assert len(caplog.records) == 2
