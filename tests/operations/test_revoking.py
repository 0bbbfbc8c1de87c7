"""What lost its access is handed over by a thread, and nothing else waits for that."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from django_socket_status.activity.stored import Command
from django_socket_status.backends import get_backend
from django_socket_status.backends.memory import MemoryBackend
from django_socket_status.conf import SQLITE_BACKEND
from django_socket_status.control.revocation import (
    RevocationOrder,
    SessionEnd,
    UserEnd,
)
from django_socket_status.control.session_keys import keyed_hashes
from django_socket_status.control.texts import order_of
from django_socket_status.exceptions import BackendError
from django_socket_status.operations import revoking
from django_socket_status.operations.revoking import revoker
from django_socket_status.signals import disconnect_requested
from django_socket_status.testing import isolated_socket_status
from tests.operations.test_disconnect import ClosingServer, closes
from tests.support.asgi_driver import accepted, scope_of, until, wait_until
from tests.support.source import ROOT
from tests.support.tracked import echo, tracked

pytestmark = pytest.mark.python

END = SessionEnd(hashes=("a" * 22,), user_id="7")
GONE = UserEnd(user_id="8", reason="deactivation")


class WeakBackend(MemoryBackend):
    """Has a phase in which it takes no command."""

    error: Exception | None = None
    tried = 0

    def give_command(self, command: Any) -> None:
        type(self).tried += 1
        if self.error is not None:
            raise self.error
        super().give_command(command)


class PoorBackend(MemoryBackend):
    """Passes nothing to other workers, of which there are some."""

    keeps = frozenset({"totals"})
    coverage = "host"


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(WeakBackend, "error", None)
    monkeypatch.setattr(WeakBackend, "tried", 0)
    with isolated_socket_status(
        BACKEND=f"{__name__}.WeakBackend", HEARTBEAT_SECONDS=0.01
    ):
        yield


def orders() -> list[RevocationOrder]:
    """Return the orders that were given."""
    found = [order_of(it.command.text) for it in get_backend().read_commands()]
    return [it for it in found if isinstance(it, RevocationOrder)]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [it.getMessage() for it in caplog.records if it.levelname == "WARNING"]


def given(number: int) -> Callable[[], bool]:
    return lambda: sum(len(it.sessions) + len(it.users) for it in orders()) == number


def test_process_without_sockets_hands_over():
    revoker.put(END)
    wait_until(orders)
    (order,) = orders()
    assert (order.sessions, order.users) == ((END,), ())
    assert 0.0 < order.seconds <= revoking.EXPIRES_SECONDS
    (state,) = get_backend().read_commands()
    assert state.command.expires_seconds == order.seconds


def test_ends_that_wait_are_handed_over_together(monkeypatch):
    monkeypatch.setattr(WeakBackend, "error", BackendError("down"))
    for _ in range(10):
        revoker.put(END)
        revoker.put(GONE)
    wait_until(lambda: len(revoker._state.unsent) == 20)
    WeakBackend.error = None
    wait_until(given(20))
    assert len(orders()) == 1


async def test_connections_here_close_while_the_backend_is_down(monkeypatch):
    monkeypatch.setattr(WeakBackend, "error", BackendError("down"))
    server = ClosingServer()
    scope = scope_of(headers=[(b"cookie", b"sessionid=abc")])
    async with accepted(tracked(echo), server, scope):
        revoker.put(SessionEnd(hashes=keyed_hashes("abc"), user_id=None))
        await until(lambda: closes(server))
        assert closes(server) == [(4401, "logout")]


def test_backend_that_is_down_is_tried_again_and_logged_once(monkeypatch, caplog):
    caplog.set_level(logging.INFO, "django_socket_status")
    monkeypatch.setattr(WeakBackend, "error", BackendError("down"))
    revoker.put(GONE)
    wait_until(lambda: WeakBackend.tried > 3)
    revoker.put(END)
    tried = WeakBackend.tried
    wait_until(lambda: WeakBackend.tried > tried + 3)
    (line,) = warnings(caplog)
    assert "tried again for 60 seconds: down" in line
    WeakBackend.error = None
    wait_until(given(2))
    (order,) = orders()
    assert order.sessions == (END,)
    # When it took effect, and not when it was handed over.
    assert 0.0 < order.users[0].ago_seconds < 60.0
    wait_until(lambda: "handed over to the workers again" in caplog.text)
    assert len(warnings(caplog)) == 1


def test_end_that_has_expired_is_not_tried_again(monkeypatch):
    monkeypatch.setattr(WeakBackend, "error", BackendError("down"))
    monkeypatch.setattr(revoking, "EXPIRES_SECONDS", 0.2)
    revoker.put(END)
    call = revoker._state.call
    assert call is not None
    wait_until(lambda: call.is_done)
    monkeypatch.setattr(revoking, "EXPIRES_SECONDS", 60.0)
    WeakBackend.error = None
    revoker.put(GONE)
    wait_until(orders)
    assert [it.sessions for it in orders()] == [()]


def test_backend_that_passes_nothing_on_is_not_asked_again(monkeypatch, caplog):
    monkeypatch.setattr(revoking, "PAUSE_SECONDS", 0.0)
    with isolated_socket_status(BACKEND=f"{__name__}.PoorBackend"):
        revoker.put(END)
        wait_until(lambda: warnings(caplog))
        revoker.put(END)
        wait_until(lambda: not revoker._state.queue and not revoker._state.unsent)
    (line,) = warnings(caplog)
    assert "it is not tried again" in line


def test_what_waits_is_bounded_and_that_is_logged_once(monkeypatch, caplog):
    monkeypatch.setattr(revoking, "MAX_WAITING", 3)
    monkeypatch.setattr(revoking, "_run", lambda state: None)
    for _ in range(6):
        revoker.put(END)
    assert len(revoker._state.queue) == 3
    assert len(warnings(caplog)) == 1


def test_caller_does_not_wait_for_a_backend_that_hangs(monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(
        WeakBackend, "give_command", lambda self, command: release.wait(30)
    )
    revoker.put(END)
    revoker.put(END)
    # This thread is here, and the other one is there.
    assert not release.is_set()
    release.set()


def test_store_with_little_room_gets_fewer_commands(monkeypatch):
    assert revoking._pause(is_failing=False) == revoking.PAUSE_SECONDS
    monkeypatch.setattr(revoking, "CROWD", 2)
    for number in range(2):
        get_backend().give_command(Command(str(number), "{}", 60.0))
    assert revoking._pause(is_failing=False) == revoking.CROWDED_SECONDS


def test_request_is_told_to_receivers_and_the_log(caplog):
    caplog.set_level(logging.INFO, "django_socket_status.control")
    told: list[dict[str, Any]] = []

    def receiver(**kwargs: Any) -> None:
        told.append(kwargs)

    disconnect_requested.connect(receiver)
    try:
        revoker.put(END)
        revoker.put(GONE)
        wait_until(lambda: "8" in repr([it["selector"] for it in told]))
    finally:
        disconnect_requested.disconnect(receiver)
    assert {it["requested_by"] for it in told} == {"CLOSE_ON"}
    assert told[0]["selector"]["sessions"] == 1
    assert "requested by CLOSE_ON: sessions=1" in caplog.text
    # Not even a hash.
    assert END.hashes[0] not in caplog.text + repr(told)


SHORT = """
import django
django.setup()
from django_socket_status.control.revocation import UserEnd
from django_socket_status.operations import revoking
revoking.GOODBYE_SECONDS = 60.0
revoking.revoker.put(UserEnd(user_id="8", reason="deactivation"))
"""


def test_short_process_hands_over_before_it_ends(tmp_path):
    status = {"BACKEND": SQLITE_BACKEND, "OPTIONS": {"path": str(tmp_path / "short")}}
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.servers.project.settings",
        "PROJECT_SOCKET_STATUS": json.dumps(status),
    }
    subprocess.run([sys.executable, "-c", SHORT], env=environment, cwd=ROOT, check=True)
    with isolated_socket_status(**status):
        assert [it.users[0].user_id for it in orders()] == ["8"]
