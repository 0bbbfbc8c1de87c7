"""Anything may happen in any order: what is counted is what the clients know."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    rule,
)

from django_socket_status.consumers import SocketStatusMixin
from django_socket_status.exceptions import BackendError, BackendUnusableError
from django_socket_status.middleware import SocketStatusMiddleware
from django_socket_status.records import Report
from django_socket_status.registry.registry import registry
from django_socket_status.reporter.thread import reporter
from django_socket_status.services import SocketStatusService
from django_socket_status.testing import Clock, isolated_socket_status
from django_socket_status.tracking.labels import update_labels
from tests.examples import as_many_as
from tests.support.asgi_driver import (
    ACCEPT,
    CLOSE,
    begin_heartbeat,
    disconnect,
    scope_of,
    text,
)
from tests.support.recorder import Recorder, recorder

HEARTBEAT = 1.0
LEASE = 5.0

clock = Clock()


class FaultyRecorder(Recorder):
    """Fails as backends do, in the way that a test has set."""

    def __init__(self) -> None:
        super().__init__(clock=clock)
        self.fault = "none"

    def report(self, report: Report) -> bool:
        if self.fault == "refuses":
            raise BackendError("refused")
        if self.fault == "is unusable":
            raise BackendUnusableError("full")
        if self.fault == "talks nonsense":
            raise ValueError("nonsense")
        if self.fault == "forgets":
            self._entries.clear()
        taken = super().report(report)
        if self.fault == "loses the reply":
            raise BackendError("no reply")
        return taken


FAULTS = [
    "refuses",
    "is unusable",
    "talks nonsense",
    "forgets",
    "loses the reply",
]


# The applications: each does what its test says, step by step, on no event loop.


class Command:
    def __await__(self) -> Generator[None, Any, Any]:
        return (yield)


async def obedient(scope: Any, receive: Any, send: Any) -> None:
    while True:
        act = await Command()
        if isinstance(act, BaseException):
            raise act
        if act == "return":
            return
        if act == "receive":
            await receive()
        elif isinstance(act, dict):
            if "swallow" in act:
                begin_heartbeat()
                with contextlib.suppress(OSError):
                    await send(act["swallow"])
            else:
                await send(act)
        else:
            act(scope)


class Obedient:
    scope: Any

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope = scope
        await obedient(scope, receive, send)


class ChatConsumer(SocketStatusMixin, Obedient):
    """Behind the mixin."""


class CallConsumer(SocketStatusMixin, Obedient):
    """Behind the mixin, and different for each connection."""

    def get_socket_status_type(self) -> str:
        return f"call_{self.scope['kind']}"

    def get_socket_status_labels(self) -> dict[str, object]:
        return {"kind": self.scope["kind"]}


async def copying(scope: Any, receive: Any, send: Any) -> None:
    """Serve a consumer behind a middleware, as Channels' do it."""

    async def own_send(message: Any) -> None:
        await send(message)

    await CallConsumer()({**scope, "copied": True}, receive, own_send)


ENTRY_POINTS = {
    "mixin": (lambda: ChatConsumer(), "chat", {}),
    "choosing mixin": (lambda: CallConsumer(), "call_{kind}", {"kind": "{kind}"}),
    "middleware": (lambda: SocketStatusMiddleware(obedient), "websocket", {}),
    "both": (
        lambda: SocketStatusMiddleware(SocketStatusMiddleware(copying)),
        "call_{kind}",
        {"kind": "{kind}"},
    ),
}


class Client:
    """What only a client knows of its connection."""

    def __init__(self, entry_point: str, user: str | None, kind: str) -> None:
        make, self.type, labels = ENTRY_POINTS[entry_point]
        self.type = self.type.format(kind=kind)
        self.labels = {key: text.format(kind=kind) for key, text in labels.items()}
        self.user = user
        self.is_open = False
        self.is_gone = False
        self.scope = scope_of(user=user, kind=kind)
        self.application = make()(self.scope, self._receive, self._send)
        self.application.send(None)

    async def _receive(self) -> Any:
        return disconnect()

    async def _send(self, message: Any) -> None:
        if self.is_gone:
            raise OSError("gone")

    def do(self, act: Any) -> None:
        """Let the application act, which may be its end."""
        try:
            self.application.send(act)
        except (StopIteration, OSError, ValueError, asyncio.CancelledError):
            self.is_open = False
            self.application.close()

    def cancel(self) -> None:
        with contextlib.suppress(asyncio.CancelledError, StopIteration):
            self.application.throw(asyncio.CancelledError())
        self.is_open = False

    @property
    def facts(self) -> tuple[str, str | None, tuple[tuple[str, str], ...]]:
        return (self.type, self.user, tuple(sorted(self.labels.items())))


users = st.sampled_from([None, "1", "2", "3"])
labels = st.sampled_from(["room", "side"])


