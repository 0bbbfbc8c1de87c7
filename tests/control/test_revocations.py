"""A worker closes what lost its access, also what opens until the order expires."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase

from django_socket_status.control import revocations, revoked
from django_socket_status.control.revocation import (
    RevocationOrder,
    SessionEnd,
    UserEnd,
)
from django_socket_status.control.session_keys import keyed_hashes
from django_socket_status.registry.registry import registry
from django_socket_status.reporter.thread import reporter
from django_socket_status.testing import isolated_socket_status
from tests.operations.test_disconnect import ClosingServer, closes
from tests.support.asgi_driver import accepted, scope_of, turns, until
from tests.support.tracked import echo, tracked

KEY, OTHER = "a" * 32, "b" * 32
LOGOUT = [(4401, "logout")]
CHANGED = [(4401, "password_change")]
GONE = [(4401, "deactivation")]
#: How long before the order a change took effect: what opens here opens afterwards.
LONG_AGO = 1000.0


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    with isolated_socket_status():
        yield


class Clock:
    """The clock of the orders, which a test moves."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(reporter.sender.orders.revocations, "_clock", clock)
    return clock


def session(key: str | None, password: str | None = None) -> SessionBase:
    found: Any = SessionBase(key)
    if password is not None:
        found._session_cache = {HASH_SESSION_KEY: password}
    return found  # type: ignore[no-any-return]


@contextlib.asynccontextmanager
async def socket(key: str | None, user: int | None = 7, **more: Any) -> Any:
    """Open a socket of a session and a user; yields its server."""
    server = ClosingServer()
    scope = scope_of(session=session(key, more.pop("password", None)), user=user)
    async with accepted(tracked(echo), server, scope):
        yield server


def order(*ends: SessionEnd | UserEnd, seconds: float = 60.0) -> None:
    """Execute an order in this process."""
    given = RevocationOrder(
        sessions=tuple(it for it in ends if isinstance(it, SessionEnd)),
        users=tuple(it for it in ends if isinstance(it, UserEnd)),
        seconds=seconds,
    )
    order.number += 1  # type: ignore[attr-defined]
    command_id = str(order.number)  # type: ignore[attr-defined]
    reporter.sender.execute(command_id, given, time.monotonic())


order.number = 0  # type: ignore[attr-defined]


def signed_out(key: str, user_id: str | None = "7") -> SessionEnd:
    return SessionEnd(hashes=keyed_hashes(key), user_id=user_id)


def changed(password: str = "new", keep: str | None = None, **more: Any) -> UserEnd:
    return UserEnd(
        user_id="7",
        reason="password_change",
        current=keyed_hashes(password),
        keep=() if keep is None else keyed_hashes(keep),
        **more,
    )


def deactivated(**more: Any) -> UserEnd:
    return UserEnd(user_id="7", reason="deactivation", **more)


async def settled() -> None:
    """Let what was ordered happen."""
    reporter.flush()
    await turns()


async def closed(server: ClosingServer) -> list[tuple[int, str]]:
    await until(lambda: closes(server))
    return closes(server)


async def test_connections_of_the_session_close_and_others_stay():
    async with (
        socket(KEY) as one,
        socket(KEY) as two,
        socket(OTHER) as another,
        socket(None, None) as anonymous,
        socket(KEY, 8) as token,
    ):
        order(signed_out(KEY))
        assert await closed(one) == await closed(two) == LOGOUT
        await settled()
        assert not closes(another) + closes(anonymous)
        # It belongs to the session by its cookie, and to another user by its token.
        assert not closes(token)


@pytest.mark.parametrize("user", [None, 7])
async def test_session_counts_where_its_user_is_not_known(user):
    async with socket(KEY, None) as unseen, socket(KEY, 7) as seen:
        order(signed_out(KEY, None if user is None else str(user)))
        assert await closed(unseen) == await closed(seen) == LOGOUT


async def test_session_is_closed_whenever_its_socket_opens_until_the_order_expires(
    clock,
):
    """A client that reconnects in the gap has looked its session up before."""
    order(signed_out(KEY), seconds=30.0)
    async with socket(KEY) as early, socket(OTHER) as another:
        await settled()
        assert await closed(early) == LOGOUT
        clock.ahead = 29.0
        async with socket(KEY) as late:
            await settled()
            assert await closed(late) == LOGOUT
        clock.ahead = 31.0
        async with socket(KEY) as later:
            await settled()
            assert not closes(later) + closes(another)
            assert sum(registry.counts.values()) == 2


