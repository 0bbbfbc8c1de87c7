from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
import tracemalloc
import types
import weakref
from collections.abc import AsyncIterator
from typing import Any

import pytest

from django_socket_status import hub, listening
from django_socket_status.live import FOREIGN, LiveStatus
from django_socket_status.testing import isolated_socket_status
from tests.asgi_driver import turns, until
from tests.live_push import Status, Visitor, nothing_runs
from tests.live_push import listening as serving
from tests.source import ROOT

CROWD = 250

rule = types.SimpleNamespace(answer=True, asked=0)


def rules(request: Any) -> bool:
    rule.asked += 1
    if isinstance(rule.answer, Exception):
        raise rule.answer
    return rule.answer


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(hub, "_now", clock)
    return clock


@pytest.fixture
def status(monkeypatch: pytest.MonkeyPatch) -> Status:
    status = Status()
    monkeypatch.setattr(hub, "TICK_SECONDS", 0.001)
    monkeypatch.setattr(hub.SocketStatusService, "aget_socket_info_summary", status)
    return status


@pytest.fixture
async def app(status: Status) -> AsyncIterator[LiveStatus]:
    app = LiveStatus()
    yield app
    await nothing_runs()
    assert app.hubs == {}


@pytest.fixture
def ruled() -> Any:
    rule.answer, rule.asked = True, 0
    with isolated_socket_status(SUMMARY_ACCESS=f"{__name__}.rules"):
        yield rule
    listening._desk.reset()


def hub_of(app: LiveStatus) -> hub.Hub:
    return app.hubs[asyncio.get_running_loop()]


