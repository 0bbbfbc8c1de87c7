"""What an action means becomes commands that mean the same, and never more."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from typing import Any

import pytest

from django_socket_status.admin.actions import targets
from django_socket_status.admin.actions.targets import (
    IDS_OF_COMMAND,
    MAX_COMMANDS,
    MAX_IDS,
    SHOWN,
    Target,
    TooManyError,
    selectors_of,
    who_of,
)
from django_socket_status.control.texts import DisconnectOrder, order_to_text
from django_socket_status.records import ConnectionQuery, ConnectionRecord
from django_socket_status.status.search import Found, Search

NOW = datetime.datetime(2026, 11, 30, 12, tzinfo=datetime.timezone.utc)
WORKER = "8f3a5c0d9e1b2746"


def record(number: int) -> ConnectionRecord:
    return ConnectionRecord(
        connection_id=f"{WORKER}-{number:x}",
        type="call",
        endpoint="/ws/call/<room>/",
        user_id="7",
        labels={},
        connected_at=NOW,
        worker_id=WORKER,
    )


def query(**wanted: Any) -> Search:
    return Search(query=ConnectionQuery(**wanted))


def as_dicts(target: Target) -> list[dict[str, Any]]:
    return [it.as_dict() for it in selectors_of(target)]


@pytest.fixture
def matching(monkeypatch: pytest.MonkeyPatch) -> list[ConnectionRecord]:
    """What a search finds."""
    found: list[ConnectionRecord] = []
    monkeypatch.setattr(targets, "iter_matching", lambda wanted: iter(found))
    return found


def test_everything_is_one_command():
    target = Target(search=Search())
    assert target.is_everything
    assert as_dicts(target) == [{"all": True}]


@pytest.mark.parametrize(
    ("wanted", "selected"),
    [
        ({"type": "call"}, {"type": "call"}),
        ({"user_id": "7"}, {"user_id": "7"}),
        ({"labels": {"room": "1"}}, {"labels": {"room": "1"}}),
        (
            {"type": "call", "worker_ids": frozenset([WORKER])},
            {"type": "call", "worker": WORKER},
        ),
    ],
)
def test_filter_that_a_command_can_express_is_one(wanted, selected):
    target = Target(search=query(**wanted))
    assert not target.is_everything
    assert as_dicts(target) == [selected]


def test_workers_of_a_host_get_a_command_each():
    target = Target(search=query(worker_ids=frozenset(["b", "a"])))
    assert as_dicts(target) == [{"worker": "a"}, {"worker": "b"}]


@pytest.mark.parametrize(
    "wanted",
    [
        query(anonymous=True),
        query(number=1),
        query(worker_ids=frozenset(map(str, range(MAX_COMMANDS + 1)))),
        Search(endpoint="/ws/call/<room>/"),
        Search(until_at=NOW),
        Search(from_at=NOW),
        Search(query=ConnectionQuery(type="call"), until_at=NOW),
    ],
)
def test_other_filters_are_tried_here_and_the_ids_are_selected(wanted, matching):
    matching += [record(1), record(2)]
    target = Target(search=wanted)
    assert not target.is_everything
    assert as_dicts(target) == [{"connection_ids": [f"{WORKER}-1", f"{WORKER}-2"]}]


@pytest.mark.parametrize(
    "wanted", [query(worker_ids=frozenset()), Search(until_at=NOW)]
)
def test_filter_that_matches_nothing_selects_nothing(wanted, matching):
    assert selectors_of(Target(search=wanted)) == []


def test_ids_are_split_and_each_command_has_room(matching):
    matching += [record(2**52 + n) for n in range(MAX_IDS)]
    found = selectors_of(Target(search=query(anonymous=True)))
    assert len(found) == math.ceil(MAX_IDS / IDS_OF_COMMAND) <= MAX_COMMANDS
    for selector in found:
        order_to_text(
            DisconnectOrder(
                selector=selector,
                code=4000,
                reason="\0" * 123,
                wait_seconds=5.0,
                requested_by="x" * 128,
            )
        )


def test_more_ids_than_one_action_may_close_are_refused(matching):
    matching += [record(n) for n in range(MAX_IDS + 1)]
    with pytest.raises(TooManyError):
        selectors_of(Target(search=query(anonymous=True)))


def finding(monkeypatch: pytest.MonkeyPatch, *known: int) -> None:
    def search(wanted: Search, limit: int, place: str | None = None) -> Found:
        number, workers = wanted.query.number, wanted.query.worker_ids
        records: Sequence[ConnectionRecord] = [
            record(it)
            for it in known
            if number in (None, it) and workers in (None, frozenset([WORKER]))
        ]
        total = None if wanted.endpoint else len(records)
        return Found(
            records=records[:limit], total=total, next_place=None, complete=True
        )

    monkeypatch.setattr(targets, "search", search)


def test_selected_connections_are_found_by_their_ids(monkeypatch):
    finding(monkeypatch, 1, 2)
    who = who_of(Target(ids=[f"{WORKER}-2", f"{WORKER}-3", "other-1"]))
    assert [it.connection_id for it in who.records] == [f"{WORKER}-2"]
    assert (who.count, who.is_exact, who.gone, who.others) == (1, True, 2, 0)


def test_some_of_what_matches_is_shown_and_all_is_counted(monkeypatch):
    finding(monkeypatch, *range(SHOWN + 5))
    who = who_of(Target(search=query(type="call")))
    assert len(who.records) == SHOWN
    assert (who.count, who.is_exact, who.others) == (SHOWN + 5, True, 5)


def test_number_that_is_not_known_is_at_least_what_was_found(monkeypatch):
    finding(monkeypatch, *range(SHOWN + 5))
    who = who_of(Target(search=Search(endpoint="/ws/")))
    assert (who.count, who.is_exact) == (SHOWN, False)
