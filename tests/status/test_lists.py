"""Lists of closed connections and rejected handshakes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from django_socket_status.activity.entries import (
    ClosedConnection,
    EndedConnection,
    RejectedHandshake,
    closed_text,
    rejected_text,
)
from django_socket_status.activity.stored import Entries, Kept
from django_socket_status.backends import get_backend
from django_socket_status.backends.memory import MemoryBackend
from django_socket_status.exceptions import NotKeptError
from django_socket_status.records import OpenedConnection
from django_socket_status.status.lists import (
    aget_connections,
    aiter_connections,
    get_connections,
    iter_connections,
)
from django_socket_status.testing import isolated_socket_status

AT = 1_700_000_000.0

MEMORY = "django_socket_status.backends.memory.MemoryBackend"


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    with isolated_socket_status(BACKEND=MEMORY):
        yield


@pytest.fixture(params=["sync", "async"])
def lists(request: pytest.FixtureRequest) -> Callable[..., Any]:
    if request.param == "sync":
        return get_connections
    return async_to_sync(aget_connections)


def ended(
    number: int,
    *,
    kind: str = "call",
    user: str | None = None,
    cause: str = "client_closed",
    code: int | None = 1000,
    at: float | None = AT,
    **labels: str,
) -> EndedConnection:
    opened = OpenedConnection(number, kind, "/ws/", user, labels, AT - 60)
    return EndedConnection(opened, at, cause, code, "")


def keep(
    *entries: EndedConnection,
    worker: str = "a" * 16,
    left_out: int = 0,
    folded: int = 0,
) -> None:
    text = closed_text(worker, "v7", entries, folded)
    get_backend().keep_ended("closed", Entries(text, len(entries), left_out))


def reject(number: int, *, status: str = "403", user: str | None = None) -> None:
    opened = OpenedConnection(0, "call", "/ws/", user, {}, AT + number)
    text = rejected_text("a" * 16, "v7", [RejectedHandshake(opened, status)])
    get_backend().keep_ended("rejected", Entries(text, 1))


def numbers(page: Any) -> list[int]:
    return [int(it.connection_id.partition("-")[2], 16) for it in page]


def test_closed_connection_has_every_fact(lists):
    keep(ended(1, user="7", cause="server_closed", code=4001, room="blue"))
    (record,) = lists(state="closed")
    assert isinstance(record, ClosedConnection)
    assert record.connection_id == f"{'a' * 16}-1"
    assert (record.type, record.endpoint, record.user_id) == ("call", "/ws/", "7")
    assert record.labels == {"room": "blue"}
    assert (record.cause, record.close_code) == ("server_closed", 4001)
    assert record.duration_seconds == 60
    assert (record.closed_at - record.connected_at).total_seconds() == 60
    assert (record.worker_id, record.release) == ("a" * 16, "v7")


def test_closed_connections_are_newest_first_in_pages(lists):
    for number in range(1, 8):
        keep(ended(number, at=AT + number))
    page = lists(state="closed", limit=3)
    assert numbers(page) == [7, 6, 5]
    assert (page.total, page.next_offset) == (7, 3)
    assert numbers(lists(state="closed", limit=3, offset=6)) == [1]
    assert lists(state="closed", limit=3, offset=6).next_offset is None


@pytest.mark.parametrize("is_late", [False, True])
def test_connection_that_came_back_is_not_listed_as_lost(lists, is_late):
    """Also if it came back before the store's list said that it was lost."""
    back = [ended(1, at=None), ended(2, at=None)]
    lost = [ended(number, at=AT + 1, cause="worker_lost") for number in (1, 2, 3)]
    keep(*(lost if is_late else back), folded=1)
    keep(*(back if is_late else lost), folded=1)
    assert numbers(lists(state="closed")) == [3]
    # Lost once more, after another count.
    keep(ended(2, at=AT + 2, cause="worker_lost"), folded=2)
    assert numbers(lists(state="closed")) == [2, 3]


@pytest.mark.parametrize(
    ("criteria", "found"),
    [
        ({}, [4, 3, 2, 1]),
        ({"type": "chat"}, [2]),
        ({"user": 7}, [3]),
        ({"anonymous": True}, [4, 2, 1]),
        ({"labels": {"room": "blue"}}, [1]),
        ({"cause": "app_error"}, [4]),
        ({"code": 1000}, [3, 2, 1]),
        ({"code": 1006}, []),
    ],
    ids=str,
)
def test_closed_connections_are_found_by(lists, criteria, found):
    keep(
        ended(1, at=AT + 1, room="blue"),
        ended(2, at=AT + 2, kind="chat"),
        ended(3, at=AT + 3, user="7"),
        ended(4, at=AT + 4, cause="app_error", code=None),
    )
    assert numbers(lists(state="closed", **criteria)) == found


