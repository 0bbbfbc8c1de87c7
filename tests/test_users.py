"""Whose a connection is, without a question to anybody."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.utils.functional import SimpleLazyObject

from django_socket_status import users
from django_socket_status.limits import MAX_USER_ID
from django_socket_status.users import key_of, user_id_of


@pytest.fixture(autouse=True)
def _nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "_without_key", set())


def test_key_is_given_as_it_is():
    assert key_of(User(pk=7)) == 7
    assert key_of("ada") == "ada"
    assert key_of(None) is None
    assert user_id_of(User(pk=7)) == "7"


def test_lazy_user_is_anonymous_until_it_is_evaluated():
    lazy = SimpleLazyObject(lambda: User(pk=7))
    assert key_of(lazy) is None
    assert lazy.pk == 7
    assert key_of(lazy) == 7


def test_deferred_key_is_not_fetched():
    user = User(pk=7)
    del user.__dict__["id"]
    assert user.get_deferred_fields() >= {"id"}
    # A query would raise: this test has no database.
    assert key_of(user) is None


@pytest.mark.parametrize("key", ["x" * 10_000, "\ud800", "a\x00b"])
def test_any_key_becomes_bounded_text(key):
    text = user_id_of(key)
    assert text is not None
    assert len(text.encode()) <= 4 * MAX_USER_ID


class KeylessUser:
    is_authenticated = True


def test_user_without_a_key_is_logged_once_by_its_class(caplog):
    for _ in range(2):
        assert key_of(KeylessUser(), tell=True) is None
    assert key_of(AnonymousUser(), tell=True) is None
    assert key_of(SimpleLazyObject(KeylessUser), tell=True) is None
    (record,) = caplog.records
    assert f"{__name__}.KeylessUser" in record.getMessage()
    assert record.levelname == "WARNING"


def test_log_of_classes_without_a_key_is_bounded(caplog):
    for number in range(2 * users.MAX_TOLD):
        key_of(type(f"User{number}", (), {})(), tell=True)
    assert 0 < len(caplog.records) <= users.MAX_TOLD
