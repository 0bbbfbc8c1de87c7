from __future__ import annotations

import asyncio
import datetime
import threading
import types
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.auth import AuthMiddlewareStack
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.exceptions import PermissionDenied
from django.db import OperationalError, connections
from django.test import Client, override_settings
from django.utils import timezone

from django_socket_status.live import authorization
from django_socket_status.live.authorization import (
    Client as LiveClient,
)
from django_socket_status.live.authorization import (
    Decision,
    client_without_query,
    decide,
    decide_again,
)
from django_socket_status.live.handshake import request_of
from tests.support.asgi_driver import Server, scope_of, until
from tests.support.live_users import (
    User,
    elsewhere,
    opened,
    scope_for,
    signed_in,
    still_open,
    user,
)

pytestmark = pytest.mark.python

__all__ = ["opened", "user"]

CLIENTS = 200
LOOPS = 4


def access(rule: str) -> Any:
    # What was asked under another rule goes on.
    return override_settings(
        SOCKET_STATUS={**settings.SOCKET_STATUS, "SUMMARY_ACCESS": rule}
    )


async def decision_on(scope: dict[str, Any]) -> Decision:
    decision, _ = await decide(scope)
    return decision


# Rules of a project.


def is_ada(request: Any) -> bool:
    return request.user.get_username() == "ada"


async def is_ada_too(request: Any) -> bool:
    return (await request.auser()).get_username() == "ada"


def has_key(request: Any) -> bool:
    return request.headers.get("X-Key") == "secret" and request.GET["room"] == "42"


def counts_users(request: Any) -> bool:
    return User.objects.count() == 1


async def counts_users_too(request: Any) -> bool:
    return await User.objects.acount() == 1


async def counts_users_on_any_thread(request: Any) -> bool:
    def count() -> int:
        try:
            return User.objects.count()
        finally:
            connections.close_all()

    return await sync_to_async(count, thread_sensitive=False)() == 1


def denies(request: Any) -> bool:
    raise PermissionDenied


def breaks(request: Any) -> bool:
    raise KeyError("broken rule")


def breaks_for_some(request: Any) -> bool:
    if request.META["REMOTE_ADDR"] == "192.0.2.1":
        raise KeyError("broken rule")
    return True


def is_secure(request: Any) -> bool:
    return request.is_secure() and request.method == "GET"


def hangs(request: Any) -> bool:
    gate.arrived.set()
    gate.open.wait()
    return True


def hangs_for_strangers(request: Any) -> bool:
    if request.headers.get("X-Member"):
        return True
    return hangs(request)


def notes_the_address(request: Any) -> bool:
    gate.addresses.append(request.META["REMOTE_ADDR"])
    return hangs(request)


async def meets(request: Any) -> bool:
    """Allow when as many others are asked about at the same time."""
    gate.met += 1
    await until(lambda: gate.met >= gate.expected)
    return True


gate = types.SimpleNamespace()


@pytest.fixture(autouse=True)
def closed_gate() -> Iterator[None]:
    gate.arrived, gate.open = threading.Event(), threading.Event()
    gate.met, gate.expected, gate.addresses = 0, 3, []
    yield
    gate.open.set()


class TestPublic:
    async def test_public_summary_checks_no_user_and_counts_by_address(self):
        before = threading.active_count()
        answer = await decide(scope_of(client=("192.0.2.7", 1)))
        assert answer == (Decision.ALLOWED, LiveClient(None, "192.0.2.7"))
        assert threading.active_count() == before

    @pytest.mark.parametrize("client", [None, (), ""])
    async def test_client_of_a_unix_socket_has_no_address(self, client):
        scope = scope_of(client=client)
        assert await decide(scope) == (Decision.ALLOWED, LiveClient(None, ""))
        del scope["client"]
        assert await decide(scope) == (Decision.ALLOWED, LiveClient(None, ""))


