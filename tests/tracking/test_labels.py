"""Labels that change during the life of a connection, from any thread."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from django_socket_status.registry.registry import registry
from django_socket_status.tracking import labels
from django_socket_status.tracking.labels import update_labels
from tests.support.asgi_driver import Books, Socket, open_books

pytestmark = pytest.mark.python


@pytest.fixture
def books(monkeypatch: pytest.MonkeyPatch) -> Books:
    return open_books(monkeypatch)


@pytest.fixture
def rapid_switches() -> Iterator[None]:
    """Let Python change from thread to thread as often as it can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.parametrize("is_open", [True, False], ids=["open", "opening"])
def test_change_during_another_change_is_kept(books, monkeypatch, is_open):
    socket = Socket()
    if is_open:
        socket.open()
    bounded, changed = labels.bounded_text, []

    def change_meanwhile(value: object, limit: int) -> str:
        if not changed:
            changed.append(True)
            thread = threading.Thread(target=socket.label, kwargs={"role": "host"})
            thread.start()
            thread.join()
        return bounded(value, limit)

    monkeypatch.setattr(labels, "bounded_text", change_meanwhile)
    socket.label(room="blue")
    if not is_open:
        socket.open()
    assert books.only.labels == {"room": "blue", "role": "host"}
    socket.close()


@pytest.mark.usefixtures("rapid_switches")
def test_threads_that_change_labels_at_once_lose_none(books):
    """Also the first ones of a connection, which has no place for labels yet."""
    threads = 4
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(100):
            change_labels_at_once(books, pool, threads)
    assert registry.counts == {}


def change_labels_at_once(books: Books, pool: ThreadPoolExecutor, threads: int) -> None:
    socket = Socket().open()
    barrier = threading.Barrier(threads)

    def change(thread: int) -> None:
        barrier.wait()
        for number in range(4):
            socket.label(**{f"label-{thread}-{number}": thread})

    list(pool.map(change, range(threads)))
    assert len(books.only.labels) == 16
    socket.close()
    books.settle()


def test_labels_that_are_no_mapping_are_refused():
    for wrong in ("room", ["room"], None, 5):
        with pytest.raises(TypeError, match="labels must be a mapping"):
            update_labels(Socket().scope, wrong)  # type: ignore[arg-type]


def _change_in_child(socket: Any, queue: Any) -> None:
    queue.put(update_labels(socket.scope, {"room": 1}))


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_child_of_a_fork_does_not_wait_for_a_thread_of_its_parent():
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with labels._lock:
            held.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(60)
    try:
        context = multiprocessing.get_context("fork")
        queue = context.SimpleQueue()
        child = context.Process(target=_change_in_child, args=(Socket(), queue))
        child.start()
        child.join(10)
        assert child.exitcode == 0
        assert queue.get() is True
    finally:
        done.set()
        thread.join()
