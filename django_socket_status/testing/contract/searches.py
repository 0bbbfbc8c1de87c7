"""The contract of lists of connections, and of the text in them."""

# A test asserts, and its name is its docstring.
# ruff: noqa: D102, S101

from __future__ import annotations

from django_socket_status.records import ConnectionRecord
from django_socket_status.testing.contract.harness import Harness, records_of

__all__ = ["SearchesContract"]

#: What a client, a project or an accident may put into a name.
HOSTILE = (
    "",
    " ",
    "O'Brien",
    'a"b',
    "back\\slash",
    "100%",
    "_",
    "*?[a-z]",
    "{tag}",
    "a:b,c;d|e",
    "null",
    "0",
    "-1",
    "1e309",
    "caf\N{LATIN SMALL LETTER E WITH ACUTE}",
    "cafe\N{COMBINING ACUTE ACCENT}",
    "CALL",
    "\N{PILE OF POO}" * 3,
    "\N{HEBREW LETTER ALEF}b\N{HEBREW LETTER GIMEL}",
    "nul\0inside",
    "two\nlines",
    "<script>alert(1)</script>",
    "'; DROP TABLE connection; --",
    "x" * 2048,
)


class SearchesContract(Harness):
    """Readers search for connections."""

    def test_connections_are_listed_newest_first(self) -> None:
        one, two = self.worker("a"), self.worker("b")
        self.start(one, *(one.open(at=1e9 + at) for at in (3, 1, 7.25)))
        self.start(two, *(two.open(at=1e9 + at) for at in (2, 6, 0.5)))
        seconds = [it.connected_at.timestamp() - 1e9 for it in self.find()]
        assert seconds == [7.25, 6, 3, 2, 1, 0.5]

    def test_pages_neither_overlap_nor_leave_gaps(self) -> None:
        workers = [self.worker(name) for name in "abc"]
        for worker in workers:
            # Many open at the same instant.
            self.start(worker, *(worker.open(at=1e9 + n // 8) for n in range(20)))
        found: list[ConnectionRecord] = []
        offset: int | None = 0
        while offset is not None:
            page = self.find(limit=7, offset=offset)
            assert page.total == 60
            found += page
            offset = page.next_offset
        assert len(found) == 60
        assert {it.connection_id: it for it in found} == records_of(*workers)
        at = [it.connected_at for it in found]
        assert at == sorted(at, reverse=True)

    def test_page_after_the_last_is_empty(self) -> None:
        worker = self.worker()
        self.start(worker, worker.open(), worker.open())
        page = self.find(limit=2, offset=2)
        assert (len(page), page.total, page.next_offset) == (0, 2, None)
        page = self.find(limit=1, offset=1)
        assert (len(page), page.next_offset, page.limit, page.offset) == (1, None, 1, 1)

    def test_connections_are_found_by_type_user_and_labels(self) -> None:
        one, two = self.worker("a"), self.worker("b")
        self.start(
            one,
            one.open("call", user="7", labels={"room": "blue", "role": "host"}),
            one.open("call", user="8", labels={"room": "blue"}),
            one.open("chat", user="7", labels={"room": "red"}),
        )
        self.start(two, two.open("call", labels={"role": "blue"}), two.open("call"))
        numbers = self.numbers
        assert numbers(type="call") == {"a-1", "a-2", "b-1", "b-2"}
        assert numbers(user_id="7") == {"a-1", "a-3"}
        assert numbers(labels={"room": "blue"}) == {"a-1", "a-2"}
        assert numbers(labels={"room": "blue", "role": "host"}) == {"a-1"}
        assert numbers(type="call", user_id="7") == {"a-1"}
        assert numbers(type="chat", labels={"room": "blue"}) == set()
        assert numbers(type="call", user_id="8", labels={"room": "blue"}) == {"a-2"}
        assert numbers(type="cal") == numbers(user_id="70") == set()
        assert numbers(labels={"room": "blu"}) == numbers(labels={"blue": "room"})
        self.backend.goodbye("a")
        assert numbers(type="call") == {"b-1", "b-2"}
        assert numbers(user_id="7") == numbers(labels={"room": "blue"}) == set()

    def test_anonymous_connections_are_found(self) -> None:
        one, two = self.worker("a"), self.worker("b")
        self.start(
            one,
            one.open("call", user="7", labels={"room": "blue"}),
            one.open("call", labels={"room": "blue"}),
            one.open("chat"),
            one.open("call", user=""),
        )
        self.start(two, two.open("call"), two.open("call", user="7"))
        numbers = self.numbers
        assert numbers(anonymous=True) == {"a-2", "a-3", "b-1"}
        assert numbers(anonymous=True, type="call") == {"a-2", "b-1"}
        assert numbers(anonymous=True, labels={"room": "blue"}) == {"a-2"}
        assert numbers(anonymous=True, type="cal") == set()
        page = self.find(anonymous=True, limit=1, offset=1)
        assert (len(page), page.total, page.next_offset) == (1, 3, 2)
        self.backend.goodbye("a")
        assert numbers(anonymous=True) == {"b-1"}

    def test_connections_are_found_by_worker_and_number(self) -> None:
        if not self.backend.pages_of_workers:
            return
        for name in ("a", "b", "c"):
            worker = self.worker(name)
            self.start(
                worker, *(worker.open(("call", "chat")[n % 2]) for n in range(70))
            )
        two = frozenset({"a", "c"})
        page = self.find(worker_ids=two, limit=1000)
        assert (len(page), page.total, page.complete) == (140, 140, True)
        assert {it.worker_id for it in page} == two
        assert self.find(worker_ids=two, type="call", limit=1).total == 70
        numbers = self.numbers
        assert numbers(worker_ids=frozenset({"b"}), number=66) == {"b-42"}
        assert numbers(worker_ids=two, number=66) == {"a-42", "c-42"}
        assert numbers(worker_ids=frozenset({"b"}), number=66, type="none") == set()
        assert numbers(worker_ids=frozenset({"b"}), number=71) == set()
        assert numbers(worker_ids=frozenset({"d"})) == set()
        assert numbers(worker_ids=frozenset()) == set()
        if self.backend.pages_after:
            first = self.find(worker_ids=two, limit=100)
            rest = self.find(worker_ids=two, limit=100, after=first.next_cursor)
            assert len({it.connection_id for it in (*first, *rest)}) == 140

    def test_filter_is_paged_too(self) -> None:
        worker = self.worker()
        held = [worker.open(f"type{n % 3}", at=1e9 + n) for n in range(30)]
        self.start(worker, *held)
        page = self.find(type="type1", limit=4, offset=4)
        assert (page.total, page.next_offset) == (10, 8)
        wanted = [it for it in reversed(held) if it.type == "type1"][4:8]
        assert list(page) == [ConnectionRecord.of("a", it) for it in wanted]

    def test_labels_are_replaced(self) -> None:
        worker = self.worker()
        held = worker.open(user="7", labels={"room": "blue", "role": "host"})
        self.start(worker, held)
        assert self.backend.report(worker.change(held._replace(labels={"room": "red"})))
        self.assert_knows(worker)
        assert self.numbers(labels={"room": "blue"}) == set()
        assert self.numbers(labels={"role": "host"}) == set()
        assert self.numbers(labels={"room": "red"}) == {"a-1"}

    def test_type_and_user_are_replaced(self) -> None:
        worker = self.worker()
        held = worker.open("call", user="7")
        self.start(worker, held)
        assert self.backend.report(
            worker.change(held._replace(type="chat", user_id="8"))
        )
        self.assert_knows(worker)
        assert self.numbers(type="call") == self.numbers(user_id="7") == set()

    def numbers(self, **query: object) -> set[str]:
        """Return the ids of the connections that a query finds."""
        page = self.find(**query)
        assert page.total == len(page)
        return {it.connection_id for it in page}

    def test_hostile_text_comes_back_as_it_went(self) -> None:
        worker = self.worker()
        self.start(
            worker,
            *(
                worker.open(text, user=text, labels={text: text}, endpoint=text)
                for text in HOSTILE
            ),
        )
        self.assert_knows(worker)
        for number, text in enumerate(HOSTILE, start=1):
            found = {f"a-{number:x}"}
            assert self.backend.is_online(text)
            assert self.numbers(type=text) == found, text
            assert self.numbers(user_id=text) == found, text
            assert self.numbers(labels={text: text}) == found, text
        assert self.backend.report(worker.change(closed=worker.connections.values()))
        self.assert_knows(worker)

    def test_label_is_not_found_in_parts_of_others(self) -> None:
        worker = self.worker()
        self.start(
            worker,
            worker.open(labels={"a": "b", "c": "d"}),
            worker.open(labels={"b": "c", "aa": "b", "a": "bb"}),
            worker.open(labels={"x": '","a":"b"', 'y","a': "b"}),
        )
        assert self.numbers(labels={"a": "b"}) == {"a-1"}
        assert self.numbers(labels={"b": "c"}) == {"a-2"}

    def test_numbers_and_times_may_be_extreme(self) -> None:
        worker = self.worker()
        for number, at in ((2**40, 4e9), (2**40 + 1, 1e-3), (2**31, 1.5e9)):
            held = worker.open(at=at)._replace(number=number)
            self.tell(worker, worker.change(held))
        self.assert_knows(worker)
