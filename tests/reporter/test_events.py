"""Signals and log lines: told in order, and never in anybody's way."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import URLRouter
from django.dispatch import Signal
from django.urls import path

from django_socket_status.consumers import SocketStatusMixin
from django_socket_status.middleware import SocketStatusMiddleware
from django_socket_status.records import ConnectionRecord, OpenedConnection
from django_socket_status.registry.lifecycle import Ending, Event, Overrides
from django_socket_status.reporter import events
from django_socket_status.reporter.events import EventThread, events_are_wanted
from django_socket_status.reporter.thread import reporter
from django_socket_status.reporter.worker import this_worker
from django_socket_status.signals import socket_closed, socket_opened, socket_rejected
from django_socket_status.testing import isolated_socket_status
from tests.support.asgi_driver import (
    ACCEPT,
    CLOSE,
    CONNECT,
    CallConsumer,
    Server,
    Socket,
    disconnect,
    scope_of,
    serve,
    until,
    wait_until,
)
from tests.support.recorder import RECORDER, recorder, run_python

pytestmark = pytest.mark.python

SIGNALS = {
    "opened": socket_opened,
    "closed": socket_closed,
    "rejected": socket_rejected,
}

Told = list[tuple[str, dict[str, Any]]]


@pytest.fixture(autouse=True)
def socket_status() -> Iterator[None]:
    with isolated_socket_status(BACKEND=RECORDER, REPORT_INTERVAL_SECONDS=0.001):
        yield
        reporter.sender._events.reset()


@pytest.fixture
def connect() -> Iterator[Callable[..., None]]:
    """Connect receivers for as long as the test runs."""
    connected: list[tuple[Signal, Any]] = []

    def connect(signal: Signal, receiver: Any, sender: Any = None) -> None:
        signal.connect(receiver, sender=sender, weak=False)
        connected.append((signal, (receiver, sender)))

    yield connect
    for signal, (receiver, sender) in connected:
        assert signal.disconnect(receiver, sender=sender)


@pytest.fixture
def told(connect: Callable[..., None]) -> Told:
    """Everything that was told, in order, by any of the three signals."""
    heard: Told = []

    def listen_to(kind: str, signal: Signal) -> None:
        def receiver(**kwargs: Any) -> None:
            assert kwargs.pop("signal") is signal
            heard.append((kind, kwargs))

        connect(signal, receiver)

    for kind, signal in SIGNALS.items():
        listen_to(kind, signal)
    return heard


def kinds(told: Told) -> list[str]:
    return [kind for kind, _ in told]


def event(number: int, kind: str = "opened", **fields: Any) -> Event:
    record = OpenedConnection(number, "call", "", None, {}, 1.0)
    return Event(kind=kind, connection=record, source=CallConsumer, **fields)


# Who is told what.


def test_opening_and_closing_send_signals(told):
    socket = Socket(user="7")
    socket.connection.overrides = Overrides(labels={"room": "42"})
    socket.open()
    wait_until(lambda: told)
    kind, opened = told[0]
    assert kind == "opened"
    assert set(opened) == {"sender", "connection"}
    assert opened["sender"] is CallConsumer
    connection = opened["connection"]
    assert isinstance(connection, ConnectionRecord)
    assert connection.type == "call"
    assert connection.user_id == "7"
    assert connection.labels == {"room": "42"}
    assert connection.worker_id == this_worker().worker_id
    socket.leave()
    wait_until(lambda: len(told) == 2)
    kind, closed = told[1]
    assert kind == "closed"
    assert closed["sender"] is CallConsumer
    assert closed["connection"] == connection
    assert closed["close_code"] == 1000
    assert closed["close_reason"] == ""
    assert closed["ended_by"] == "client"
    assert closed["cause"] == "client_closed"
    assert 0 <= closed["duration_seconds"] < 60


def test_rejection_sends_a_signal(told):
    Socket().close()
    wait_until(lambda: told)
    ((kind, rejected),) = told
    assert kind == "rejected"
    assert set(rejected) == {"sender", "connection"}


def test_connection_between_two_reports_sends_both_signals(told):
    with reporter.sender._lock:
        Socket().open().close()
        Socket().fail_to_open()
    wait_until(lambda: len(told) == 3)
    assert kinds(told) == ["opened", "closed", "rejected"]
    ids = {kwargs["connection"].connection_id for _, kwargs in told}
    assert len(ids) == 2


async def test_sender_is_the_consumer_or_else_the_middleware(told):
    class ChatConsumer(SocketStatusMixin, AsyncWebsocketConsumer):
        pass

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(ACCEPT)

    wrapped = SocketStatusMiddleware(app)
    await serve(wrapped, Server())
    await until(lambda: len(told) == 2)
    consumer = SocketStatusMiddleware(ChatConsumer.as_asgi())
    await serve(consumer, Server(CONNECT, disconnect()))
    await until(lambda: len(told) == 4)
    senders = [kwargs["sender"] for _, kwargs in told]
    assert senders == [wrapped, wrapped, ChatConsumer, ChatConsumer]


async def test_sender_behind_a_router_is_the_consumer_of_the_route(told):
    class ChatConsumer(AsyncWebsocketConsumer):
        pass

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(ACCEPT)

    routes = [path("ws/chat/", ChatConsumer.as_asgi()), path("ws/plain/", app)]
    wrapped = SocketStatusMiddleware(URLRouter(routes))
    chat = scope_of() | {"path": "/ws/chat/"}
    await serve(wrapped, Server(CONNECT, disconnect()), chat)
    await until(lambda: len(told) == 2)
    await serve(wrapped, Server(), scope_of() | {"path": "/ws/plain/"})
    await until(lambda: len(told) == 4)
    senders = [kwargs["sender"] for _, kwargs in told]
    assert senders == [ChatConsumer, ChatConsumer, wrapped, wrapped]


def test_user_who_reloads_a_page_is_online_afterwards(connect):
    """The socket of the old page closes before that of the new page opens."""
    online = {}
    told = []

    def mark_online(connection: ConnectionRecord, **kwargs: Any) -> None:
        online[connection.user_id] = True
        told.append("opened")

    def mark_offline(connection: ConnectionRecord, **kwargs: Any) -> None:
        online[connection.user_id] = False
        told.append("closed")

    connect(socket_opened, mark_online)
    connect(socket_closed, mark_offline)
    socket = Socket(user="7").open()
    for reload in range(15):
        wait_until(lambda: recorder().counts == {"call": 1})
        with reporter.sender._lock:
            socket.leave()
            socket = Socket(user="7").open()
        wait_until(lambda count=2 * reload + 3: len(told) == count)
        assert told == ["opened", *["closed", "opened"] * (reload + 1)]
        assert online == {"7": True}
    socket.close()


def test_receiver_may_choose_one_sender(connect):
    class ChatConsumer:
        pass

    heard = []
    connect(
        socket_opened, lambda **kwargs: heard.append(kwargs["sender"]), ChatConsumer
    )
    sockets = [Socket().open(), Socket(ChatConsumer).open(), Socket().open()]
    wait_until(lambda: heard)
    assert heard == [ChatConsumer]
    for socket in sockets:
        socket.close()


def test_events_are_sent_in_the_order_in_which_they_happened(told):
    sockets = [Socket().open() for _ in range(50)]
    wait_until(lambda: len(told) == 50)
    for socket in sockets:
        socket.close()
    wait_until(lambda: len(told) == 100)
    assert kinds(told) == ["opened"] * 50 + ["closed"] * 50


def test_signals_are_sent_off_the_path_and_off_the_reporters_thread(connect):
    threads = []

    def receiver(**kwargs: Any) -> None:
        threads.append(threading.current_thread())

    connect(socket_opened, receiver)
    socket = Socket().open()
    wait_until(lambda: threads)
    assert threads[0].name == "django-socket-status-events"
    assert threads[0].daemon
    socket.close()


def test_no_thread_starts_without_a_receiver():
    assert not events_are_wanted()
    socket = Socket().open()
    wait_until(lambda: recorder().counts == {"call": 1})
    socket.close()
    wait_until(lambda: recorder().counts == {})
    assert reporter.sender._events._thread is None


async def test_asynchronous_receiver_is_called(connect):
    heard = []

    async def receiver(**kwargs: Any) -> None:
        heard.append(kwargs["connection"].type)

    connect(socket_opened, receiver)
    socket = Socket().open()
    await until(lambda: heard == ["call"])
    socket.close()


def test_who_connects_while_a_socket_is_open_hears_of_its_end(connect):
    socket = Socket().open()
    wait_until(lambda: recorder().counts == {"call": 1})
    heard = []
    connect(socket_closed, lambda **kwargs: heard.append(kwargs["ended_by"]))
    socket.end(ValueError())
    wait_until(lambda: heard == ["error"])


def test_events_are_made_for_a_backend_that_keeps_them_while_nobody_listens(
    monkeypatch,
):
    monkeypatch.setattr(reporter.sender, "keeps_events", True)
    with reporter.sender._lock:
        Socket().open().leave()
        changes = reporter.sender._drain()
    opened, closed = changes.events
    assert (opened.kind, opened.ending) == ("opened", None)
    assert (closed.kind, closed.ending.cause) == ("closed", "client_closed")
    assert reporter.sender._events._thread is None


# The end of the process.


def test_last_events_are_told_with_the_goodbye(told):
    socket, another, third = (Socket().open() for _ in range(3))
    wait_until(lambda: len(told) == 3)
    stopping = threading.Thread(target=reporter.stop, args=[10])
    with reporter.sender._lock:
        socket.connection.finish("cancel")
        another.leave()
        third.end()
        stopping.start()
        assert reporter.sender.ending.wait(60)
    stopping.join(10)
    causes = [closed["cause"] for _, closed in told[3:]]
    assert causes == ["worker_stopped", "client_closed", "app_returned"]


def test_process_that_exits_tells_why_its_sockets_ended(tmp_path):
    script = """