async def test_hashes_are_computed_when_an_order_arrives_and_not_per_connection():
    with mock.patch.object(
        revoked, "keyed_hashes", side_effect=keyed_hashes
    ) as computed:
        async with socket(KEY), socket(KEY), socket(OTHER, 8):
            await settled()
            assert computed.call_count == 0
            order(signed_out(KEY))
            # Of the user's own two.
            assert computed.call_count == 2


async def test_changed_password_closes_all_sessions_but_those_that_are_kept():
    async with (
        socket(KEY, password="old") as kept,
        socket(OTHER, password="old") as other,
        socket(None) as token,
        socket(OTHER, 8) as another_user,
    ):
        order(changed(keep=KEY))
        assert await closed(other) == await closed(token) == CHANGED
        await settled()
        assert not closes(kept) + closes(another_user)


async def test_after_the_change_the_old_password_opens_nothing_and_the_new_one_does():
    order(changed(keep=KEY, ago_seconds=LONG_AGO))
    async with (
        socket(OTHER, password="old") as old,
        socket(OTHER, password="new") as new,
        socket(KEY, password="old") as kept,
        # Whether its token is from before is not known here.
        socket(None) as token,
    ):
        await settled()
        assert await closed(old) == CHANGED
        await settled()
        assert not closes(new) + closes(kept) + closes(token)


async def test_second_change_decides_what_the_new_password_is():
    order(changed("second"))
    # An earlier one arrives late.
    order(changed("first", ago_seconds=LONG_AGO))
    async with (
        socket(OTHER, password="second") as second,
        socket(OTHER, password="first") as first,
    ):
        await settled()
        assert await closed(first) == CHANGED
        await settled()
        assert not closes(second)


async def test_deactivated_user_loses_all():
    async with socket(KEY) as before, socket(None, 8) as another:
        order(deactivated())
        assert await closed(before) == GONE
        async with socket(OTHER, password="new") as after:
            await settled()
            assert await closed(after) == GONE
            assert not closes(another)


async def test_order_that_comes_back_from_the_store_is_not_executed_again():
    async with socket(KEY) as one:
        order(signed_out(KEY))
        await closed(one)
    with mock.patch.object(reporter.sender.orders.revocations, "_close") as close:
        order(signed_out(KEY))
        order(deactivated())
        order(deactivated(ago_seconds=0.001))
    assert close.call_count == 1


@pytest.mark.parametrize("end", ["session", "user"])
async def test_connections_of_known_users_are_found_without_a_scan(end):
    async with socket(KEY) as one, socket(KEY, 8):
        reporter.flush()
        looked: list[Any] = []
        ends = revoked.Ends
        with mock.patch.object(
            ends,
            "reason_for",
            autospec=True,
            side_effect=lambda self, it: looked.append(it),
        ):
            order(signed_out(KEY) if end == "session" else deactivated())
            assert [it.counted_user for it in looked] == ["7"]
            async with socket(None, None):
                # Whose it is cannot be seen.
                order(signed_out(OTHER), UserEnd(user_id="9", reason="deactivation"))
                # Once more, since it opened meanwhile.
                assert len(looked) == 5
        assert not closes(one)


async def test_session_that_raises_stays_and_disturbs_no_other():
    class Broken(SessionBase):
        @property
        def session_key(self) -> str:  # type: ignore[override]
            raise ValueError("broken")

    server = ClosingServer()
    scope = scope_of(session=Broken(), user=7)
    async with accepted(tracked(echo), server, scope), socket(KEY) as one:
        order(signed_out(KEY))
        assert await closed(one) == LOGOUT
        assert not closes(server)


async def test_nothing_is_left_behind():
    kept = reporter.sender.orders.revocations
    async with socket(KEY) as one:
        order(signed_out(KEY), seconds=0.0)
        await closed(one)
        await until(lambda: reporter.flush() and not kept.is_closing)
        assert not registry.intake.departures
        assert not kept._kept


def test_ends_are_bounded(monkeypatch):
    monkeypatch.setattr(revocations, "MAX_KEPT", 10)
    order(*(SessionEnd(hashes=(str(it),), user_id="7") for it in range(25)))
    kept = reporter.sender.orders.revocations._kept
    assert list(kept) == [str(it) for it in range(15, 25)]


async def test_cause_is_signed_out(caplog):
    caplog.set_level(logging.INFO, "django_socket_status.sockets")
    async with socket(KEY) as server:
        order(signed_out(KEY))
        await closed(server)
        ends: list[tuple[str, str]] = []

        def is_told() -> bool:
            reporter.flush()
            told = [it for it in caplog.records if hasattr(it, "cause")]
            ends[:] = [(it.cause, it.ended_by) for it in told]
            return bool(ends)

        await until(is_told)
    assert ends == [("signed_out", "sign_out")]
