"""A thread of this package has no context of its starter, and the GIL is known."""

from __future__ import annotations

import contextvars
import sys
import sysconfig
import threading

import pytest

from django_socket_status.concurrency import threads
from django_socket_status.concurrency.daemon_executor import DaemonExecutor, result
from django_socket_status.concurrency.threads import daemon_thread, has_gil
from django_socket_status.reporter.sync_thread import running_in

pytestmark = pytest.mark.python

SECONDS = 30.0
LANGUAGE = contextvars.ContextVar("language", default="none")


class InheritingThread(threading.Thread):
    """A thread as Python 3.14 starts it without the GIL: with its starter's context."""

    def start(self) -> None:
        self._inherited = contextvars.copy_context()
        super().start()

    def run(self) -> None:
        self._inherited.run(super().run)


@pytest.fixture
def inheriting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads.threading, "Thread", InheritingThread)


def test_thread_has_an_empty_context(inheriting):
    seen: list[str] = []
    LANGUAGE.set("that of a socket")
    thread = daemon_thread("a name", lambda word: seen.append(LANGUAGE.get()), "word")
    assert (thread.name, thread.daemon) == ("a name", True)
    thread.start()
    thread.join(SECONDS)
    assert seen == ["none"]


def test_executor_does_not_run_in_the_context_of_its_first_caller(inheriting):
    executor = DaemonExecutor("a name", 1)
    LANGUAGE.set("that of a socket")
    try:
        assert result(executor.submit(LANGUAGE.get), SECONDS) == "none"
    finally:
        executor.reset()


def test_gil_is_there_unless_the_build_can_run_without(monkeypatch):
    if not sysconfig.get_config_var("Py_GIL_DISABLED"):
        assert has_gil()
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    assert not has_gil()
    monkeypatch.delattr(sys, "_is_gil_enabled")
    assert has_gil()


def test_frames_of_other_threads_are_not_read_without_the_gil(monkeypatch):
    def refuse() -> None:
        raise AssertionError("the frames are read")

    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    monkeypatch.setattr(sys, "_current_frames", refuse)
    assert running_in(threading.current_thread()) is None
