"""Going through all connections while they open and close misses none that stays."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.records import (
    ConnectionPage,
    ConnectionQuery,
    OpenedConnection,
)
from django_socket_status.status import paging
from django_socket_status.status.paging import Walk

pytestmark = pytest.mark.python

LIMIT = 5
COUNT = 40
QUERY = ConnectionQuery(limit=LIMIT)


class Crowd:
    """Connections that a test opens and closes between two pages."""

    def __init__(self, count: int) -> None:
        self._opened = 0
        self.held: dict[int, OpenedConnection] = {}
        for _ in range(count):
            self.open()

    def open(self) -> None:
        self._opened += 1
        number = self._opened
        self.held[number] = OpenedConnection(number, "call", "", None, {}, number)

    def close(self, position: int) -> None:
        """Close one, counted from the newest."""
        if self.held:
            numbers = sorted(self.held, reverse=True)
            del self.held[numbers[position % len(numbers)]]

    def page(self, walk: Walk, *, pages_after: bool) -> ConnectionPage:
        """Return the page that a walk asks a backend for."""
        page = walk.query(pages_after=pages_after).page_of(
            [("w", it) for it in self.held.values()]
        )
        return page if pages_after else dataclasses.replace(page, next_cursor=None)

    @property
    def ids(self) -> set[str]:
        return {f"w-{number:x}" for number in self.held}


@pytest.fixture(autouse=True)
def overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "OVERLAP", 2)


#: What happens between two pages: an opening, or which one closes.
between = st.lists(st.none() | st.integers(0, COUNT), max_size=12)


@pytest.mark.parametrize("pages_after", [False, True])
@given(happens=st.lists(between, max_size=12))
@hypothesis_settings(deadline=None, derandomize=True)
def test_connection_that_stays_comes_once(pages_after, happens):
    crowd = Crowd(COUNT)
    stayed = crowd.ids
    walk = Walk(QUERY)
    came: list[str] = []
    turns = 0
    while not walk.is_done:
        page = crowd.page(walk, pages_after=pages_after)
        came += [it.connection_id for it in walk.take(page)]
        for position in happens[turns] if turns < len(happens) else ():
            if position is None:
                crowd.open()
            else:
                crowd.close(position)
        turns += 1
        if not walk.is_done:
            stayed &= crowd.ids
    assert len(came) == len(set(came))
    assert stayed <= set(came)


@pytest.mark.parametrize("pages_after", [False, True])
def test_crowd_that_leaves_altogether_ends_the_walk(pages_after):
    crowd = Crowd(COUNT)
    walk = Walk(QUERY)
    walk.take(crowd.page(walk, pages_after=pages_after))
    crowd.held.clear()
    while not walk.is_done:
        page = crowd.page(walk, pages_after=pages_after)
        assert walk.take(page) in ((), [])


def test_page_after_a_cursor_is_asked_for_once_and_repeats_nothing():
    crowd = Crowd(COUNT)
    walk = Walk(QUERY)
    pages = 0
    while not walk.is_done:
        assert len(walk.take(crowd.page(walk, pages_after=True))) == LIMIT
        pages += 1
    assert pages == COUNT // LIMIT


def test_page_that_may_miss_connections_is_refused():
    page = ConnectionPage(connections=(), total=0, limit=5, offset=0, complete=False)
    with pytest.raises(StatusUnavailableError):
        Walk(QUERY).take(page)
