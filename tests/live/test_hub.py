from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import types
import weakref
from typing import Any

import pytest

from django_socket_status.live import authorization, hub
from django_socket_status.live import listener as listener_module
from django_socket_status.live.application import FOREIGN, LiveStatus
from django_socket_status.live.handshake import RETURN_SECONDS
from django_socket_status.testing import isolated_socket_status
from tests.support.asgi_driver import turns, until
from tests.support.live_push import Visitor, all_are_there, hub_of, nothing_runs
from tests.support.live_push import listening as serving
from tests.support.source import ROOT

pytestmark = pytest.mark.python

CROWD = 250

rule = types.SimpleNamespace(answer=True, asked=0, stranger_waits=None)


def rules(request: Any) -> bool:
    rule.asked += 1
    if rule.stranger_waits is not None and not request.headers.get("X-Member"):
        rule.stranger_waits.wait()
    if isinstance(rule.answer, Exception):
        raise rule.answer
    return rule.answer


@pytest.fixture
def ruled() -> Any:
    rule.answer, rule.asked, rule.stranger_waits = True, 0, None
    with isolated_socket_status(SUMMARY_ACCESS=f"{__name__}.rules"):
        yield rule
    authorization.reset()


class TestTelling:
    async def test_first_message_is_the_summary(self, app, status):
        status.sockets = 3
        visitor = Visitor()
        async with serving(app, visitor):
            await visitor.is_told(3)
        accept, first = visitor.sent[:2]
        assert accept == {"type": "websocket.accept"}
        assert first["type"] == "websocket.send"
        assert visitor.heard[0] == {
            "v": 1,
            "type": "summary",
            "summary": {"total_sockets": 3, "timestamp": "read 1"},
        }

    async def test_change_is_pushed_and_nothing_else(self, app, status):
        visitor = Visitor()
        async with serving(app, visitor):
            await visitor.is_told(0)
            await status.was_looked_at(times=5)
            status.sockets = 1
            await visitor.is_told(1)
            await status.was_looked_at(times=5)
            status.sockets = 2
            await visitor.is_told(2)
        assert visitor.counts == [0, 1, 2]

    async def test_burst_of_changes_is_one_message(self, app, status):
        visitor = Visitor()
        async with serving(app, visitor):
            await visitor.is_told(0)
            looked = asyncio.Event()
            status.before = looked.wait
            await until(lambda: status.reads)
            for sockets in range(1, 1000):
                status.sockets = sockets
            status.before = None
            looked.set()
            await visitor.is_told(999)
        assert visitor.counts == [0, 999]

    async def test_everybody_is_given_the_same_text(self, app, status):
        visitors = [Visitor() for _ in range(CROWD)]
        async with serving(app, *visitors):
            for sockets in (0, 1):
                status.sockets = sockets
                for visitor in visitors:
                    await visitor.is_told(sockets)
        texts = {id(it.sent[-1]["text"]) for it in visitors}
        assert len(texts) == 1

    async def test_later_listener_gets_the_known_summary_at_once(self, app, status):
        first, second = Visitor(), Visitor()
        async with serving(app, first):
            await first.is_told(0)
            never = asyncio.Event()
            status.before = never.wait
            await status.was_looked_at(times=1)
            async with serving(app, second):
                await second.is_told(0)
                status.before = None
                never.set()
        assert first.heard == second.heard

    async def test_many_listeners_are_served_in_pieces_between_which_others_run(
        self, app, status
    ):
        visitors = [Visitor() for _ in range(CROWD)]
        async with serving(app, *visitors):
            for visitor in visitors:
                await visitor.is_told(0)
            told_at_once: list[int] = []

            async def watch() -> None:
                told = 0
                while told < CROWD:
                    before, told = told, sum(it.counts[-1] for it in visitors)
                    told_at_once.append(told - before)
                    await asyncio.sleep(0)

            status.sockets = 1
            await asyncio.wait_for(watch(), 10)
        assert max(told_at_once) <= hub.CROWD < CROWD

    async def test_listener_that_leaves_during_a_push_gets_no_more(
        self, app, status, monkeypatch
    ):
        monkeypatch.setattr(hub, "CROWD", 1)
        visitors = {id(it.scope): it for it in (Visitor() for _ in range(CROWD))}
        async with serving(app, *visitors.values()):
            for visitor in visitors.values():
                await visitor.is_told(0)
            # A set that nothing changes keeps its order.
            first, *others, last = (
                visitors[id(it.scope)] for it in tuple(hub_of(app).listeners)
            )
            status.sockets = 1
            await first.is_told(1)
            last.leave()
            await all_are_there(app, CROWD - 1)
            for visitor in others:
                await visitor.is_told(1)
            assert last.counts == [0]

    async def test_send_that_raises_ends_only_its_listener(self, app, status):
        def fail(message: Any) -> None:
            if message["type"] == "websocket.send":
                raise OSError("the client is gone")

        broken, sound = Visitor(), Visitor()
        broken.on_send = fail
        async with serving(app, broken, sound):
            await sound.is_told(0)
            status.sockets = 1
            await sound.is_told(1)
        assert broken.sent_types == ["websocket.accept"]