class TestSession:
    async def test_user_who_signed_in_may_listen_and_is_counted_by_user(self, user):
        client = await elsewhere(lambda: signed_in(user))
        with access("authenticated"):
            answer = await decide(scope_for(client))
        assert answer == (Decision.ALLOWED, LiveClient(str(user.pk), ""))

    async def test_client_without_a_user_must_sign_in(self, opened):
        with access("authenticated"):
            answer = await decide(scope_for(None, client=("192.0.2.7", 1)))
        assert answer == (Decision.SIGN_IN, LiveClient(None, "192.0.2.7"))

    async def test_staff_alone_may_listen_where_the_rule_says_so(self, user):
        client = await elsewhere(lambda: signed_in(user))
        with access("staff"):
            assert await decision_on(scope_for(client)) is Decision.FORBIDDEN
            await elsewhere(lambda: User.objects.update(is_staff=True))
            assert await decision_on(scope_for(client)) is Decision.ALLOWED

    @pytest.mark.parametrize(
        "ending",
        [
            lambda client: client.logout(),
            lambda client: Session.objects.update(
                expire_date=timezone.now() - datetime.timedelta(seconds=1)
            ),
            lambda client: User.objects.all().delete(),
            lambda client: User.objects.update(is_active=False),
            lambda client: User.objects.update(password="another"),
        ],
        ids=["logged out", "expired", "user deleted", "deactivated", "new password"],
    )
    @pytest.mark.parametrize("stack", [False, True], ids=["alone", "inside auth stack"])
    async def test_what_ends_a_session_ends_the_right_to_listen(
        self, user, ending, stack
    ):
        client = await elsewhere(lambda: signed_in(user))
        scope = scope_for(client)
        if stack:
            scope = await through_auth_stack(scope)
            assert scope["user"].is_authenticated
        with access("authenticated"):
            assert await decision_on(scope) is Decision.ALLOWED
            copy = Client()
            copy.cookies = client.cookies
            await elsewhere(lambda: ending(copy))
            assert await decision_on(scope) is Decision.SIGN_IN
        if stack:
            assert scope["user"].is_authenticated, "the scope's is of no use here"

    async def test_malformed_cookie_is_anonymous(self, opened):
        headers = [(b"cookie", b"sessionid=%ff%00; sessionid=\xff; =; ;;")]
        with access("authenticated"):
            assert await decision_on(scope_of(headers=headers)) is Decision.SIGN_IN

    async def test_session_keeps_its_key_when_the_secret_changed(self, user, settings):
        client = await elsewhere(lambda: signed_in(user))
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
        settings.SECRET_KEY = "another"
        # Signed with the key, unlike the session's content.
        before = await elsewhere(keys_of_sessions)
        with access("authenticated"):
            assert await decision_on(scope_for(client)) is Decision.ALLOWED
            assert await decision_on(scope_for(client)) is Decision.ALLOWED
        assert await elsewhere(keys_of_sessions) == before

    async def test_session_of_an_old_password_is_left_to_the_next_request(self, user):
        client = await elsewhere(lambda: signed_in(user))
        await elsewhere(lambda: User.objects.update(password="another"))
        before = await elsewhere(keys_of_sessions)
        with access("authenticated"):
            assert await decision_on(scope_for(client)) is Decision.SIGN_IN
        assert await elsewhere(keys_of_sessions) == before

    async def test_expired_session_in_a_file_makes_no_new_one(
        self, user, settings, tmp_path, monkeypatch
    ):
        from django.contrib.sessions.backends.file import SessionStore

        monkeypatch.setattr(SessionStore, "_storage_path", str(tmp_path), raising=False)
        settings.SESSION_ENGINE = "django.contrib.sessions.backends.file"
        client = await elsewhere(lambda: signed_in(user))
        settings.SESSION_COOKIE_AGE = -1
        before = set(tmp_path.iterdir())
        with access("authenticated"):
            assert await decision_on(scope_for(client)) is Decision.SIGN_IN
        assert set(tmp_path.iterdir()) & before == before
        assert len([it for it in tmp_path.iterdir() if "session" in it.name]) == 1

    @pytest.mark.parametrize("engine", ["cache", "cached_db", "signed_cookies"])
    async def test_other_session_engines_are_read_as_well(self, user, settings, engine):
        settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
        client = await elsewhere(lambda: signed_in(user))
        with access("authenticated"):
            assert await decision_on(scope_for(client)) is Decision.ALLOWED
            await elsewhere(lambda: User.objects.update(is_active=False))
            assert await decision_on(scope_for(client)) is Decision.SIGN_IN