from django_socket_status.signals import socket_closed

def receiver(cause, **kwargs):
    time.sleep(0.01)
    print(cause, flush=True)

def hold():
    with reporter.sender._lock:
        holding.set()
        reporter.sender.ending.wait()

socket_closed.connect(receiver)
held = [Socket().open() for _ in range(3)]
Socket().open().close()
wait_until(lambda: reporter.sender._events._thread)
holding = threading.Event()
# Until the exit handlers run, nothing is drained.
threading.Thread(target=hold, daemon=True).start()
holding.wait()
for socket in held:
    socket.connection.finish("cancel")
"""
    told = run_python(script, tmp_path / "log").split()
    assert told == ["server_closed", *["worker_stopped"] * 3]


# Receivers that misbehave.


def test_receiver_that_raises_harms_no_other(connect, told, caplog):
    def receiver(**kwargs: Any) -> None:
        raise ValueError("in the receiver")

    connect(socket_opened, receiver)
    sockets = [Socket().open() for _ in range(3)]
    wait_until(lambda: len(told) == 3)
    wait_until(lambda: recorder().counts == {"call": 3})
    assert "in the receiver" in caplog.text
    for socket in sockets:
        socket.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_receiver_that_ends_its_thread_costs_its_own_event_only(connect, told):
    def receiver(**kwargs: Any) -> None:
        if len(told) < 3:
            raise SystemExit

    connect(socket_opened, receiver)
    sockets = [Socket().open()]
    wait_until(lambda: told)
    wait_until(lambda: not reporter.sender._events._thread.is_alive())
    sockets.append(Socket().open())
    wait_until(lambda: len(told) == 2)
    wait_until(lambda: not reporter.sender._events._thread.is_alive())
    sockets += [Socket().open() for _ in range(3)]
    wait_until(lambda: len(told) == 5)
    assert reporter.failure is None


def test_receiver_that_hangs_delays_neither_a_socket_nor_a_report(connect):
    entered, go_on = threading.Event(), threading.Event()

    def receiver(**kwargs: Any) -> None:
        entered.set()
        go_on.wait()

    connect(socket_opened, receiver)
    held = [Socket().open()]
    assert entered.wait(60)
    held += [Socket().open() for _ in range(20)]
    wait_until(lambda: recorder().counts == {"call": 21})
    for socket in held:
        socket.close()
    wait_until(lambda: recorder().counts == {})
    assert reporter.stop(10)
    go_on.set()


def test_slow_receiver_loses_the_oldest_events_with_one_warning(
    connect, monkeypatch, caplog
):
    monkeypatch.setattr(events, "QUEUE_LIMIT", 10)
    entered, go_on = threading.Event(), threading.Event()
    heard = []

    def receiver(connection: ConnectionRecord, **kwargs: Any) -> None:
        entered.set()
        go_on.wait()
        heard.append(int(connection.connection_id.rpartition("-")[2], 16))

    connect(socket_opened, receiver)
    thread = EventThread()
    thread.send("w", [event(0)])
    assert entered.wait(60)
    for number in range(1, 101):
        thread.send("w", [event(number)])
    go_on.set()
    wait_until(lambda: len(heard) == 11)
    assert heard == [0, *range(91, 101)]
    warnings = [it for it in caplog.records if it.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "dropped" in warnings[0].message
    # The next time is another one.
    entered.clear()
    go_on.clear()
    thread.send("w", [event(0)])
    assert entered.wait(60)
    thread.send("w", [event(number) for number in range(20)])
    go_on.set()
    wait_until(lambda: len(heard) == 22)
    assert len([it for it in caplog.records if it.levelno == logging.WARNING]) == 2
    thread.reset()


def test_event_that_cannot_be_sent_does_not_delay_the_next_one(
    connect, monkeypatch, caplog
):
    heard = []
    connect(socket_opened, lambda connection, **kwargs: heard.append(connection))
    made = ConnectionRecord.of

    def of(worker_id: str, opened: OpenedConnection) -> ConnectionRecord:
        if opened.number == 1:
            raise OverflowError("a year too far")
        return made(worker_id, opened)

    monkeypatch.setattr(ConnectionRecord, "of", of)
    thread = EventThread()
    thread.send("w", [event(number) for number in range(4)])
    wait_until(lambda: len(heard) == 3)
    assert "a year too far" in caplog.text
    thread.reset()


def test_log_handler_that_raises_does_not_hold_up_the_next_event(connect, monkeypatch):
    heard = []
    connect(socket_opened, lambda connection, **kwargs: heard.append(connection))

    class Broken(logging.Handler):
        def handle(self, record: logging.LogRecord) -> bool:
            raise OSError("no space left on device")

    handler = Broken()
    logger = logging.getLogger("django_socket_status")
    logger.addHandler(handler)
    monkeypatch.setattr(logger, "level", logging.INFO)
    logger.manager._clear_cache()
    thread = EventThread()
    try:
        thread.send("w", [event(number) for number in range(3)])
        thread.send("w", [event(3)])
        wait_until(lambda: not thread._events)
        assert thread._thread.is_alive()
    finally:
        logger.removeHandler(handler)
        monkeypatch.undo()
        logger.manager._clear_cache()
    thread.send("w", [event(4)])
    wait_until(lambda: heard)
    thread.reset()


def test_process_without_threads_to_spare_sends_events_later(
    connect, told, monkeypatch
):
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    thread = EventThread()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        thread.send("w", [event(1)])
        assert told == []
    thread.send("w", [event(2)])
    wait_until(lambda: len(told) == 2)
    thread.reset()


def test_reset_ends_the_thread_and_forgets_what_waits(told):
    thread = EventThread()
    thread.send("w", [event(1)])
    wait_until(lambda: told)
    running = thread._thread
    thread.reset()
    running.join(10)
    assert not running.is_alive()
    thread.send("w", [event(2)])
    wait_until(lambda: len(told) == 2)
    thread.reset()


def test_receiver_that_uses_the_database_leaves_no_connection_open(tmp_path):
    script = """
