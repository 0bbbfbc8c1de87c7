"""The session of a connection is found without a query, and only its hash goes out."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.sessions.backends import signed_cookies
from django.contrib.sessions.backends.base import SessionBase
from django.utils.functional import LazyObject

from django_socket_status.control.session_keys import (
    auth_hash_of,
    keyed_hashes,
    loaded_data,
    session_key_of,
)
from tests.support.asgi_driver import scope_of

KEY = "k3y0fth3sess10nk3y0fth3sess10nab"
COOKIE = [(b"cookie", b"a=b; sessionid=" + KEY.encode() + b"; c=d")]


class Lazy(LazyObject):
    """As Channels has it: filled in by the middleware, later."""

    def _setup(self) -> None:
        raise AssertionError("Nothing may evaluate it.")


class Unloaded(SessionBase):
    """A session that may not be loaded."""

    def load(self) -> Any:
        raise AssertionError("Nothing may load it.")


def test_hash_depends_on_the_secret_key_and_never_shows_the_session(settings):
    (first,) = keyed_hashes(KEY)
    assert first == keyed_hashes(KEY)[0]
    assert KEY not in first
    assert first != keyed_hashes(KEY + "a")[0]
    settings.SECRET_KEY = "another"
    assert keyed_hashes(KEY) != (first,)


def test_processes_before_and_after_a_change_of_the_key_have_a_hash_in_common(settings):
    before = keyed_hashes(KEY)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another"
    assert set(before) < set(keyed_hashes(KEY))


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ({}, None),
        ({"session": Unloaded(KEY)}, KEY),
        # It was looked up, and is not there any more: the cookie means nothing.
        ({"session": SessionBase(), "headers": COOKIE}, None),
        ({"session": Lazy(), "headers": COOKIE}, KEY),
        # As Starlette has it.
        ({"session": {"some": "data"}, "headers": COOKIE}, KEY),
        ({"headers": COOKIE}, KEY),
        ({"cookies": {"sessionid": KEY}}, KEY),
        ({"cookies": {}, "headers": COOKIE}, None),
        ({"headers": [(b"cookie", b"sessionid=")]}, None),
        ({"session": signed_cookies.SessionStore("x"), "headers": COOKIE}, None),
    ],
)
def test_session_of_the_scope_comes_before_the_cookie(more, key):
    assert session_key_of(scope_of(**more)) == key


def test_session_that_is_filled_in_is_seen_through():
    lazy = Lazy()
    lazy._wrapped = Unloaded(KEY)
    assert session_key_of(scope_of(session=lazy)) == KEY


def test_what_is_loaded_is_read_and_nothing_is_loaded():
    assert loaded_data(Unloaded(KEY)) == {}
    assert loaded_data(None) == {}
    assert auth_hash_of(scope_of(session=Unloaded(KEY))) is None
    session: Any = SessionBase(KEY)
    session._session_cache = {HASH_SESSION_KEY: "abc"}
    assert auth_hash_of(scope_of(session=session)) == "abc"