def keys_of_sessions() -> list[str]:
    return [session.session_key for session in Session.objects.all()]


async def through_auth_stack(scope: dict[str, Any]) -> dict[str, Any]:
    """Return a scope as Channels' ``AuthMiddlewareStack`` leaves it."""
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)
        # Its connection is the thread's on which all sync code runs.
        await sync_to_async(connections.close_all)()

    await AuthMiddlewareStack(app)(scope, Server().receive, Server().send)
    (found,) = seen
    return found


class TestUserOfTheScope:
    """Found by a middleware of the project's, in its own way."""

    async def test_user_by_a_token_may_listen(self, user):
        with access("authenticated"):
            answer = await decide(scope_of(user=user))
        assert answer == (Decision.ALLOWED, LiveClient(str(user.pk), ""))

    async def test_user_by_a_token_may_listen_beside_an_anonymous_session(self, user):
        scope = await through_auth_stack(scope_for(None))
        scope["user"] = user
        with access("authenticated"):
            assert await decision_on(scope) is Decision.ALLOWED

    async def test_user_by_a_token_is_looked_up_again(self, user):
        scope = scope_of(user=user)
        with access("staff"):
            assert await decision_on(scope) is Decision.FORBIDDEN
            await elsewhere(lambda: User.objects.update(is_staff=True))
            assert await decision_on(scope) is Decision.ALLOWED
            await elsewhere(lambda: User.objects.update(is_active=False))
            assert await decision_on(scope) is Decision.FORBIDDEN
            await elsewhere(lambda: User.objects.all().delete())
            assert await decision_on(scope) is Decision.SIGN_IN

    async def test_session_goes_before_the_scope(self, user):
        admin = await elsewhere(lambda: User.objects.create_superuser("grace"))
        client = await elsewhere(lambda: signed_in(admin))
        with access("authenticated"):
            _, person = await decide(scope_for(client, user=user))
        assert person == LiveClient(str(admin.pk), "")

    async def test_user_that_is_no_model_is_taken_as_it_is(self, opened):
        robot = types.SimpleNamespace(
            is_authenticated=True, is_active=True, is_staff=True, pk="r2"
        )
        with access("staff"):
            answer = await decide(scope_of(user=robot))
        assert answer == (Decision.ALLOWED, LiveClient("r2", ""))

    async def test_project_without_sessions_or_users_has_the_scope_alone(
        self, settings
    ):
        settings.INSTALLED_APPS = ["django_socket_status"]
        settings.MIDDLEWARE = []
        robot = types.SimpleNamespace(is_authenticated=True, is_active=True, pk="r2")
        with access("authenticated"):
            assert await decision_on(scope_of(user=robot)) is Decision.ALLOWED
            assert await decision_on(scope_of()) is Decision.FORBIDDEN

    async def test_project_may_have_the_session_middleware_without_its_app(
        self, user, settings
    ):
        settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
        client = await elsewhere(lambda: signed_in(user))
        settings.INSTALLED_APPS = [
            it for it in settings.INSTALLED_APPS if "sessions" not in it
        ]
        with access("authenticated"):
            assert await decision_on(scope_for(client)) is Decision.ALLOWED
            settings.MIDDLEWARE = []
            assert await decision_on(scope_for(client)) is Decision.FORBIDDEN


