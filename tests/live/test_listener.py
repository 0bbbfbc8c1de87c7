from __future__ import annotations

import asyncio
import gc
import sys
import tracemalloc

import pytest

from django_socket_status.live import application, hub
from django_socket_status.live import listener as listener_module
from tests.support.asgi_driver import turns, until
from tests.support.live_push import Visitor, all_are_there, hub_of
from tests.support.live_push import listening as serving

pytestmark = pytest.mark.python


class TestPing:
    async def test_silent_listener_gets_a_ping(self, app, status, clock):
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
        assert listener_module.PING_SECONDS + 2 * hub.TICK_SECONDS + 1 <= 25


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
            clock.now += listener_module.SLOW_SECONDS
            status.sockets = 50
            await sound.is_told(50)
            await until(lambda: slow.given_up)
            slow.takes.set()
            await slow_task
        assert slow.counts == [0]
        assert slow.closed_with == (4408, "too slow")
        assert sound.counts == [*range(51)]

    async def test_slow_client_gets_the_latest_message_next(self, app, status, clock):
        visitor, other = Visitor(), Visitor()
        async with serving(app, visitor, other):
            await visitor.is_told(0)
            visitor.takes.clear()
            for sockets in range(1, 10):
                status.sockets = sockets
                await other.is_told(sockets)
            clock.now += listener_module.SLOW_SECONDS - 0.1
            await status.was_looked_at()
            visitor.takes.set()
            await visitor.is_told(9)
            clock.now += listener_module.SLOW_SECONDS
            await status.was_looked_at()
        assert visitor.counts == [0, 1, 9]
        assert visitor.closed_with is None

    async def test_client_that_does_not_even_take_the_close_is_left_to_the_server(
        self, app, status, clock, monkeypatch
    ):
        monkeypatch.setattr("django_socket_status.live.application.SLOW_SECONDS", 0.01)
        slow = Visitor()
        async with serving(app, slow) as (task,):
            await slow.is_told(0)
            slow.takes.clear()
            status.sockets = 1
            await status.was_looked_at()
            clock.now += listener_module.SLOW_SECONDS
            status.sockets = 2
            await asyncio.wait_for(asyncio.shield(task), 10)
            assert not slow.takes.is_set()
        assert slow.closed_with is None
        assert slow.given_up == 2

    async def test_slow_client_does_not_make_memory_grow(
        self, app, status, clock, monkeypatch
    ):
        # Another thread's first report would be measured, too.
        monkeypatch.setattr(application.reporter, "serve_listeners", lambda: None)
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
        """The caller may go on afterwards, as middlewares do."""
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

    async def test_client_that_leaves_as_it_is_dismissed_causes_no_error(
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
