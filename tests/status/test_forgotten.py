"""A user who was forgotten is not listed, whatever is reported later."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from django_socket_status.backends import get_backend
from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.status.forgetting import forget_user
from django_socket_status.status.forgotten import MARK_SECONDS, MARK_USERS, START, Mark
from django_socket_status.status.lists import get_connections
from django_socket_status.testing import isolated_socket_status
from tests.status import test_lists as lists


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    with isolated_socket_status(BACKEND=lists.MEMORY):
        yield


def marks(ended="closed"):
    texts = [it.text for it in get_backend().read_ended(ended)]
    return [json.loads(it)["forgotten"] for it in texts if it.startswith(START)]


def test_what_is_reported_later_has_no_user():
    forget_user(7)
    lists.keep(lists.ended(1, user="7"), lists.ended(2, user="8"))
    lists.reject(1, user="7")
    assert [it.user_id for it in get_connections(state="closed")] == ["8", None]
    assert [it.user_id for it in get_connections(state="rejected")] == [None]
    assert not get_connections(state="closed", user=7)
    assert len(get_connections(state="closed", anonymous=True)) == 1
    # Once more, and the store does not have the user either.
    assert forget_user(7) == 2
    assert "7" not in [it.user_id for it in get_connections(state="closed")]


def test_connection_that_opened_later_has_its_user():
    forget_user(7)
    closed = lists.ended(1, user="7")
    opened_at = time.time() + 60
    lists.keep(closed._replace(connection=closed[0]._replace(opened_at=opened_at)))
    assert [it.user_id for it in get_connections(state="closed")] == ["7"]


def test_mark_names_nobody_and_hides_under_an_earlier_secret_key(settings):
    forget_user(4711)
    assert "4711" not in json.dumps(marks())
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "new"
    lists.keep(lists.ended(1, user="4711"))
    assert [it.user_id for it in get_connections(state="closed")] == [None]


def test_users_who_are_forgotten_together_share_a_mark():
    for user in (7, 8, 7):
        forget_user(user)
    for ended in ("closed", "rejected"):
        (users,) = marks(ended)
        assert len(users) == 2


def test_mark_that_is_old_or_full_takes_no_more_users():
    old = Mark("7", 1000.0).entries().text
    assert Mark("8", 1000.0 + MARK_SECONDS).added_to(old) is not None
    assert Mark("8", 1001.0 + MARK_SECONDS).added_to(old) is None
    users = dict.fromkeys(map(str, range(MARK_USERS)), 1000.0)
    assert Mark("8", 1000.0).added_to(json.dumps({"forgotten": users})) is None
    assert Mark("8", 1000.0).added_to('{"worker":"a"}') is None


@pytest.mark.parametrize("text", ["7}", '{"a":"x"}}', "null}", '{"a":NaN}}'])
def test_list_with_a_damaged_mark_cannot_be_read(text):
    get_backend().keep_ended(
        "closed", Mark("7", 1.0).entries()._replace(text=START + text)
    )
    with pytest.raises(StatusUnavailableError):
        get_connections(state="closed")
    # It is no reason not to forget.
    assert forget_user(8) == 0
    assert len(get_backend().read_ended("closed")) == 2