class TestTicker:
    async def test_status_is_not_read_without_listeners(self, app, status):
        await asyncio.sleep(0.01)
        assert status.reads == 0
        visitor = Visitor()
        async with serving(app, visitor):
            await status.was_looked_at()
        await nothing_runs()
        reads = status.reads
        await asyncio.sleep(0.01)
        assert status.reads == reads

    async def test_one_ticker_looks_for_everybody(self, app, status):
        never = asyncio.Event()
        status.before = never.wait
        visitors = [Visitor() for _ in range(20)]
        async with serving(app, *visitors):
            await all_are_there(app, 20)
            await turns()
            assert status.reads == 1
            status.before = None
            never.set()

    async def test_ticker_goes_on_until_the_last_one_left(self, app, status):
        first, second = Visitor(), Visitor()
        async with serving(app, second):
            async with serving(app, first):
                await first.is_told(0)
            await status.was_looked_at()
        await nothing_runs()

    async def test_listener_that_comes_as_the_last_one_leaves_gets_the_summary(
        self, app, status
    ):
        """A ticker that was cancelled, and has not noticed yet, is none."""
        for number in range(20):
            status.sockets = number
            first, second = Visitor(), Visitor()
            async with serving(app, first) as (task,):
                await first.is_told(number)
                first.leave()
                async with serving(app, second):
                    await second.is_told(number)
                await task

    async def test_each_loop_has_its_own(self, status):
        app = LiveStatus()

        async def listen() -> int:
            visitor = Visitor()
            async with serving(app, visitor):
                await visitor.is_told(0)
                return len(app.hubs)

        for _ in range(5):
            assert await asyncio.to_thread(lambda: asyncio.run(listen())) == 1
        assert app.hubs == {}

    async def test_loop_that_is_gone_takes_its_hub_with_it(self, app, status, caplog):
        def stop_halfway() -> weakref.ref[Any]:
            loop = asyncio.new_event_loop()
            visitor = Visitor()

            async def receive() -> Any:
                # After the first message, what needs no loop to be thrown away.
                return await (
                    loop.create_future() if visitor.sent else visitor.receive()
                )

            task = loop.create_task(app(visitor.scope, receive, visitor.send))
            loop.run_until_complete(visitor.is_told(0))
            loop.close()
            assert loop in app.hubs
            del task
            return weakref.ref(loop)

        gone = await asyncio.to_thread(stop_halfway)
        visitor = Visitor()
        async with serving(app, visitor):
            await visitor.is_told(0)
            assert list(app.hubs) == [asyncio.get_running_loop()]
        gc.collect()
        assert gone() is None
        # The code that stopped the loop caused these, not this package.
        assert {it.name for it in caplog.records} <= {"asyncio"}

    async def test_ticker_runs_in_no_context_of_a_listener(self, app, status):
        trace = contextvars.ContextVar("trace", default="none")
        seen: list[str] = []

        async def look() -> None:
            seen.append(trace.get())

        status.before = look
        visitor = Visitor()
        trace.set("of the first listener")
        async with serving(app, visitor):
            await status.was_looked_at()
        assert set(seen) == {"none"}