def test_later_entry_of_a_connection_counts(lists):
    keep(ended(1, cause="worker_lost", code=None))
    keep(ended(1, cause="client_closed", at=AT + 9))
    (record,) = lists(state="closed")
    assert record.cause == "client_closed"


def test_connection_that_is_open_again_leaves_the_list(lists):
    keep(ended(1, cause="worker_lost"), ended(2, cause="worker_lost"))
    keep(ended(1, at=None))
    assert numbers(lists(state="closed")) == [2]
    keep(ended(1, cause="client_closed", at=AT + 9))
    assert numbers(lists(state="closed")) == [1, 2]


def test_list_says_that_it_is_a_sample(lists):
    keep(ended(1))
    assert not lists(state="closed").is_sample
    keep(ended(2), left_out=1000)
    page = lists(state="closed")
    assert page.is_sample
    assert page.total == 2


def test_damaged_entries_are_left_out_and_the_page_says_so(lists):
    keep(ended(1))
    assert lists(state="closed").complete
    get_backend().keep_ended("closed", Entries("damaged", 1))
    page = lists(state="closed")
    assert numbers(page) == [1]
    assert not page.complete


def test_rejected_handshakes_are_listed_by_status_and_user(lists):
    reject(1)
    reject(2, status="gone")
    reject(3, user="7")
    page = lists(state="rejected")
    assert [it.status for it in page] == ["403", "gone", "403"]
    assert [it.user_id for it in lists(state="rejected", code=403)] == ["7", None]
    (record,) = lists(state="rejected", user=7)
    assert (record.type, record.release) == ("call", "v7")


@pytest.mark.parametrize(
    "criteria",
    [
        {"state": "gone"},
        {"state": "closed", "cause": "boredom"},
        {"state": "closed", "after": "x"},
        {"state": "open", "cause": "app_error"},
        {"code": 1000},
        {"state": "rejected", "cause": "app_error"},
    ],
    ids=str,
)
def test_argument_that_does_not_fit_is_an_error(lists, criteria):
    with pytest.raises(ValueError, match=r"state|cause|after|code"):
        lists(**criteria)


@pytest.mark.parametrize("code", ["1000", True, 1.5])
def test_code_of_another_type_is_an_error(lists, code):
    with pytest.raises(TypeError, match="code"):
        lists(state="closed", code=code)


@pytest.mark.parametrize("name", ["state", "cause"])
def test_word_of_another_type_is_named(lists, name):
    with pytest.raises(TypeError, match=name):
        lists(**{"state": "closed", name: 5})


def test_unknown_word_is_answered_with_the_known_ones(lists):
    with pytest.raises(ValueError, match=r"open, closed, rejected, not 'shut'"):
        lists(state="shut")
    with pytest.raises(ValueError, match=r"client_closed, .*, not 'boredom'"):
        lists(state="closed", cause="boredom")
    with pytest.raises(ValueError, match="code must be from 0"):
        lists(state="closed", code=-1)


@pytest.mark.parametrize("iterate", [iter_connections, aiter_connections])
def test_wrong_argument_of_an_iteration_fails_at_once(iterate):
    for given in ({"state": "shut"}, {"cause": "drained"}, {"code": 1}):
        with pytest.raises(ValueError, match=r"state|cause|code"):
            iterate(**given)


async def test_iteration_is_the_whole_list():
    keep(*(ended(number, at=AT + number) for number in range(1, 1500)))
    found = [*iter_connections(state="closed")]
    assert len(found) == 1499
    assert [it async for it in aiter_connections(state="closed")] == found
    keep(ended(1, at=None))
    assert len([*iter_connections(state="closed", code=1000)]) == 1498


class KeepsNothing(MemoryBackend):
    keeps: frozenset[Kept] = frozenset()  # type: ignore[assignment]


@pytest.mark.parametrize("state", ["closed", "rejected"])
def test_list_that_is_not_kept_is_no_empty_list(settings, lists, state):
    settings.SOCKET_STATUS = {"BACKEND": f"{__name__}.KeepsNothing"}
    with pytest.raises(NotKeptError, match="KeepsNothing"):
        lists(state=state)
