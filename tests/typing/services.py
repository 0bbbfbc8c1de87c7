"""What a type checker must accept, and what it must find, in calls of the service.

Never run: mypy checks it with ``warn_unused_ignores``. An ignore of a mistake that mypy
does not find fails as unused.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import AnonymousUser, Group, User
from django.http import HttpRequest
from typing_extensions import assert_type

from django_socket_status.activity.entries import ClosedConnection, RejectedConnection
from django_socket_status.records import ConnectionPage, ConnectionRecord
from django_socket_status.services import SocketStatusService as Service
from django_socket_status.status.answers import SummaryRecord, UserIds, WorkerRecord
from django_socket_status.status.ended import EndedPage
from django_socket_status.status.history_records import History
from django_socket_status.status.totals import TotalsRecord


class TokenUser:
    """A user of no model, as a project's own middleware may put it into a scope."""

    is_authenticated = True

    def __init__(self, pk: str) -> None:
        self.pk = pk


def good(request: HttpRequest, user: User, key: uuid.UUID) -> None:
    Service.is_online(user)
    Service.is_online(AnonymousUser())
    Service.is_online(request.user)
    Service.is_online(7)
    Service.is_online("7")
    Service.is_online(key)
    Service.is_online(TokenUser("ada"))
    Service.has_listeners()
    Service.has_listeners("call", {"room": "blue"})
    Service.has_listeners(labels={"room": 42, "id": key})
    Service.get_connections(user=user, limit=10, anonymous=False, labels={})
    rooms: dict[str, str] = {}
    Service.get_connections(type=None, user=None, labels=rooms)
    page = Service.get_connections()
    assert_type(page, ConnectionPage)
    assert_type(Service.get_connections(after=page.next_after), ConnectionPage)
    assert_type([*Service.iter_connections(type="call")], list[ConnectionRecord])
    closed = Service.get_connections(state="closed", cause="worker_lost", code=1006)
    assert_type(closed, EndedPage[ClosedConnection])
    assert_type(closed[0].closed_at, datetime.datetime)
    rejected = Service.get_connections(state="rejected", user=user, code=403)
    assert_type([*rejected], list[RejectedConnection])
    ended = Service.iter_connections(state="closed", cause="app_error")
    assert_type([*ended], list[ClosedConnection])
    assert_type(Service.get_totals().opened, Mapping[str, int])
    assert_type(Service.get_history("6h", type="call"), History)
    assert_type(Service.forget_user(user), int)
    assert_type(Service.online_user_ids(), UserIds)
    assert_type(next(iter(Service.online_user_ids())), str)
    assert_type(user.pk in Service.online_user_ids(), bool)
    assert_type(Service.get_summary(), SummaryRecord)
    assert_type(Service.get_summary().timestamp, datetime.datetime)
    assert_type([it.worker_id for it in Service.get_workers()], list[str])
    assert_type([it.worker.worker_id for it in Service.get_workers()], list[str])


async def good_on_a_loop(user: User) -> None:
    assert_type(await Service.ais_online(user), bool)
    assert_type(await Service.ahas_listeners("call", {"room": "blue"}), bool)
    assert_type(await Service.aget_summary(), SummaryRecord)
    assert_type([*await Service.aget_workers()], list[WorkerRecord])
    closed = await Service.aget_connections(state="closed", limit=5)
    assert_type(closed, EndedPage[ClosedConnection])
    refused = [it async for it in Service.aiter_connections(state="rejected")]
    assert_type(refused, list[RejectedConnection])
    assert_type(await Service.aget_totals(), TotalsRecord)
    assert_type(await Service.aget_history(span="1d"), History)
    assert_type(await Service.aforget_user(7), int)
    found = [it async for it in Service.aiter_connections(anonymous=True)]
    assert_type(found, list[ConnectionRecord])


def bad(group: Group, anything: list[Any]) -> None:
    Service.is_online(None)  # type: ignore[arg-type]
    Service.is_online(group)  # type: ignore[arg-type]
    Service.is_online(7.5)  # type: ignore[arg-type]
    Service.is_online(b"7")  # type: ignore[arg-type]
    Service.is_online(object())  # type: ignore[arg-type]
    Service.is_online()  # type: ignore[call-arg]
    Service.has_listeners(5)  # type: ignore[arg-type]
    Service.has_listeners("call", "blue")  # type: ignore[arg-type]
    Service.has_listeners(labels={"room": ["blue"]})  # type: ignore[dict-item]
    Service.has_listeners(labels={"room": None})  # type: ignore[dict-item]
    Service.has_listeners(label={"room": "blue"})  # type: ignore[call-arg]
    Service.get_connections(limit="2")  # type: ignore[call-overload]
    Service.get_connections(offset=None)  # type: ignore[call-overload]
    Service.get_connections(type=5)  # type: ignore[call-overload]
    Service.get_connections(user=anything)  # type: ignore[call-overload]
    Service.get_connections(user=group)  # type: ignore[call-overload]
    Service.get_connections(labels="x")  # type: ignore[call-overload]
    Service.get_connections(labels={1: "x"})  # type: ignore[dict-item]
    Service.get_connections(anonymous="yes")  # type: ignore[call-overload]
    Service.get_connections("call")  # type: ignore[call-overload]
    Service.iter_connections(limit=5)  # type: ignore[call-overload]
    Service.get_connections(state="shut")  # type: ignore[call-overload]
    Service.get_connections(cause="app_error")  # type: ignore[call-overload]
    Service.get_connections(state="closed", cause="x")  # type: ignore[call-overload]
    Service.get_connections(state="closed", after="x")  # type: ignore[call-overload]
    Service.get_history("2h")  # type: ignore[arg-type]
    Service.forget_user(None)  # type: ignore[arg-type]
    Service.get_summary()["total_sockets"]  # type: ignore[index]
    str(Service.get_summary().total_socket)  # type: ignore[attr-defined]


async def bad_on_a_loop(group: Group) -> None:
    await Service.ais_online(group)  # type: ignore[arg-type]
    await Service.ahas_listeners(5)  # type: ignore[arg-type]
    await Service.aget_connections(limit="2")  # type: ignore[call-overload]
    Service.aiter_connections(labels="x")  # type: ignore[call-overload]
