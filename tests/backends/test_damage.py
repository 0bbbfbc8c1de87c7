"""Damaged data in a store: each reader says the truth, or that it is not certain."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import AsyncRequestFactory, RequestFactory

from django_socket_status.backends import get_backend
from django_socket_status.backends.redis.codec import pack
from django_socket_status.backends.sqlite import SqliteBackend
from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.live.application import LiveStatus
from django_socket_status.records import Cursor
from django_socket_status.services import SocketStatusService
from django_socket_status.status.reader import status_reader
from django_socket_status.testing import FakeWorker, isolated_socket_status
from django_socket_status.views import api
from tests.support.asgi_driver import until
from tests.support.backends import tell
from tests.support.live_push import Visitor, listening

LEASE_SECONDS = 600.0
#: A busy machine needs no heartbeat meanwhile.
UNHURRIED = {"HEARTBEAT_SECONDS": 60.0, "LEASE_SECONDS": LEASE_SECONDS}
REDIS = "django_socket_status.backends.redis.RedisBackend"
UNKNOWN = "the status is not known"

#: A cursor before all connections.
NEWER = Cursor(4e9, "", 0).text


def report_two() -> list[FakeWorker]:
    """Report the workers ``a``, to be damaged, and ``b``, with a user each."""
    workers = [FakeWorker(name, lease_seconds=LEASE_SECONDS) for name in "ab"]
    for worker in workers:
        name = worker.worker.worker_id
        opened = [worker.open(user=name, labels={"room": name})]
        assert get_backend().report(worker.full(opened))
    return workers


def answer_of(ask: Callable[..., Any], **given: Any) -> Any:
    """Return an answer as seen by a process without a last reading."""
    status_reader.reset()
    try:
        return ask(**given)
    except StatusUnavailableError:
        return UNKNOWN


def verify_service() -> None:
    service = SocketStatusService
    summary = answer_of(service.get_socket_info_summary)
    if summary != UNKNOWN:
        verify_summary(summary)
    ids = {"a", "b"}
    workers = answer_of(service.get_workers)
    # The list of workers cannot say that one is missing: the summary does.
    assert workers == UNKNOWN or {it.worker_id for it in workers} <= ids
    for given in ({}, {"type": "call"}, {"labels": {"room": "a"}}):
        page = answer_of(service.get_connections, **given)
        found = 1 if "labels" in given else 2
        if page != UNKNOWN and page.complete:
            assert (page.total, len(page)) == (found, found)
        page = answer_of(service.get_connections, after=NEWER, **given)
        if page != UNKNOWN and page.complete:
            assert len(page) == found
        with contextlib.suppress(StatusUnavailableError):
            assert len([*service.iter_connections(**given)]) == found
    assert answer_of(service.has_listeners, type="call") in (True, UNKNOWN)
    for user in "ab":
        assert service_is_online(user) in (True, UNKNOWN)
    assert answer_of(service.online_user_ids) in ({"a", "b"}, UNKNOWN)


def service_is_online(user: str) -> Any:
    return answer_of(SocketStatusService.is_online, user=User(username=user, pk=user))


def verify_summary(summary: dict[str, Any]) -> None:
    total = summary["total_sockets"]
    assert summary["stale"] or (total, summary["sockets_by_type"]) == (2, {"call": 2})
    assert summary["stale"] or summary["unique_users"] == 2
    assert total in (0, 1, 2)


def refuse(name: str) -> None:
    pytest.fail(f"{name} is no JSON")


def verify_response(response: Any) -> None:
    assert response.status_code in (200, 503)
    answer = json.loads(response.content, parse_constant=refuse)
    if response.status_code == 503:
        return
    if "total_sockets" in answer:
        verify_summary(answer)
    elif "workers" in answer:
        assert answer["stale"] or len(answer["workers"]) == 2
    else:
        assert not answer["complete"] or len(answer["connections"]) == 2


async def verify_views() -> None:
    user = User(pk=1, username="ada", is_staff=True)
    for view in (api.summary, api.workers, api.connections):
        for factory in (RequestFactory(), AsyncRequestFactory()):
            status_reader.reset()
            request = factory.get("/socket-status/")
            request.user = user

            async def auser() -> User:
                return user

            request.auser = auser
            if isinstance(factory, AsyncRequestFactory):
                verify_response(await view(request))
            else:
                verify_response(await asyncio.to_thread(view, request))


async def verify_async() -> None:
    service = SocketStatusService
    for ask in (service.aget_socket_info_summary, service.aget_summary):
        status_reader.reset()
        with contextlib.suppress(StatusUnavailableError):
            summary = await ask()
            if isinstance(summary, dict):
                verify_summary(summary)
            else:
                assert summary.stale or summary.total_sockets == 2
    status_reader.reset()
    with contextlib.suppress(StatusUnavailableError):
        page = await service.aget_connections()
        assert len(page) == 2 or not page.complete
    with contextlib.suppress(StatusUnavailableError):
        assert await service.aonline_user_ids() == {"a", "b"}
    with contextlib.suppress(StatusUnavailableError):
        assert await service.ahas_listeners("call")


async def verify_live_push() -> None:
    status_reader.reset()
    visitor = Visitor()
    async with listening(LiveStatus(), visitor):
        await until(lambda: visitor.heard or visitor.closed_with)
    for message in visitor.heard:
        verify_summary(message["summary"])
    assert visitor.closed_with in (None, (1013, UNKNOWN))


def verify_readers(damage: Callable[[], None]) -> None:
    """Verify each reader, the first one after the damage included."""
    damage()
    verify_service()
    damage()
    asyncio.run(verify_async())
    damage()
    asyncio.run(verify_views())
    damage()
    asyncio.run(verify_live_push())


IDENTITY = '["host", 7, "", "2026-11-30T00:00:00+00:00"]'

SQLITE = [
    ("worker", "counts", '{"call": "1"}'),
    ("worker", "counts", '{"call": NaN}'),
    ("worker", "counts", '{"call": -1}'),
    ("worker", "counts", '{"call": 1'),
    ("worker", "counts", b"\xff"),
    ("worker", "counts", 7),
    ("worker", "anonymous", "many"),
    ("worker", "anonymous", -1),
    ("worker", "anonymous", b"0"),
    ("worker", "complete", "yes"),
    ("worker", "complete", -1),
    ("worker", "identity", IDENTITY.replace("7", '"7"')),
    ("worker", "identity", "{"),
    ("worker", "worker_id", b"a"),
    ("worker", "reported_at", "now"),
    ("worker", "reported_at", b"1"),
    ("worker", "lease", "long"),
    ("worker", "lease", math.inf),
    ("connection", "number", "one"),
    ("connection", "number", -1),
    ("connection", "type", b"call"),
    ("connection", "endpoint", b"/"),
    ("connection", "user", b"a"),
    ("connection", "labels", b"room"),
    ("connection", "labels", 7),
    ("connection", "opened_at", "now"),
    ("connection", "opened_at", -math.inf),
    ("connection", "worker", "one"),
    ("connection", "worker", b"1"),
    ("presence", "user", b"a"),
    ("presence", "worker", "one"),
    ("presence", "worker", b"1"),
    ("tally", "users", "many"),
    ("tally", "users", -1),
    ("tally", "made_at", b"now"),
]


@pytest.mark.parametrize(("table", "column", "value"), SQLITE, ids=repr)
def test_damaged_status_file(tmp_path, settings, table, column, value):
    settings.SOCKET_STATUS = {**settings.SOCKET_STATUS, **UNHURRIED}
    rows = {
        "worker": "worker_id IN ('a', CAST('a' AS BLOB))",
        "connection": "labels LIKE '%room%a%'",
        "presence": "user = 'a'",
        "tally": "1",
    }
    workers = report_two()

    def damage() -> None:
        for worker in workers:
            tell(get_backend(), worker)
        for worker in workers:
            assert get_backend().report(worker.full())
        (file,) = tmp_path.glob("*.db")
        with contextlib.closing(sqlite3.connect(file)) as database, database:
            changed = database.execute(
                f"UPDATE OR REPLACE {table} SET {column} = ? WHERE {rows[table]}",
                (value,),
            )
            assert changed.rowcount >= 1

    verify_readers(damage)


def test_report_of_another_worker_does_not_hide_damage(tmp_path, settings):
    """Each worker writes its row again within a heartbeat."""
    settings.SOCKET_STATUS = {**settings.SOCKET_STATUS, **UNHURRIED}
    report_two()
    (file,) = tmp_path.glob("*.db")
    with contextlib.closing(sqlite3.connect(file)) as database, database:
        database.execute("UPDATE worker SET counts = 7 WHERE worker_id = 'a'")
    with contextlib.closing(SqliteBackend(path=get_backend().path)) as other:
        assert other.report(FakeWorker("c", lease_seconds=LEASE_SECONDS).full())
    summary = answer_of(SocketStatusService.get_socket_info_summary)
    assert (summary["total_sockets"], summary["stale"]) == (1, True)


def packed(*counts: Any, head: bytes = b"1:1:1:1000") -> bytes:
    return head + b":" + pack([*counts])


DAMAGES: dict[str, Callable[[Any, str], object]] = {
    "member of the index": lambda raw, key: raw.zadd(
        key.replace(":a", ":workers"), {b"\xff": 9e15}
    ),
    "index is text": lambda raw, key: replace(raw, key.replace(":a", ":workers")),
    "report is text": lambda raw, key: raw.set(key, b"something else"),
    "report is a list": lambda raw, key: replace(raw, key, "rpush"),
    "count is NaN": lambda raw, key: raw.set(
        key, packed(True, 0, True, {"call": math.nan})
    ),
    "count is negative": lambda raw, key: raw.set(
        key, packed(True, 0, True, {"call": -1})
    ),
    "count is text": lambda raw, key: raw.set(
        key, packed(True, 0, True, {"call": "1"})
    ),
    "anonymous is a fraction": lambda raw, key: raw.set(
        key, packed(True, 0.5, True, {"call": 1})
    ),
    "generation is a fraction": lambda raw, key: raw.set(
        key, packed(True, 0, True, {"call": 1}, head=b"1:1.9999999:1:1000")
    ),
    "ages are text": lambda raw, key: replace(raw, f"{key}:1:oldest"),
    "users are text": lambda raw, key: replace(raw, f"{key}:1:users"),
    "users are gone": lambda raw, key: raw.delete(f"{key}:1:users"),
    "facts are text": lambda raw, key: replace(raw, f"{key}:who"),
    "identity is text": lambda raw, key: raw.hset(f"{key}:who", "w", b"something"),
    "types are numbers": lambda raw, key: raw.hset(f"{key}:who", "p", pack([[7, 7]])),
    "indexes are text": lambda raw, key: replace(raw, f"{key}:1:marks"),
    "index of a bucket": lambda raw, key: raw.hset(f"{key}:1:marks", "0", b"short"),
    "bucket is text": lambda raw, key: replace(raw, f"{key}:1:0"),
    "connection": lambda raw, key: raw.hset(f"{key}:1:0", 1, b"something"),
    "number of users": lambda raw, key: replace(
        raw, key.replace(":a", ":users"), "rpush"
    ),
}


def replace(raw: Any, key: str, how: str = "set") -> None:
    raw.delete(key)
    getattr(raw, how)(key, "something else")


@pytest.mark.redis
@pytest.mark.parametrize("make", DAMAGES.values(), ids=DAMAGES)
def test_damaged_redis(shared_redis, redis_prefix, make):
    options = {"url": shared_redis.url, "prefix": redis_prefix}
    with (
        shared_redis.client(decode_responses=False) as raw,
        isolated_socket_status(BACKEND=REDIS, OPTIONS=options),
    ):

        def damage() -> None:
            raw.delete(*raw.keys(f"{{{redis_prefix}}}*") or ["none"])
            get_backend().forget_after_fork()
            report_two()
            make(raw, f"{{{redis_prefix}}}:a")

        verify_readers(damage)
