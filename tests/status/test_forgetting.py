"""A user leaves the lists of ended connections, as far as the backend can."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import AnonymousUser, User

from django_socket_status.activity.ended_rows import read_closed
from django_socket_status.activity.forgetting import without_user
from django_socket_status.activity.stored import Entries, Kept
from django_socket_status.backends import get_backend
from django_socket_status.backends.memory import MemoryBackend
from django_socket_status.exceptions import NotKeptError
from django_socket_status.status.forgetting import aforget_user, forget_user
from django_socket_status.status.lists import get_connections
from django_socket_status.testing import isolated_socket_status
from tests.status import test_lists as lists


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    with isolated_socket_status(BACKEND=lists.MEMORY):
        yield


@pytest.fixture(params=["sync", "async"])
def forget(request: pytest.FixtureRequest) -> Callable[..., Any]:
    return forget_user if request.param == "sync" else async_to_sync(aforget_user)


@pytest.mark.parametrize("user", [7, "7", User(pk=7)], ids=["int", "str", "user"])
def test_user_leaves_both_lists(forget, user):
    lists.keep(lists.ended(1, user="7"), lists.ended(2, user="8"))
    lists.reject(1, user="7")
    assert forget(user) == 2
    assert forget(user) == 0
    assert [it.user_id for it in get_connections(state="closed")] == ["8", None]
    assert [it.user_id for it in get_connections(state="rejected")] == [None]


def test_anonymous_user_is_nobody_to_forget(forget):
    with pytest.raises(ValueError, match="primary key"):
        forget(AnonymousUser())
    with pytest.raises(TypeError, match="user"):
        forget(None)


class CannotRewrite(MemoryBackend):
    keeps: frozenset[Kept] = frozenset({"endings"})  # type: ignore[assignment]


class KeepsNothing(MemoryBackend):
    keeps: frozenset[Kept] = frozenset()  # type: ignore[assignment]


def test_backend_that_cannot_change_its_lists_is_no_success(settings, forget):
    settings.SOCKET_STATUS = {"BACKEND": f"{__name__}.CannotRewrite"}
    with pytest.raises(NotKeptError, match="CannotRewrite"):
        forget(7)


def test_backend_without_lists_has_nobody_to_forget(settings, forget):
    settings.SOCKET_STATUS = {"BACKEND": f"{__name__}.KeepsNothing"}
    assert forget(7) == 0


def test_unfinished_text_that_names_the_user_is_removed():
    lists.keep(lists.ended(1, user="8"))
    get_backend().keep_ended("closed", Entries('{"entries":[[1,"call","/ws/","7"', 1))
    assert forget_user(7) == 0
    page = get_connections(state="closed")
    assert ([it.user_id for it in page], page.complete) == (["8"], False)  # type: ignore[union-attr]
    assert '"7"' not in "".join(it.text for it in get_backend().read_ended("closed"))


def test_what_a_newer_version_has_added_stays():
    body = {"worker": "a", "release": "", "entries": [[1, "call", "", "é", {}, 0.0]]}
    body["entries"][0] += [1.0, "drained", None, "", "new"]  # type: ignore[index]
    rewritten = without_user(json.dumps({**body, "more": 1}), "é")
    assert rewritten is not None
    assert rewritten.changed == 1
    new = json.loads(rewritten.text)
    assert (new["more"], new["entries"][0][-1]) == (1, "new")
    ((record,), _, is_whole, _) = read_closed(rewritten.text)
    assert (record.user_id, is_whole) == (None, True)


@pytest.mark.parametrize("user", ["8", "77", ""])
def test_text_without_the_user_is_left_as_it_is(user):
    text = json.dumps({"worker": "a", "entries": [[1, "call", "", "7", {}, 0]]})
    assert without_user(text, user) is None
