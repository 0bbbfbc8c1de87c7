"""What a command meant in workers that did not answer, or that it cannot be told."""

from __future__ import annotations

import pytest

from django_socket_status.backends.memory import MemoryBackend
from django_socket_status.control.selector import Selector, selector_of
from django_socket_status.operations.lost_matches import lost_matches
from django_socket_status.records import ConnectionQuery, OpenedConnection
from django_socket_status.testing import Clock, FakeWorker


def opened(number: int, user_id: str) -> OpenedConnection:
    return OpenedConnection(number, "call", "", user_id, {"room": "a"}, float(number))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def backend(clock: Clock) -> MemoryBackend:
    """Two workers: one has three connections, of users 7, 7 and 8; the other none."""
    backend = MemoryBackend(clock=clock)
    first = [opened(1, "7"), opened(2, "7"), opened(3, "8")]
    backend.report(FakeWorker("a").full(first))
    backend.report(FakeWorker("b").full())
    return backend


def select(**given) -> Selector:
    query = ConnectionQuery(**given.pop("query", {}))
    return selector_of(query, **given)


def matches(backend: MemoryBackend, selector: Selector) -> dict[str, int | None]:
    silent = {it.worker.worker_id: it for it in backend.read().workers}
    return lost_matches(backend, selector, silent)


@pytest.mark.parametrize(
    ("selector", "number"),
    [
        (select(all=True), 3),
        (select(query={"type": "call"}), 3),
        (select(query={"type": "chat"}), 0),
        (select(query={"user_id": "7"}), 2),
        (select(query={"labels": {"room": "a"}}, keep=["a-1"]), 2),
        (select(connection_ids=["a-3", "a-9"]), 1),
        # Which release a worker has is not known if it does not answer.
        (select(release="v1"), None),
    ],
)
def test_matches_of_a_worker_that_is_listed_are_counted(backend, selector, number):
    assert matches(backend, selector)["a"] == number


def test_worker_without_connections_has_no_match(backend):
    assert matches(backend, select(query={"user_id": "7"}))["b"] == 0


def test_matches_are_not_known_without_details(backend, monkeypatch):
    monkeypatch.setattr(backend, "wants_details", False)
    assert matches(backend, select(query={"user_id": "7"})) == {"a": None, "b": 0}
    assert matches(backend, select(all=True)) == {"a": 3, "b": 0}


def test_lost_worker_of_which_nothing_is_kept_is_not_known(backend, clock):
    silent = {it.worker.worker_id: it for it in backend.read().workers}
    clock.advance(3600.0)
    selector = select(query={"user_id": "7"})
    assert lost_matches(backend, selector, silent) == {"a": None, "b": 0}


def test_search_that_may_have_missed_something_is_not_known(backend, monkeypatch):
    monkeypatch.setattr("django_socket_status.operations.lost_matches.MAX_PAGES", 0)
    assert matches(backend, select(query={"user_id": "7"}))["a"] is None