class TestTrouble:
    async def test_status_that_is_not_known_ends_it_for_everybody(self, app, status):
        visitors = [Visitor(), Visitor()]
        async with serving(app, *visitors):
            for visitor in visitors:
                await visitor.is_told(0)
            status.is_lost()
            for visitor in visitors:
                code, reason = await visitor.is_closed()
                assert (code, bool(reason)) == (1013, True)

    async def test_listener_that_comes_after_an_outage_gets_nothing_old(
        self, app, status
    ):
        first, second = Visitor(), Visitor()
        async with serving(app, first):
            await first.is_told(0)
            status.is_lost()
            await first.is_closed()
            status.sockets = 5
            async with serving(app, second):
                assert await second.is_closed() == first.closed_with
        assert second.counts == []

    async def test_listener_that_comes_after_an_outage_gets_the_summary(
        self, app, status
    ):
        first, second = Visitor(), Visitor()
        status.is_lost()
        async with serving(app, first):
            await first.is_closed()
        status.error = None
        async with serving(app, second):
            await second.is_told(0)

    async def test_unexpected_error_is_logged_and_ends_live_push(
        self, app, status, caplog
    ):
        visitor = Visitor()
        async with serving(app, visitor):
            await visitor.is_told(0)
            status.error = TypeError("unheard of")
            assert await visitor.is_closed() == (1011, "internal error")
        assert [it.name for it in caplog.records] == ["django_socket_status"]
        assert caplog.records[0].exc_info