from django.db import connection, connections
from django_socket_status.signals import socket_opened

used = []

def receiver(**kwargs):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    used.append(connections["default"])

socket_opened.connect(receiver)
held = Socket().open()
wait_until(lambda: used)
assert used[0] is not connections["default"]
wait_until(lambda: used[0].connection is None)
held.close()
"""
    run_python(script, tmp_path / "log")


# The log.


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[logging.LogRecord]]:
    """The socket lines that were written."""
    caplog.set_level(logging.INFO, "django_socket_status.sockets")

    def lines() -> list[logging.LogRecord]:
        name = "django_socket_status.sockets"
        return [record for record in caplog.records if record.name == name]

    return lines


def test_each_event_is_a_line_with_its_facts(lines):
    assert events_are_wanted()
    socket = Socket(user="7")
    socket.connection.overrides = Overrides(labels={"room": "42"})
    socket.open()
    wait_until(lambda: len(lines()) == 1)
    socket.leave()
    Socket().close()
    wait_until(lambda: len(lines()) == 3)
    opened, closed, rejected = lines()
    assert opened.getMessage() == f"socket opened: call {opened.connection_id}"
    assert opened.socket_type == "call"
    assert opened.user_id == "7"
    assert opened.labels == {"room": "42"}
    assert opened.endpoint == ""
    assert opened.connected_at.endswith("+00:00")
    assert not hasattr(opened, "close_code")
    assert closed.connection_id == opened.connection_id
    assert closed.getMessage() == (
        f"socket closed: call {closed.connection_id} (client_closed)"
    )
    assert closed.cause == "client_closed"
    assert not hasattr(rejected, "cause")
    assert closed.close_code == 1000
    assert closed.ended_by == "client"
    assert closed.duration_seconds >= 0
    assert rejected.getMessage().startswith("socket rejected: call ")
    json.dumps(vars(closed), default=str)


def test_lines_are_not_written_below_their_level(caplog):
    caplog.set_level(logging.WARNING, "django_socket_status.sockets")
    assert not events_are_wanted()


NASTY = "a\r\nb\x1b[31mc\x00d\x85e\u2028f\u202eg\ud800h"


async def test_whatever_a_client_says_stays_on_one_line(lines, told):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        logging.Formatter(
            "%(message)s|%(socket_type)s|%(endpoint)s|%(user_id)s|%(labels)s|"
            "%(close_reason)s",
            defaults={"close_reason": ""},
        )
    )
    logger = logging.getLogger("django_socket_status.sockets")
    logger.addHandler(handler)

    class Chat(SocketStatusMixin, AsyncWebsocketConsumer):
        def get_socket_status_type(self) -> str:
            return NASTY

    scope = scope_of(
        f"/ws/{NASTY}/", user=NASTY, url_route={"args": (), "kwargs": {NASTY: NASTY}}
    )
    leaves = disconnect(4000, reason=NASTY * 100)
    try:
        await serve(Chat.as_asgi(), Server(CONNECT, leaves), scope)
        await until(lambda: len(told) == 2)
    finally:
        logger.removeHandler(handler)
    written = stream.getvalue()
    assert written.count("\n") == 2
    assert len(written.splitlines()) == 2
    written.encode()
    assert not any(ord(char) < 32 for char in written if char != "\n")
    reason = told[1][1]["close_reason"]
    assert len(reason) <= 123


@pytest.mark.parametrize("reason", [None, "", "bye", b"bytes", 7, "x" * 10_000])
def test_reason_is_bounded_text(told, reason):
    socket = Socket().open()
    message = {**CLOSE, "code": 4000, "reason": reason}
    socket._do(socket.connection.send(message))
    wait_until(lambda: len(told) == 2)
    assert isinstance(told[1][1]["close_reason"], str)
    assert len(told[1][1]["close_reason"]) <= 123


def test_clock_that_was_set_back_gives_no_negative_duration(told):
    ending = Ending("client", -100.0, 1000, "", "client_closed")
    thread = EventThread()
    thread.send("w", [event(1, "closed", ending=ending)])
    wait_until(lambda: told)
    assert told[0][1]["duration_seconds"] == 0.0
    thread.reset()


def test_events_are_sent_while_the_backend_is_down(told):
    def fail(report: Any) -> None:
        raise OSError("down")

    recorder().before = fail
    sockets = [Socket().open() for _ in range(3)]
    wait_until(lambda: kinds(told) == ["opened"] * 3)
    for socket in sockets:
        socket.close()
    wait_until(lambda: len(told) == 6)
