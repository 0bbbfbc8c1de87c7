"""The contract of pages after a cursor.

A backend may take no cursor: ``pages_after`` is false. Then no test passes one.
"""

# A test asserts, and its name is its docstring.
# ruff: noqa: D102, S101

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from django_socket_status.pages import START
from django_socket_status.records import ConnectionPage, ConnectionRecord, Cursor
from django_socket_status.testing.contract.harness import Harness, records_of
from django_socket_status.testing.fakes import FakeWorker

__all__ = ["PagesContract"]

#: More than a page, and opened at one instant.
TIED = 20
LIMIT = 7


class PagesContract(Harness):
    """A page begins after the place of a connection."""

    def walk(
        self,
        between: Callable[[], None] = lambda: None,
        *,
        first: Cursor | None = None,
        **query: object,
    ) -> list[ConnectionRecord]:
        """Return the connections of all pages, each after the last one.

        Args:
            between: Called between two pages.
            first: The cursor of the first page.
            **query: The filters.
        """
        found: list[ConnectionRecord] = []
        for page in self.pages(first, **query):
            found += page
            between()
        return found

    def test_oldest_connection_of_each_type_is_that_or_not_known(self) -> None:
        a, b = self.worker("a"), self.worker("b")
        old, new = a.open("call", at=1000), a.open("call", at=3000)
        self.start(a, old, new, a.open("chat", at=4000))
        self.start(b, b.open("call", at=2000), b.open("stt", at=500))
        for expected in (1000, 2000, 3000):
            found = self.backend.oldest_by_type(["call", "chat", "none"])
            assert found in ({}, {"call": expected, "chat": 4000})
            if expected == 1000:
                self.tell(a, a.change(closed=[old]))
            else:
                self.backend.goodbye("b")

    def test_users_of_each_type_are_counted_or_not_known(self) -> None:
        a, b = self.worker("a"), self.worker("b")
        one, other = a.open("call", user="1"), a.open("call", user="2")
        self.start(a, one, other, a.open("chat", user="1"), a.open("stt"))
        self.start(b, b.open("call", user="1"), b.open("call"))
        types = ["none", "chat", "stt", "call"]
        for calls in (2, 1):
            found = self.backend.users_by_type(types)
            whole = {"chat": (1, True), "stt": (0, True), "call": (calls, True)}
            assert {it: tuple(found[it]) for it in found} in ({}, whole)
            if calls == 2:
                self.tell(a, a.change(closed=[other]))

    def pages(
        self, after: Cursor | None = None, **query: object
    ) -> Iterator[ConnectionPage]:
        """Yield pages, each after the last one; none if the backend takes no cursor."""
        while self.backend.pages_after:
            page = self.find(after=after, limit=LIMIT, **query)
            assert page.complete
            assert (page.after, page.limit, page.offset) == (after, LIMIT, 0)
            after = page.next_cursor
            assert after is None or len(page) == LIMIT
            yield page
            if after is None:
                return

    def hold_many(self) -> list[FakeWorker]:
        """Return three workers, whose connections opened at few instants."""
        workers = [self.worker(name) for name in ("b", "a", "c")]
        for worker in workers:
            self.start(
                worker,
                *(
                    worker.open(
                        ("call", "chat")[number % 2],
                        user=(None, "7", "8")[number % 3],
                        labels={"room": "red"} if number % 4 else {},
                        at=1e9 + 0.1 * (number // 30),
                    )
                    for number in range(2 * TIED)
                ),
            )
        return workers

    def test_pages_after_one_another_are_the_whole_list(self) -> None:
        workers = self.hold_many()
        whole = [*self.find(limit=1000)]
        assert len(whole) == 6 * TIED
        for first in (None, START):
            found = self.walk(first=first)
            assert found == (whole if self.backend.pages_after else [])
        for page in self.pages():
            assert page.total in {None, len(whole)}
        assert {it.connection_id: it for it in whole} == records_of(*workers)

    def test_filtered_pages_after_one_another_are_the_whole_list(self) -> None:
        self.hold_many()
        for query in (
            {"type": "call"},
            {"user_id": "7"},
            {"anonymous": True},
            {"labels": {"room": "red"}},
            {"type": "chat", "user_id": "8", "labels": {"room": "red"}},
            {"type": "chat", "anonymous": True},
            {"type": "unknown"},
        ):
            whole = self.find(limit=1000, **query)
            for page in self.pages(**query):
                assert page.total in {None, whole.total}
            found = self.walk(**query)
            assert found == ([*whole] if self.backend.pages_after else []), query

    def test_page_after_a_page_that_was_skipped_to_goes_on(self) -> None:
        self.hold_many()
        if not self.backend.pages_after:
            return
        page = self.find(limit=LIMIT, offset=2 * LIMIT)
        whole = [*self.find(limit=1000)]
        assert [*page] == whole[2 * LIMIT : 3 * LIMIT]
        assert page.next_cursor is not None
        assert self.walk(first=page.next_cursor) == whole[3 * LIMIT :]

    def test_connection_that_stays_is_on_one_page(self) -> None:
        workers = self.hold_many()
        for query in ({}, {"type": "call"}, {"labels": {"room": "red"}}):
            chance = random.Random(1)  # noqa: S311 - the same in each run
            stayed = {it.connection_id for it in self.find(limit=1000, **query)}
            found = self.walk(
                lambda chance=chance: self.churn(workers, chance),  # type: ignore[misc]
                **query,
            )
            stayed &= {it.connection_id for it in self.find(limit=1000, **query)}
            ids = [it.connection_id for it in found]
            assert len(set(ids)) == len(ids)
            assert stayed <= set(ids) or not self.backend.pages_after
            if self.backend.pages_after:
                assert len(stayed) > LIMIT

    def churn(self, workers: list[FakeWorker], chance: random.Random) -> None:
        """Have workers open, close and relabel connections, and begin again."""
        for worker in workers:
            held = [*worker.connections.values()]
            # Also connections that a worker reports late, or with another clock.
            opened = [
                worker.open("call", labels={"room": "red"}, at=1e9 + 0.1 * at)
                for at in chance.sample(range(-5, 6), 3)
            ]
            closed = chance.sample(held, 3)
            kept = [it for it in held if it not in closed]
            relabelled = [
                it._replace(labels={**it.labels, "told": "yes"})
                for it in chance.sample(kept, 3)
            ]
            self.tell(worker, worker.change(*opened, *relabelled, closed=closed))
        again = chance.choice(workers)
        assert self.backend.report(again.full())

    def test_page_goes_on_after_connections_that_are_gone(self) -> None:
        one, two = self.hold_many()[:2]
        whole = [*self.find(limit=1000)]
        if not self.backend.pages_after:
            return
        page = self.find(limit=LIMIT)
        cursor = page.next_cursor
        assert cursor is not None
        assert cursor.worker_id == page[-1].worker_id
        self.backend.goodbye(cursor.worker_id)
        gone = {cursor.worker_id}
        following = [it for it in whole[LIMIT:] if it.worker_id not in gone]
        assert self.walk(first=cursor) == following
        for worker in one, two:
            self.backend.goodbye(worker.worker.worker_id)
            gone.add(worker.worker.worker_id)
        following = [it for it in following if it.worker_id not in gone]
        assert self.walk(first=cursor) == following

    def test_worker_that_begins_again_keeps_its_places(self) -> None:
        workers = self.hold_many()
        whole = [*self.find(limit=1000)]
        workers.reverse()

        def begin_again() -> None:
            workers.append(workers.pop(0))
            assert self.backend.report(workers[-1].full())

        found = self.walk(begin_again)
        assert found == (whole if self.backend.pages_after else [])

    def test_cursor_may_be_any_place(self) -> None:
        self.hold_many()
        if not self.backend.pages_after:
            return
        whole = [*self.find(limit=1000)]
        for first, count in (
            (Cursor(2e9, "a", 1), len(whole)),
            (Cursor(1e9 + 0.05, "zzz", 2**53 - 1), 3 * 30),
            (Cursor(1e9, "", 0), 3 * 30),
            (Cursor(1e9, "zzz", 0), 0),
            (Cursor(0.0, "a", 1), 0),
        ):
            assert self.walk(first=first) == whole[len(whole) - count :]