class TestRuleOfTheProject:
    @pytest.mark.parametrize("rule", [is_ada, is_ada_too])
    async def test_rule_sees_the_user(self, user, rule):
        client = await elsewhere(lambda: signed_in(user))
        with access(f"{__name__}.{rule.__name__}"):
            assert await decision_on(scope_for(client)) is Decision.ALLOWED
            assert await decision_on(scope_for(None)) is Decision.SIGN_IN

    async def test_rule_sees_headers_and_query(self, opened):
        with access(f"{__name__}.has_key"):
            scope = scope_of(headers=[(b"x-key", b"secret")], query_string=b"room=42")
            assert await decision_on(scope) is Decision.ALLOWED

    @pytest.mark.parametrize(
        ("scheme", "expected"),
        [("wss", Decision.ALLOWED), ("ws", Decision.SIGN_IN), (None, Decision.SIGN_IN)],
    )
    async def test_rule_sees_a_request_of_http(self, opened, scheme, expected):
        with access(f"{__name__}.is_secure"):
            assert await decision_on(scope_of(scheme=scheme)) is expected

    @pytest.mark.parametrize(
        "rule", [counts_users, counts_users_too, counts_users_on_any_thread]
    )
    async def test_rule_may_use_the_database(self, user, rule, opened):
        with access(f"{__name__}.{rule.__name__}"):
            assert await decision_on(scope_for(None)) is Decision.ALLOWED
        assert opened

    async def test_rule_may_deny(self, opened):
        with access(f"{__name__}.denies"):
            assert await decision_on(scope_of()) is Decision.SIGN_IN

    @pytest.mark.parametrize("rule", [f"{__name__}.breaks", "nowhere.at_all", ""])
    async def test_rule_that_raises_admits_no_one_and_is_logged(
        self, opened, rule, caplog
    ):
        with access(rule):
            assert await decision_on(scope_of()) is Decision.UNKNOWN
        (record,) = caplog.records
        assert record.name == "django_socket_status"
        assert record.exc_info

    async def test_flood_that_the_rule_raises_for_is_logged_once(self, opened, caplog):
        with access(f"{__name__}.breaks"):
            for _ in range(20):
                assert await decision_on(scope_of()) is Decision.UNKNOWN
        assert len(caplog.records) == 1

    async def test_flood_of_cookies_without_a_session_table_is_logged_once(
        self, opened, caplog, monkeypatch
    ):
        def lacks_table(scope: Any) -> Any:
            raise OperationalError("no such table: django_session")

        monkeypatch.setattr(authorization, "request_of", lacks_table)
        with access("authenticated"):
            for _ in range(20):
                assert await decision_on(scope_of()) is Decision.UNKNOWN
        assert len(caplog.records) == 1

    async def test_rule_that_raises_for_one_answers_the_others(self, opened, caplog):
        addresses = ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
        scopes = [scope_of(client=(address, 1)) for address in addresses]
        with access(f"{__name__}.breaks_for_some"):
            decisions = await asyncio.gather(*map(decision_on, scopes))
        assert decisions == [Decision.UNKNOWN, Decision.ALLOWED, Decision.ALLOWED]
        assert len(caplog.records) == 1

    async def test_rules_that_wait_wait_together(self, opened):
        with access(f"{__name__}.hangs"):
            first = asyncio.ensure_future(decide(scope_of()))
            await until(gate.arrived.is_set)
        # Those who come meanwhile are asked about in one go.
        with access(f"{__name__}.meets"):
            others = [asyncio.ensure_future(decide(scope_of())) for _ in range(3)]
            await asyncio.sleep(0)
            gate.open.set()
            answers = await asyncio.gather(first, *others)
        assert {decision for decision, _ in answers} == {Decision.ALLOWED}

    async def test_rule_that_hangs_delays_no_client_for_long(self, opened, monkeypatch):
        monkeypatch.setattr(authorization, "ANSWER_SECONDS", 0.01)
        with access(f"{__name__}.hangs"):
            assert await decision_on(scope_of()) is Decision.BUSY
            assert await decision_on(scope_of()) is Decision.BUSY
            gate.open.set()
            await until(lambda: not authorization._newcomers._waiting)
            monkeypatch.setattr(authorization, "ANSWER_SECONDS", 10.0)
            assert await decision_on(scope_of()) is Decision.ALLOWED

    async def test_only_so_many_may_wait(self, opened, monkeypatch):
        monkeypatch.setattr(authorization, "MAX_WAITING", 5)
        with access(f"{__name__}.hangs"):
            first = asyncio.ensure_future(decide(scope_of()))
            await until(gate.arrived.is_set)
            waiting = [asyncio.ensure_future(decide(scope_of())) for _ in range(5)]
            await asyncio.sleep(0)
            for _ in range(100):
                assert await decision_on(scope_of()) is Decision.BUSY
            gate.open.set()
            answers = await asyncio.gather(first, *waiting)
        assert {decision for decision, _ in answers} == {Decision.ALLOWED}

    async def test_process_out_of_threads_has_no_answer(self, opened, monkeypatch):
        def start(self: object) -> None:
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(threading.Thread, "start", start)
        with access("authenticated"):
            assert await decision_on(scope_of()) is Decision.BUSY

    @pytest.mark.parametrize("after", ["before it is asked", "while it is asked"])
    async def test_client_that_gives_up_leaves_nothing_behind(self, opened, after):
        with access(f"{__name__}.hangs"):
            tasks = [asyncio.ensure_future(decide(scope_of()))]
            await until(gate.arrived.is_set)
            if after == "before it is asked":
                tasks.append(asyncio.ensure_future(decide(scope_of())))
                await asyncio.sleep(0)
            tasks[-1].cancel()
            with pytest.raises(asyncio.CancelledError):
                await tasks[-1]
            gate.open.set()
            await asyncio.gather(*tasks, return_exceptions=True)
            await until(lambda: not authorization._newcomers._waiting)
            assert await decision_on(scope_of()) is Decision.ALLOWED