async def all_are_there(app: LiveStatus, count: int) -> None:
    await until(lambda: app.hubs and len(hub_of(app).listeners) == count)


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

    async def test_change_is_told_and_nothing_else(self, app, status):
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

    async def test_burst_of_changes_is_told_as_one(self, app, status):
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

    async def test_who_comes_later_is_told_at_once_what_is_known(self, app, status):
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

    async def test_crowd_is_told_in_pieces_between_which_others_run(self, app, status):
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

    async def test_listener_who_leaves_while_others_are_told_is_told_no_more(
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

    async def test_server_that_raises_on_send_ends_nobody_else(self, app, status):
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


class TestPing:
    async def test_listener_that_was_told_nothing_for_a_while_is_told_that_we_are_there(
        self, app, status, clock
    ):
        visitor = Visitor()
        async with serving(app, visitor):
            await visitor.is_told(0)
            clock.now += 19.9
            await status.was_looked_at()
            assert len(visitor.heard) == 1
            clock.now += 0.1
            await until(lambda: len(visitor.heard) == 2)
            await status.was_looked_at()
            clock.now += 19.9
            await status.was_looked_at()
            assert visitor.heard[1:] == [{"v": 1, "type": "ping"}]

    async def test_summary_is_as_good_as_a_ping(self, app, status, clock):
        visitor = Visitor()
        async with serving(app, visitor):
            await visitor.is_told(0)
            for sockets in (1, 2, 3):
                clock.now += 15
                status.sockets = sockets
                await visitor.is_told(sockets)
        assert visitor.counts == [0, 1, 2, 3]
        assert len(visitor.heard) == 4

    def test_ping_comes_within_the_time_that_the_protocol_promises(self):
        assert hub.PING_SECONDS + 2 * hub.TICK_SECONDS + 1 <= 25


class TestSlow:
    async def test_client_that_takes_no_message_is_let_go(self, app, status, clock):
        slow, sound = Visitor(), Visitor()
        async with serving(app, slow, sound) as (slow_task, _):
            await all_are_there(app, 2)
            await slow.is_told(0)
            await sound.is_told(0)
            slow.takes.clear()
            for sockets in range(1, 50):
                status.sockets = sockets
                await sound.is_told(sockets)
            clock.now += hub.SLOW_SECONDS
            status.sockets = 50
            await sound.is_told(50)
            await until(lambda: slow.given_up)
            slow.takes.set()
            await slow_task
        assert slow.counts == [0]
        assert slow.closed_with == (4408, "too slow")
        assert sound.counts == [*range(51)]

    async def test_client_that_takes_a_message_late_is_told_the_latest_next(
        self, app, status, clock
    ):
        visitor, other = Visitor(), Visitor()
        async with serving(app, visitor, other):
            await visitor.is_told(0)
            visitor.takes.clear()
            for sockets in range(1, 10):
                status.sockets = sockets
                await other.is_told(sockets)
            clock.now += hub.SLOW_SECONDS - 0.1
            await status.was_looked_at()
            visitor.takes.set()
            await visitor.is_told(9)
            clock.now += hub.SLOW_SECONDS
            await status.was_looked_at()
        assert visitor.counts == [0, 1, 9]
        assert visitor.closed_with is None

    async def test_client_that_does_not_even_take_the_close_is_left_to_the_server(
        self, app, status, clock, monkeypatch
    ):
        monkeypatch.setattr("django_socket_status.live.SLOW_SECONDS", 0.01)
        slow = Visitor()
        async with serving(app, slow) as (task,):
            await slow.is_told(0)
            slow.takes.clear()
            status.sockets = 1
            await status.was_looked_at()
            clock.now += hub.SLOW_SECONDS
            status.sockets = 2
            await asyncio.wait_for(asyncio.shield(task), 10)
            assert not slow.takes.is_set()
        assert slow.closed_with is None
        assert slow.given_up == 2

    async def test_slow_client_does_not_make_memory_grow(self, app, status, clock):
        slow, sound = Visitor(), Visitor()
        async with serving(app, slow, sound):
            await slow.is_told(0)
            slow.takes.clear()

            async def change(times: int) -> int:
                for _ in range(times):
                    status.sockets += 1
                    await sound.is_told(status.sockets)
                    sound.sent.clear()
                gc.collect()
                return tracemalloc.get_traced_memory()[0]

            tracemalloc.start()
            before = await change(50)
            after = await change(500)
            tracemalloc.stop()
        assert after - before < 20_000


class TestTicker:
    async def test_nobody_looks_while_nobody_listens(self, app, status):
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

    async def test_who_comes_as_the_last_one_leaves_is_told(self, app, status):
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
        # Of whoever stopped the loop: nothing is ours but what asyncio itself says.
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

    async def test_who_comes_after_trouble_is_told_nothing_old(self, app, status):
        first, second = Visitor(), Visitor()
        async with serving(app, first):
            await first.is_told(0)
            status.is_lost()
            await first.is_closed()
            status.sockets = 5
            async with serving(app, second):
                assert await second.is_closed() == first.closed_with
        assert second.counts == []

    async def test_who_comes_after_trouble_is_over_is_told(self, app, status):
        first, second = Visitor(), Visitor()
        status.is_lost()
        async with serving(app, first):
            await first.is_closed()
        status.error = None
        async with serving(app, second):
            await second.is_told(0)

    async def test_error_that_nobody_thought_of_is_logged_and_ends_it(
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
    async def test_rule_is_asked_again_and_may_end_it(
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
            monkeypatch.setattr(listening, "WAITING", 0)
            assert await visitor.is_closed() == (1013, "try again later")

    async def test_nobody_is_asked_about_too_often(
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

    async def test_crowd_is_asked_about_a_few_at_a_time(
        self, app, transactional_db, monkeypatch
    ):
        monkeypatch.setattr(hub, "TOGETHER", 2)
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
            return listening.Decision.FORBIDDEN, None

        async def serve_and_go_on(scope: Any, receive: Any, send: Any) -> None:
            await app(scope, receive, send)
            if scope is first.scope:
                left.set()
                await second.is_closed()

        first, second = Visitor(), Visitor()
        left = asyncio.Event()
        async with serving(serve_and_go_on, first, second) as (task, _):
            await all_are_there(app, 2)
            monkeypatch.setattr(hub, "decide", answer)
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
            monkeypatch.setattr(hub, "decide", answer_never)
            await asked.wait()
        await nothing_runs()

    async def test_public_summary_asks_about_nobody(self, app, status):
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


class TestCancellation:
    async def test_server_that_cancels_gets_its_cancellation_back(self, app):
        visitor = Visitor()
        async with serving(app, visitor) as (task,):
            await visitor.is_told(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert visitor.closed_with is None

    async def test_our_own_cancellation_leaves_no_trace_on_the_task(self, app, status):
        """Whoever called us may go on, as middlewares do."""
        counts: list[int] = []

        async def serve() -> None:
            await app(visitor.scope, visitor.receive, visitor.send)
            task = asyncio.current_task()
            if sys.version_info >= (3, 11):
                counts.append(task.cancelling())
            await asyncio.sleep(0)
            counts.append(0)

        visitor = Visitor()
        task = asyncio.ensure_future(serve())
        await visitor.is_told(0)
        status.is_lost()
        await task
        assert set(counts) == {0}
        assert visitor.closed_with

    @pytest.mark.parametrize("first", ["we", "the server"])
    async def test_server_that_cancels_at_the_same_time_gets_its_own(self, app, first):
        visitor = Visitor()
        async with serving(app, visitor) as (task,):
            await visitor.is_told(0)
            (listener,) = hub_of(app).listeners
            if first == "we":
                listener.dismiss(4401, "sign in")
                task.cancel()
            else:
                task.cancel()
                listener.dismiss(4401, "sign in")
            await asyncio.wait({task})
        # Python 3.10 does not count them: there, the task ends with a close.
        assert task.cancelled() is (sys.version_info >= (3, 11))

    async def test_server_that_cancels_during_our_close_gets_its_own(self, app, status):
        visitor = Visitor()
        async with serving(app, visitor) as (task,):
            await visitor.is_told(0)
            visitor.takes.clear()
            status.is_lost()
            await nothing_waits_but(task)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert visitor.closed_with is None

    async def test_client_that_leaves_as_it_is_dismissed_hurts_nobody(
        self, app, status
    ):
        for first in ("we", "the client"):
            visitor, other = Visitor(), Visitor()
            async with serving(app, visitor, other) as (task, _):
                await all_are_there(app, 2)
                await visitor.is_told(0)
                (listener,) = (
                    it for it in hub_of(app).listeners if it.scope is visitor.scope
                )
                if first == "we":
                    listener.dismiss(4401, "sign in")
                    visitor.leave()
                else:
                    visitor.leave()
                    listener.dismiss(4401, "sign in")
                listener.dismiss(4403, "forbidden")
                await task
                status.sockets += 1
                await other.is_told(status.sockets)
                status.sockets = 0


async def nothing_waits_but(task: asyncio.Task[None]) -> None:
    """Wait until the ticker is gone, and a task has come to its close."""
    ours = {asyncio.current_task(), task}
    await until(lambda: len(asyncio.all_tasks() - ours) <= 1)
    await turns()


class TestReference:
    """What other clients are written against is what this one does."""

    @pytest.fixture
    def page(self) -> str:
        return (ROOT / "docs" / "reference" / "live.md").read_text(encoding="utf-8")

    @pytest.mark.parametrize(
        ("code", "reason"),
        [
            *hub.REFUSALS.values(),
            hub.TOO_SLOW,
            hub.TOO_MANY,
            hub.TRY_AGAIN_LATER,
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
            int(hub.SLOW_SECONDS),
            int(listening.ANSWER_SECONDS),
        ):
            assert f"| {limit:,}" in page

    def test_messages_are_as_in_the_reference(self, page):
        assert hub.PING in page
        assert f'{{"v": {hub.VERSION}, "type": "summary", "summary": {{' in page
        assert hub.PING_SECONDS == 20
        assert hub.ACCESS_SECONDS == 10
        assert hub.TICK_SECONDS == 0.5
