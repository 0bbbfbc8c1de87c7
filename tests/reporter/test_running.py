"""What another thread runs, by the names of its functions."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType

import pytest

from django_socket_status.reporter.running import joined, run_by_loop, running
from tests.support.asgi_driver import wait_until

pytestmark = pytest.mark.python


@contextmanager
def loop_in_thread() -> Iterator[tuple[asyncio.AbstractEventLoop, int]]:
    """Run an event loop in a thread of its own."""
    loop = asyncio.new_event_loop()

    async def run() -> None:
        ready.set()
        await may_end.wait()

    ready, may_end = threading.Event(), asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=[run()])
    thread.start()
    ready.wait(60)
    yield loop, thread.ident or 0
    loop.call_soon_threadsafe(may_end.set)
    thread.join(60)
    loop.close()


def named_while(blocks: Callable[[threading.Event, threading.Event], None]) -> str:
    """Return what a loop is said to run while a function blocks it."""
    began, may_end = threading.Event(), threading.Event()
    with loop_in_thread() as (loop, ident):
        loop.call_soon_threadsafe(blocks, began, may_end)
        began.wait(60)
        # It waits in ``threading``.
        wait_until(lambda: "wait" in (run_by_loop(ident) or ""))
        found = run_by_loop(ident)
        may_end.set()
    return found or ""


def block(began: threading.Event, may_end: threading.Event) -> None:
    began.set()
    may_end.wait(60)


def test_function_of_the_project_is_named_with_what_it_waits_in():
    found = named_while(block)
    assert found.startswith("tests.reporter.test_running.block, in threading.")


@pytest.mark.parametrize("folder", ["site-packages", "dist-packages"])
def test_project_that_is_installed_is_named_by_what_runs(tmp_path: Path, folder):
    file = str(tmp_path / folder / "shop" / "consumers.py")
    installed = FunctionType(block.__code__.replace(co_filename=file), globals())
    found = named_while(installed)
    assert found.startswith("threading.")


def test_idle_loop_runs_nothing():
    with loop_in_thread() as (_, ident):
        wait_until(lambda: run_by_loop(ident) is None)


def test_thread_without_a_loop_runs_none():
    assert run_by_loop(threading.get_ident()) is None
    assert run_by_loop(None) is None


def test_thread_that_does_not_exist_runs_nothing():
    assert list(running(-1)) == []
    assert joined([]) is None


def test_frames_of_other_threads_are_not_read_without_the_gil(monkeypatch):
    def refuse() -> None:
        raise AssertionError("the frames are read")

    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    monkeypatch.setattr(sys, "_current_frames", refuse)
    assert list(running(threading.get_ident())) == []