class TestTurns:
    """Newcomers and listeners, and the addresses of newcomers, do not wait in line."""

    MEMBER = ((b"x-member", b"yes"),)

    async def test_listener_is_answered_while_newcomers_wait(self, opened):
        member = scope_of(headers=self.MEMBER)
        with access(f"{__name__}.hangs_for_strangers"):
            waiting = [asyncio.ensure_future(decide(scope_of())) for _ in range(200)]
            await until(gate.arrived.is_set)
            for _ in range(3):
                decision, _ = await decide_again(member)
                assert decision is Decision.ALLOWED
            assert not any(it.done() for it in waiting)
            gate.open.set()
            answers = await asyncio.gather(*waiting)
        assert {decision for decision, _ in answers} == {Decision.ALLOWED}

    async def test_newcomers_are_answered_while_listeners_wait(self, opened):
        member = scope_of(headers=self.MEMBER)
        with access(f"{__name__}.hangs_for_strangers"):
            waiting = asyncio.ensure_future(decide_again(scope_of()))
            await until(gate.arrived.is_set)
            assert await decision_on(member) is Decision.ALLOWED
            gate.open.set()
            await waiting

    async def test_client_of_another_address_does_not_wait_for_a_flood(
        self, opened, monkeypatch
    ):
        monkeypatch.setattr(authorization, "BATCH_SIZE", 1)
        with access(f"{__name__}.notes_the_address"):
            flood = [
                asyncio.ensure_future(decide(scope_of(client=("192.0.2.1", number))))
                for number in range(50)
            ]
            await until(gate.arrived.is_set)
            other = asyncio.ensure_future(decide(scope_of(client=("192.0.2.2", 1))))
            await asyncio.sleep(0)
            gate.open.set()
            await asyncio.gather(other, *flood)
        # The first is asked about already, the second was in front.
        assert "192.0.2.2" in gate.addresses[:3]
        assert len(gate.addresses) == 51

    async def test_only_so_many_of_one_address_may_wait(self, opened, monkeypatch):
        monkeypatch.setattr(authorization, "MAX_WAITING_OF_ADDRESS", 5)
        crowd, other = scope_of(client=("192.0.2.1", 1)), scope_of(client=("::1", 1))
        with access(f"{__name__}.hangs"):
            first = asyncio.ensure_future(decide(crowd))
            await until(gate.arrived.is_set)
            waiting = [asyncio.ensure_future(decide(crowd)) for _ in range(5)]
            await asyncio.sleep(0)
            for _ in range(100):
                assert await decision_on(crowd) is Decision.BUSY
            waiting += [asyncio.ensure_future(decide(other)) for _ in range(5)]
            await asyncio.sleep(0)
            gate.open.set()
            answers = await asyncio.gather(first, *waiting)
        assert {decision for decision, _ in answers} == {Decision.ALLOWED}

    async def test_flood_leaves_nothing_on_the_thread_that_answers(
        self, opened, monkeypatch
    ):
        monkeypatch.setattr(authorization, "ANSWER_SECONDS", 0.01)
        with access(f"{__name__}.hangs"):
            answers = await asyncio.gather(*(decide(scope_of()) for _ in range(500)))
            assert {decision for decision, _ in answers} == {Decision.BUSY}
            assert authorization._newcomers._executor._work.calls.qsize() <= 1
            gate.open.set()
            await until(lambda: not authorization._newcomers._waiting)