class Churn(RuleBasedStateMachine):
    handshakes: Bundle[Client] = Bundle("handshakes")
    sockets: Bundle[Client] = Bundle("sockets")

    def __init__(self) -> None:
        super().__init__()
        self._exit = contextlib.ExitStack()
        self._exit.enter_context(
            isolated_socket_status(
                BACKEND=f"{__name__}.FaultyRecorder",
                HEARTBEAT_SECONDS=HEARTBEAT,
                LEASE_SECONDS=LEASE,
                CACHE_SECONDS=0.0,
            )
        )
        patch = self._exit.enter_context(pytest.MonkeyPatch.context())
        # The test reports, at the moments that it has chosen.
        patch.setattr(registry.intake, "wake", lambda: None)
        patch.setattr(reporter, "_clock", clock)
        patch.setattr(reporter.sender, "_clock", clock)
        self.clients: list[Client] = []
        self.backend = recorder()

    def teardown(self) -> None:
        for client in self.clients:
            client.application.close()
        self._exit.close()

    @property
    def live(self) -> list[Client]:
        return [client for client in self.clients if client.is_open]

    @rule(
        target=handshakes,
        entry_point=st.sampled_from([*ENTRY_POINTS]),
        user=users,
        kind=labels,
    )
    def begin(self, entry_point: str, user: str | None, kind: str) -> Client:
        self.clients.append(Client(entry_point, user, kind))
        return self.clients[-1]

    @rule(target=sockets, client=consumes(handshakes))
    def accept(self, client: Client) -> Client:
        client.is_open = True
        client.do(ACCEPT)
        return client

    @rule(client=consumes(handshakes))
    def accept_in_vain(self, client: Client) -> None:
        client.is_gone = True
        client.do(ACCEPT)

    @rule(
        client=consumes(handshakes), act=st.sampled_from([CLOSE, "return", "receive"])
    )
    def reject(self, client: Client, act: Any) -> None:
        client.do(act)

    @rule(client=consumes(handshakes))
    def cancel_the_handshake(self, client: Client) -> None:
        client.cancel()

    @rule(client=consumes(sockets), act=st.sampled_from([CLOSE, "return", "receive"]))
    def close(self, client: Client, act: Any) -> None:
        client.do(act)
        client.is_open = False

    @rule(client=sockets)
    def close_and_linger(self, client: Client) -> None:
        client.do(CLOSE)
        client.is_open = False
        client.do(lambda scope: update_labels(scope, {"too": "late"}))

    @rule(client=consumes(sockets), error=st.sampled_from([ValueError, OSError]))
    def break_down(self, client: Client, error: type[Exception]) -> None:
        client.do(error())

    @rule(client=consumes(sockets))
    def be_cancelled(self, client: Client) -> None:
        client.cancel()

    @rule(client=consumes(sockets), swallows=st.booleans())
    def send_to_nobody(self, client: Client, swallows: bool) -> None:
        client.is_gone = True
        client.do({"swallow": text("hello")} if swallows else text("hello"))
        client.is_open = False

    @rule(client=sockets)
    def talk(self, client: Client) -> None:
        client.do(text("hello"))

    @rule(client=sockets, name=labels, value=st.sampled_from([None, "a", "b"]))
    def relabel(self, client: Client, name: str, value: str | None) -> None:
        client.do(lambda scope: update_labels(scope, {name: value}))
        if client.is_open:
            client.labels[name] = value or ""
            if value is None:
                del client.labels[name]

    @rule(client=sockets, user=users)
    def log_in(self, client: Client, user: str | None) -> None:
        def log_in(scope: Any) -> None:
            scope["user"] = user
            update_labels(scope, {})

        client.do(log_in)
        if client.is_open:
            client.user = user

    @rule(fault=st.sampled_from(FAULTS))
    def break_the_backend(self, fault: str) -> None:
        self.backend.fault = fault

    @rule()
    def lose_everything(self) -> None:
        self.backend._entries.clear()

    @rule()
    def report(self) -> None:
        reporter.flush()

    @rule(seconds=st.sampled_from([0.1, HEARTBEAT, LEASE, 100.0]))
    def wait(self, seconds: float) -> None:
        clock.advance(seconds)

    @rule()
    def know_its_own(self) -> None:
        """Whatever the backend does; and nothing that this drains may be lost."""
        snapshot = reporter.own_snapshot(1)
        counts = snapshot.workers[0].counts if snapshot else {}
        assert counts == Counter(client.type for client in self.live)

    @rule()
    def come_to_rest(self) -> None:
        """After one heartbeat with a backend that works, everybody knows everything."""
        self.backend.fault = "none"
        clock.advance(HEARTBEAT)
        assert reporter.flush()
        live = self.live
        types = Counter(client.type for client in live)
        online = {client.user for client in live if client.user is not None}
        assert dict(registry.counts) == types
        summary = SocketStatusService.get_socket_info_summary()
        assert summary["stale"] is False
        assert summary["sockets_by_type"] == types
        assert summary["total_sockets"] == len(live)
        assert summary["unique_users"] == len(online)
        assert summary["anonymous_sockets"] == sum(it.user is None for it in live)
        page = SocketStatusService.get_connections(limit=1000)
        told = [(it.type, it.user_id, tuple(sorted(it.labels.items()))) for it in page]
        assert Counter(told) == Counter(client.facts for client in live)
        assert page.total == len(live)
        assert set(SocketStatusService.online_user_ids()) == online
        for user in ("1", "2", "3"):
            assert SocketStatusService.is_online(user) == (user in online)


Churn.TestCase.settings = hypothesis_settings(
    max_examples=as_many_as(120),
    stateful_step_count=50,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
TestChurn = Churn.TestCase
