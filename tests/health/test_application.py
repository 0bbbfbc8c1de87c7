"""The plain application answers with one event loop, and with nothing else."""

from __future__ import annotations

import _thread
import subprocess
import sys
import threading
from typing import Any

import pytest
from channels.routing import URLRouter
from django.core.asgi import get_asgi_application
from django.test import AsyncRequestFactory, Client
from django.urls import path, re_path

from django_socket_status.health import liveness
from django_socket_status.health.application import LIVE
from tests.support.source import PACKAGE

pytestmark = pytest.mark.python


async def _receive() -> Any:
    raise AssertionError("it reads nothing")


def scope_of(path: str = "/health/live/", method: str = "GET") -> dict[str, Any]:
    return {**AsyncRequestFactory().get(path).scope, "method": method}


def answer(application: Any, scope: dict[str, Any]) -> tuple[int, dict[Any, Any], Any]:
    """Return status, headers and body of an application that never waits."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    with pytest.raises(StopIteration):
        # On no event loop: the first wait would end this here.
        application(scope, _receive, send).send(None)
    start, body = sent
    return start["status"], dict(start["headers"]), body["body"]


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no thread start, by any function."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a thread starts")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    for module in (_thread, threading):
        for name in vars(module).copy():
            if "start" in name and "thread" in name and callable(getattr(module, name)):
                monkeypatch.setattr(module, name, refuse)


ROUTES = [path("health/live/", liveness), re_path("", get_asgi_application())]


@pytest.mark.usefixtures("no_threads")
@pytest.mark.parametrize(
    "application",
    [
        liveness,
        URLRouter(ROUTES),
    ],
    ids=["alone", "router"],
)
def test_it_answers_where_no_thread_can_start(application):
    status, headers, body = answer(application, scope_of())
    assert status == 200
    assert body == LIVE
    assert headers[b"content-length"] == str(len(LIVE)).encode()


def test_threads_are_forbidden_in_these_tests(no_threads):
    with pytest.raises(AssertionError, match="a thread starts"):
        threading.Thread(target=print).start()
    with pytest.raises(AssertionError, match="a thread starts"):
        _thread.start_new_thread(print, ())


def test_head_gets_no_body():
    status, headers, body = answer(liveness, scope_of(method="HEAD"))
    assert (status, body) == (200, b"")
    assert headers[b"content-length"] == str(len(LIVE)).encode()


def test_other_methods_are_refused():
    status, headers, body = answer(liveness, scope_of(method="POST"))
    assert (status, headers[b"allow"], body) == (405, b"GET, HEAD", b"")


def test_other_scopes_are_an_error():
    with pytest.raises(ValueError, match="'websocket'"):
        liveness({"type": "websocket"}, _receive, _receive).send(None)


def test_body_is_that_of_the_view():
    assert Client().get("/socket-status/health/live/").content == LIVE


def test_it_needs_no_django():
    script = """
import sys
before = {*sys.modules}
from django_socket_status.health import liveness
assert not {"django", "asgiref", "threading"} & (sys.modules.keys() - before)
"""
    done = subprocess.run(
        [sys.executable, "-S", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(PACKAGE.parent)},
    )
    assert done.returncode == 0, done.stderr
