"""How a worker does: its release, its versions, and the lag of its event loops."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading

import channels
import django
import pytest
from django.test import override_settings

import django_socket_status
from django_socket_status.activity.conditions import MAX_LOOPS
from django_socket_status.reporter import condition
from django_socket_status.reporter.condition import (
    RELEASE_VARIABLES,
    ConditionProbe,
    release_name,
)
from django_socket_status.reporter.thread import reporter
from django_socket_status.testing import Clock
from tests.support.asgi_driver import Socket, wait_until

pytestmark = pytest.mark.python

SLOW = 1.0


@pytest.fixture(autouse=True)
def no_release(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in RELEASE_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def probe(clock: Clock) -> ConditionProbe:
    return ConditionProbe(clock)


def lag_of(probe: ConditionProbe) -> list[float]:
    return list(probe.condition().loop_lag_seconds)


async def test_lag_is_how_long_a_callback_waits(probe, clock):
    probe.note_loop()
    probe.look(SLOW)
    clock.advance(0.25)
    await asyncio.sleep(0)
    assert lag_of(probe) == [0.25]
    probe.look(SLOW)
    await asyncio.sleep(0)
    assert lag_of(probe) == [0.0]


async def test_loop_that_is_blocked_has_the_lag_of_the_probe_that_waits(probe, clock):
    probe.note_loop()
    probe.look(SLOW)
    for lag in (1.0, 2.0):
        clock.advance(1)
        probe.look(SLOW)
        assert lag_of(probe) == [lag]
    await asyncio.sleep(0)
    assert lag_of(probe) == [2.0]
    probe.look(SLOW)
    await asyncio.sleep(0)
    assert lag_of(probe) == [0.0]


async def test_blocked_loop_names_the_function_that_it_runs(probe, clock, caplog):
    """A function of the project, not the loop's own, and none of its arguments."""

    def block(secret: str) -> None:
        probe.look(SLOW)
        for _ in range(3):
            clock.advance(0.75)
            # In production, the thread of the reporter looks.
            thread = threading.Thread(target=probe.look, args=[SLOW])
            thread.start()
            thread.join()

    probe.note_loop()
    probe.look(SLOW)
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_soon(block, "a secret")
    await asyncio.sleep(0)
    runs = probe.condition().loop_runs
    assert runs is not None
    assert runs.startswith("tests.reporter.test_condition.")
    assert "block, in threading." in runs
    (record,) = (it for it in caplog.records if "event loop" in it.getMessage())
    assert f"late by 1.5 s, because it runs {runs}. " in record.getMessage()
    assert "secret" not in caplog.text
    for _ in range(2):
        probe.look(SLOW)
        await asyncio.sleep(0)
    assert probe.condition().loop_runs is None


async def test_function_is_not_named_if_the_loop_went_on_meanwhile(
    probe, clock, caplog, monkeypatch
):
    def go_on(ident: int) -> str:
        (loop,) = probe._loops.values()
        loop._arrive()
        return "another.function"

    monkeypatch.setattr(condition, "run_by_loop", go_on)
    probe.note_loop()
    probe.look(SLOW)
    clock.advance(2)
    probe.look(SLOW)
    assert lag_of(probe) == [2.0]
    assert probe.condition().loop_runs is None
    assert "event loop" not in caplog.text


async def test_one_callback_waits_however_often_it_is_asked(probe):
    loop = asyncio.get_running_loop()
    probe.note_loop()
    probe.look(SLOW)
    waiting = len(loop._ready)
    for _ in range(10):
        probe.look(SLOW)
    assert len(loop._ready) == waiting


def test_each_loop_has_its_lag(probe, clock):
    async def in_another_thread(may_end: threading.Event) -> None:
        probe.note_loop()
        ready.set()
        await asyncio.to_thread(may_end.wait, 10)

    async def use() -> None:
        probe.note_loop()
        probe.look(SLOW)
        thread.start()
        await asyncio.to_thread(ready.wait, 10)
        probe.look(SLOW)
        await asyncio.sleep(0)
        assert len(lag_of(probe)) == 2
        may_end.set()
        await asyncio.to_thread(thread.join, 10)
        probe.look(SLOW)
        await asyncio.sleep(0)
        # Its loop is closed.
        assert len(lag_of(probe)) == 1

    ready, may_end = threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(in_another_thread(may_end)))
    asyncio.run(use())


def test_loops_do_not_add_up(probe):
    loops = [asyncio.new_event_loop() for _ in range(MAX_LOOPS + 3)]

    async def note() -> None:
        probe.note_loop()

    for loop in loops:
        loop.run_until_complete(note())
        probe.look(SLOW)
    assert len(lag_of(probe)) == MAX_LOOPS
    for loop in loops:
        loop.close()
    probe.look(SLOW)
    assert lag_of(probe) == []


def test_loop_is_not_kept_alive(probe):
    async def note() -> None:
        probe.note_loop()
        probe.look(SLOW)
        await asyncio.sleep(0)

    asyncio.run(note())
    gc.collect()
    probe.look(SLOW)
    assert lag_of(probe) == []


def test_socket_without_an_event_loop_is_no_error(probe):
    probe.note_loop()
    probe.look(SLOW)
    assert lag_of(probe) == []


async def test_socket_that_opens_makes_its_loop_known():
    socket = Socket().open()
    try:
        await asyncio.to_thread(wait_until, lambda: bool(lag_of(reporter.condition)))
    finally:
        socket.leave().end()


@pytest.mark.parametrize("name", RELEASE_VARIABLES)
def test_environment_says_the_release(monkeypatch, name):
    monkeypatch.setenv(name, "1f0a")
    assert release_name() == "1f0a"


def test_setting_says_the_release(monkeypatch):
    monkeypatch.setenv("GIT_SHA", "1f0a")
    with override_settings(SOCKET_STATUS={"RELEASE": "v7"}):
        assert release_name() == "v7"


def test_variables_have_an_order(monkeypatch):
    monkeypatch.setenv("K_REVISION", "later")
    monkeypatch.setenv("SENTRY_RELEASE", "first")
    assert release_name() == "first"


def test_release_is_bounded(monkeypatch):
    assert release_name() == ""
    monkeypatch.setenv("GIT_SHA", "\x1b" + "x" * 5000)
    assert len(release_name()) == 64
    assert release_name().isprintable()


def test_versions_are_those_that_run(probe):
    assert dict(probe.condition().versions) == {
        "python": ".".join(map(str, sys.version_info[:3])),
        "django": django.__version__,
        "channels": channels.__version__,
        "django_socket_status": django_socket_status.__version__,
    }
