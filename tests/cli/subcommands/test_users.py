from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, models

from django_socket_status.cli.columns import UsageError
from django_socket_status.cli.subcommands import users
from django_socket_status.cli.subcommands.users import user_named


@pytest.fixture
def ada(db: Any) -> User:
    return User.objects.create(pk=12, username="ada")


def test_number_is_a_primary_key_and_needs_no_database():
    assert user_named("7").pk == "7"
    assert user_named("pk:anything").pk == "anything"


def test_name_is_looked_up(ada):
    assert user_named("ada").pk == "12"
    assert user_named("name:ada").pk == "12"


def test_prefix_decides_if_a_name_looks_like_a_key(db):
    User.objects.create(pk=13, username="7")
    assert user_named("7").pk == "7"
    assert user_named("name:7").pk == "13"


@pytest.mark.parametrize("text", ["eve", "name:eve"])
def test_unknown_name_is_an_error_and_never_an_empty_list(db, text):
    with pytest.raises(UsageError, match="no user has the name 'eve'"):
        user_named(text)


def test_database_that_is_down_asks_for_the_key(monkeypatch):
    def down() -> Any:
        raise DatabaseError("connection refused")

    monkeypatch.setattr(users, "get_user_model", down)
    with pytest.raises(UsageError, match=r"connection refused.*primary key"):
        user_named("ada")


def test_name_comes_first_where_every_text_can_be_a_key(ada, monkeypatch):
    monkeypatch.setattr(
        "django_socket_status.users._key_field", lambda: models.CharField()
    )
    assert user_named("ada").pk == "12"
    assert user_named("bob").pk == "bob"
