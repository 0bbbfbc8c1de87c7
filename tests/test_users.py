"""Whose a connection is, without a question to anybody."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.utils.functional import SimpleLazyObject

from django_socket_status.bounds import MAX_USER_ID
from django_socket_status.users import key_of, user_id_of


def test_key_is_given_as_it_is():
    assert key_of(User(pk=7)) == 7
    assert key_of("ada") == "ada"
    assert key_of(None) is None
    assert user_id_of(User(pk=7)) == "7"


def test_lazy_user_is_nobody_until_somebody_else_asks():
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