class TestPersonWithoutRule:
    SESSION = ((b"Cookie", b"a=b; sessionid=x"),)

    def test_client_without_a_session_is_known_by_its_address_alone(self):
        with access("authenticated"):
            scope = scope_of(client=("::1", 1), headers=[(b"cookie", b"theme=dark")])
            assert client_without_query(scope) == LiveClient(None, "::1")
            del scope["headers"], scope["client"]
            assert client_without_query(scope) == LiveClient(None, "")

    def test_client_that_may_be_a_user_is_not_known(self):
        with access("authenticated"):
            assert client_without_query(scope_of(headers=self.SESSION)) is None
            assert client_without_query(scope_of(user=object())) is None

    def test_public_summary_has_no_user(self):
        scope = scope_of(client=("::1", 1), headers=self.SESSION, user=object())
        assert client_without_query(scope) == LiveClient(None, "::1")


class TestThread:
    def test_database_connections_are_closed_after_each_answer(
        self, user, opened, monkeypatch
    ):
        """From several event loops at once, as in a process with several of them."""
        monkeypatch.setattr(authorization, "ANSWER_SECONDS", 60.0)
        client = signed_in(user)
        scope = scope_for(client)

        async def ask() -> list[Decision]:
            decisions = await asyncio.gather(
                *(decision_on(scope) for _ in range(CLIENTS // LOOPS))
            )
            assert len(still_open(opened)) <= 1, "that of those who are asked about now"
            return decisions

        results: list[list[Decision]] = []
        with access("authenticated"):
            threads = [
                threading.Thread(target=lambda: results.append(asyncio.run(ask())))
                for _ in range(LOOPS)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert [len(set(decisions)) for decisions in results] == [1] * LOOPS
        assert 0 < len(opened) < CLIENTS, "those who wait together share one"

    async def test_sync_code_that_blocks_the_shared_thread_delays_no_client(self, user):
        client = await elsewhere(lambda: signed_in(user))
        blocked = asyncio.ensure_future(sync_to_async(gate.open.wait)())
        try:
            for rule in ("authenticated", f"{__name__}.is_ada"):
                with access(rule):
                    assert await decision_on(scope_for(client)) is Decision.ALLOWED
            assert not blocked.done()
        finally:
            gate.open.set()
            await blocked

    async def test_loop_that_is_closed_before_the_answer_causes_no_error(
        self, opened, caplog
    ):
        def ask_and_go() -> None:
            loop = asyncio.new_event_loop()
            task = loop.create_task(decide(scope_of()))
            loop.run_until_complete(asyncio.wait({task}, timeout=0))
            assert gate.arrived.wait(60)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                loop.run_until_complete(task)
            loop.close()

        with access(f"{__name__}.hangs"):
            await elsewhere(ask_and_go)
            gate.open.set()
            assert await decision_on(scope_of()) is Decision.ALLOWED
        assert not caplog.records


class TestMalformed:
    @pytest.mark.parametrize("missing", ["path", "headers", "query_string", "server"])
    async def test_scope_without_a_key_raises_nothing(self, opened, missing, caplog):
        scope = scope_of()
        del scope[missing]
        with access("authenticated"):
            decision = await decision_on(scope)
        assert decision in (Decision.UNKNOWN, Decision.SIGN_IN)

    async def test_scope_of_strange_values_raises_nothing(self, opened, caplog):
        headers = [(b"cookie", b"\xff" * 100_000), (b"\xff", b"\0")] * 100
        with access("authenticated"):
            scope = scope_of(headers=headers, query_string=b"\xff%ff")
            decision = await decision_on(scope)
        assert decision in (Decision.UNKNOWN, Decision.SIGN_IN)

    def test_request_is_of_its_own_scope(self, opened):
        scope = scope_of()
        before = dict(scope)
        request_of(scope)
        assert scope == before
