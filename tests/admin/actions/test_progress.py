"""The result page: what it says of the commands of an action, and how long it asks."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

import pytest

from django_socket_status.admin.actions.progress import (
    FOLLOW_SECONDS,
    STOP_SECONDS,
    Progress,
    read_progress,
)
from django_socket_status.control.results import DisconnectResult, result_of
from django_socket_status.control.texts import Outcome
from django_socket_status.exceptions import StatusUnavailableError

NOW = datetime.datetime(2026, 11, 30, 12, tzinfo=datetime.timezone.utc)
DONE = Outcome(matched=3, closed=2, gone=1, codes={4000: 2})
OPEN = Outcome(matched=2, sent=1, unsent=1, codes={4000: 1}, is_final=False)


def result(lost: dict[str, int | None] | None = None, **by: Outcome) -> Any:
    return result_of("c" * 16, by, lost=lost or {}, dry_run=False)


def progress(*results: DisconnectResult, **more: Any) -> Progress:
    return Progress(results=results, **more)


def counts(found: Progress) -> dict[str, int]:
    return {it.name: it.connections for it in found.numbers}


def test_numbers_are_the_sums_over_commands_and_workers():
    found = progress(result(a=DONE, b=OPEN), result({"b": 4}, a=DONE))
    assert found.matched == 12
    assert found.ended == 6
    assert counts(found) == {
        "closed": 4,
        "sent": 1,
        "unsent": 1,
        "gone": 2,
        "unanswered": 4,
    }
    assert sum(counts(found).values()) == found.matched
    assert found.codes == [(4000, 5)]


def test_numbers_are_those_of_the_result():
    names = {it.name for it in progress(result(a=DONE)).numbers}
    assert names <= {it.name for it in dataclasses.fields(DisconnectResult)}


def test_workers_have_their_names_and_the_rest_their_ids():
    found = progress(result(a=DONE, b=OPEN), result(b=DONE), names={"b": "web-1:812"})
    rows = [(it.name, it.matched, it.counts) for it in found.workers]
    assert rows == [("a", 3, [2, 0, 0, 1, 0]), ("web-1:812", 5, [2, 1, 1, 1, 0])]


def test_worker_that_has_not_answered_is_named_and_in_no_number():
    found = progress(result({"b": None, "c": None}, a=DONE), names={"c": "web-1:7"})
    assert found.unknown_workers == ["b", "web-1:7"]
    assert found.matched == 3
    assert found.state == "running"


@pytest.mark.parametrize(
    ("found", "state", "is_live", "can_stop"),
    [
        (progress(result(a=DONE), age_seconds=1), "done", False, False),
        (progress(result(), age_seconds=1), "done", False, False),
        (progress(result(a=OPEN), age_seconds=1), "running", True, True),
        (progress(result(a=OPEN)), "running", True, True),
        (progress(result(a=OPEN), age_seconds=FOLLOW_SECONDS), "over", False, False),
        (
            progress(result(a=OPEN), age_seconds=9, stopped_seconds=1),
            *("stopped", True, False),
        ),
        (
            progress(result(a=OPEN), age_seconds=50, stopped_seconds=STOP_SECONDS),
            *("stopped", False, False),
        ),
        (
            progress(result(a=DONE), age_seconds=50, stopped_seconds=1),
            *("done", False, False),
        ),
        (progress(forgotten=1, age_seconds=1), "forgotten", False, False),
        (progress(result(a=DONE), forgotten=1, age_seconds=1), "running", True, True),
    ],
)
def test_state(found, state, is_live, can_stop):
    assert (found.state, found.is_live, found.can_stop) == (state, is_live, can_stop)


def test_commands_are_read_and_ages_counted(monkeypatch):
    kept = {"a": result(a=DONE)}
    found = read_progress(
        ["a", "b"],
        began_at=NOW - datetime.timedelta(seconds=5),
        stopped_at=NOW - datetime.timedelta(seconds=2),
        now=NOW,
        read=kept.get,
    )
    assert (found.matched, found.forgotten) == (3, 1)
    assert (found.age_seconds, found.stopped_seconds) == (5.0, 2.0)


def test_status_that_cannot_be_read_is_no_zero():
    def read(command_id: str) -> None:
        raise StatusUnavailableError("down")

    with pytest.raises(StatusUnavailableError):
        read_progress(["a"], began_at=None, stopped_at=None, now=NOW, read=read)