class TestAccess:
    @pytest.fixture(autouse=True)
    def always_due(self, ruled, monkeypatch):
        monkeypatch.setattr(hub, "ACCESS_SECONDS", 0.0)

    @pytest.mark.parametrize(
        ("answer", "refusal"),
        [
            (False, (4401, "sign in")),
            (RuntimeError("broken rule"), (1011, "internal error")),
        ],
    )
    async def test_access_is_checked_again_and_may_end_it(
        self, app, transactional_db, answer, refusal
    ):
        visitor = Visitor()
        async with serving(app, visitor):
            await visitor.is_told(0)
            await until(lambda: rule.asked > 5)
            rule.answer = answer
            assert await visitor.is_closed() == refusal

    async def test_rule_that_does_not_answer_ends_it(
        self, app, transactional_db, monkeypatch
    ):
        """Who may have lost the right to listen must not go on meanwhile."""
        visitor = Visitor()
        async with serving(app, visitor):
            await visitor.is_told(0)
            monkeypatch.setattr(authorization, "MAX_WAITING", 0)
            assert await visitor.is_closed() == (1013, "try again later")

    async def test_listeners_stay_while_new_handshakes_time_out(
        self, app, status, transactional_db, monkeypatch
    ):
        members = [Visitor(headers=[(b"x-member", b"yes")]) for _ in range(5)]
        strangers = [Visitor(client=(f"192.0.2.{n}", 1)) for n in range(120)]
        async with serving(app, *members):
            await all_are_there(app, 5)
            monkeypatch.setattr(authorization, "ANSWER_SECONDS", 1.0)
            rule.stranger_waits = threading.Event()
            try:
                async with serving(app, *strangers):
                    for stranger in strangers:
                        assert await stranger.is_closed() == (1013, "try again later")
                    asked = rule.asked
                    await until(lambda: rule.asked >= asked + 5)
            finally:
                rule.stranger_waits.set()
            status.sockets = 1
            for member in members:
                await member.is_told(1)
        assert {it.closed_with for it in members} == {None}

    async def test_access_is_not_checked_too_often(
        self, app, status, clock, transactional_db, monkeypatch
    ):
        monkeypatch.setattr(hub, "ACCESS_SECONDS", 10.0)
        visitors = [Visitor() for _ in range(3)]
        async with serving(app, *visitors):
            await all_are_there(app, 3)
            clock.now += 9.9
            await status.was_looked_at(5)
            assert rule.asked == 3
            clock.now += 0.1
            await until(lambda: rule.asked == 6)
            await status.was_looked_at(5)
            assert rule.asked == 6

    async def test_access_of_many_listeners_is_checked_a_few_at_a_time(
        self, app, transactional_db, monkeypatch
    ):
        monkeypatch.setattr(hub, "BATCH_SIZE", 2)
        visitors = [Visitor() for _ in range(7)]
        async with serving(app, *visitors):
            await all_are_there(app, 7)
            rule.answer = False
            for visitor in visitors:
                assert await visitor.is_closed() == (4401, "sign in")

    async def test_listener_who_left_meanwhile_is_not_cancelled(
        self, app, transactional_db, monkeypatch
    ):
        asked, answered = asyncio.Event(), asyncio.Event()

        async def answer(scope: Any) -> Any:
            asked.set()
            await answered.wait()
            return authorization.Decision.FORBIDDEN, None

        async def serve_and_go_on(scope: Any, receive: Any, send: Any) -> None:
            await app(scope, receive, send)
            if scope is first.scope:
                left.set()
                await second.is_closed()

        first, second = Visitor(), Visitor()
        left = asyncio.Event()
        async with serving(serve_and_go_on, first, second) as (task, _):
            await all_are_there(app, 2)
            monkeypatch.setattr(hub, "decide_again", answer)
            await asked.wait()
            first.leave()
            await left.wait()
            answered.set()
            assert await second.is_closed() == (4403, "forbidden")
            await task
        assert first.closed_with is None

    async def test_question_that_waits_ends_with_the_last_listener(
        self, app, transactional_db, monkeypatch
    ):
        asked = asyncio.Event()

        async def answer_never(scope: Any) -> Any:
            asked.set()
            await asyncio.get_running_loop().create_future()

        visitor = Visitor()
        async with serving(app, visitor):
            await visitor.is_told(0)
            monkeypatch.setattr(hub, "decide_again", answer_never)
            await asked.wait()
        await nothing_runs()

    @pytest.mark.parametrize(
        ("engine", "cookie", "returns"),
        [
            ("signed_cookies", b"sessionid=x", True),
            ("signed_cookies", b"theme=dark", False),
            ("cached_db", b"sessionid=x", False),
        ],
    )
    async def test_listener_whose_cookie_is_its_session_has_to_connect_again(
        self,
        app,
        status,
        clock,
        settings,
        monkeypatch,
        transactional_db,
        engine,
        cookie,
        returns,
    ):
        settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
        settings.ALLOWED_HOSTS = ["example.com"]
        monkeypatch.setattr(hub, "ACCESS_SECONDS", 10.0)
        headers = [(b"cookie", cookie), (b"origin", b"https://example.com")]
        visitor = Visitor(headers=headers)
        async with serving(app, visitor):
            await visitor.is_told(0)
            asked = rule.asked
            clock.now += RETURN_SECONDS - 1
            await until(lambda: rule.asked > asked)
            await status.was_looked_at(5)
            assert visitor.closed_with is None
            asked = rule.asked

            def is_asked_again() -> bool:
                # An answer that comes late counts from the time at which it came.
                clock.now += 10
                return rule.asked > asked

            await until(is_asked_again)
            if returns:
                assert await visitor.is_closed() == (1012, "connect again")
            else:
                await status.was_looked_at(5)
                assert visitor.closed_with is None

    async def test_public_summary_checks_no_access(self, app, status):
        with isolated_socket_status():
            visitor = Visitor()
            async with serving(app, visitor):
                await status.was_looked_at(5)
        assert rule.asked == 0


class TestLimits:
    @pytest.fixture(autouse=True)
    def few(self, monkeypatch):
        monkeypatch.setattr(hub, "MAX_LISTENERS", 5)
        monkeypatch.setattr(hub, "MAX_LISTENERS_OF_ADDRESS", 3)
        monkeypatch.setattr(hub, "MAX_LISTENERS_OF_USER", 2)

    def visitors(self, count: int, address: str) -> list[Visitor]:
        return [Visitor(client=(address, number)) for number in range(count)]

    async def assert_room_for(self, app: LiveStatus, *visitors: Visitor, room: int):
        async with serving(app, *visitors):
            await until(lambda: all(len(it.sent) > 1 for it in visitors))
            refused = [it.closed_with for it in visitors if it.closed_with]
        assert refused == [(4429, "too many listeners")] * (len(visitors) - room)
        told = [it for it in visitors if it.counts]
        assert len(told) == room

    async def test_address_has_only_so_many(self, app):
        await self.assert_room_for(app, *self.visitors(10, "192.0.2.1"), room=3)

    async def test_process_has_only_so_many(self, app):
        visitors = [it for n in range(9) for it in self.visitors(1, f"192.0.2.{n}")]
        await self.assert_room_for(app, *visitors, room=5)

    async def test_user_has_only_so_many_from_wherever(
        self, app, ruled, transactional_db
    ):
        robot = types.SimpleNamespace(pk="r2", is_authenticated=True)
        visitors = [
            Visitor(client=(f"192.0.2.{number}", 1), user=robot) for number in range(5)
        ]
        await self.assert_room_for(app, *visitors, room=2)

    async def test_access_is_not_checked_above_the_limit(
        self, app, ruled, transactional_db
    ):
        there = self.visitors(3, "192.0.2.1")
        async with serving(app, *there):
            await all_are_there(app, 3)
            asked = rule.asked
            await self.assert_room_for(app, *self.visitors(20, "192.0.2.1"), room=0)
            others = [it for n in (2, 3) for it in self.visitors(1, f"192.0.2.{n}")]
            async with serving(app, *others):
                await all_are_there(app, 5)
                assert rule.asked == asked + 2
                robot = types.SimpleNamespace(pk="r2", is_authenticated=True)
                late = Visitor(client=("192.0.2.9", 1), user=robot)
                await self.assert_room_for(app, late, room=0)
                assert rule.asked == asked + 2

    async def test_user_finds_room_where_strangers_have_taken_the_address(
        self, app, ruled, transactional_db
    ):
        robot = types.SimpleNamespace(pk="r2", is_authenticated=True)
        async with serving(app, *self.visitors(3, "192.0.2.1")):
            await all_are_there(app, 3)
            user = Visitor(client=("192.0.2.1", 9), user=robot)
            await self.assert_room_for(app, user, room=1)

    async def test_who_leaves_gives_the_place_back(self, app):
        for _ in range(3):
            await self.assert_room_for(app, *self.visitors(4, "192.0.2.1"), room=3)
        first, *others = self.visitors(4, "192.0.2.1")
        async with serving(app, *others):
            await all_are_there(app, 3)
            others[0].leave()
            await all_are_there(app, 2)
            async with serving(app, first):
                await first.is_told(0)

    async def test_who_was_refused_took_no_place(self, app):
        visitors = self.visitors(3, "192.0.2.1")
        async with serving(app, *visitors):
            await all_are_there(app, 3)
            for _ in range(3):
                await self.assert_room_for(
                    app, Visitor(client=("192.0.2.1", 9)), room=0
                )
            assert len(hub_of(app).listeners) == 3


class TestReference:
    """What other clients are written against is what this one does."""

    @pytest.fixture
    def page(self) -> str:
        return (ROOT / "docs" / "reference" / "live.md").read_text(encoding="utf-8")

    @pytest.mark.parametrize(
        ("code", "reason"),
        [
            *hub.REFUSALS.values(),
            listener_module.TOO_SLOW,
            hub.TOO_MANY,
            hub.TRY_AGAIN_LATER,
            hub.CONNECT_AGAIN,
            FOREIGN,
        ],
    )
    def test_every_close_is_in_the_reference(self, page, code, reason):
        (row,) = (it for it in page.splitlines() if it.startswith(f"| {code} |"))
        assert f"`{reason}`" in row
        # RFC 6455, section 5.5.
        assert len(reason.encode()) <= 123

    def test_every_limit_is_in_the_reference(self, page):
        for limit in (
            hub.MAX_LISTENERS,
            hub.MAX_LISTENERS_OF_USER,
            hub.MAX_LISTENERS_OF_ADDRESS,
            int(listener_module.SLOW_SECONDS),
            int(authorization.ANSWER_SECONDS),
            authorization.MAX_WAITING,
            authorization.MAX_WAITING_OF_ADDRESS,
        ):
            assert f"| {limit:,}" in page

    def test_messages_are_as_in_the_reference(self, page):
        assert listener_module.PING in page
        message = f'{{"v": {listener_module.VERSION}, "type": "summary", "summary": {{'
        assert message in page
        assert listener_module.PING_SECONDS == 20
        assert RETURN_SECONDS == 120
        assert hub.ACCESS_SECONDS == 10
        assert hub.TICK_SECONDS == 0.5
