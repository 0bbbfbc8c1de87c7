from __future__ import annotations

import pytest

from tests.support.checks import PREFIX, found, only

COOKIES = "django.contrib.sessions.backends.signed_cookies"
EVENTS = ["logout", "password_change", "deactivation"]


def test_events_that_are_known_are_left_in_peace(settings):
    settings.SOCKET_STATUS = {"CLOSE_ON": EVENTS}
    assert found() == {}


@pytest.mark.parametrize(
    ("event", "hint"), [("log_out", "'logout'?"), ("lunch", "'password_change', 'dea")]
)
def test_event_that_is_unknown_is_an_error(settings, event, hint):
    settings.SOCKET_STATUS = {"CLOSE_ON": ["logout", event]}
    told = only()
    assert told.id == f"{PREFIX}E065"
    assert repr(event) in told.msg
    assert hint in (told.hint or "")


@pytest.mark.parametrize("value", ["logout", [1], {"logout": True}, None])
def test_events_must_be_a_list_of_text(settings, value):
    settings.SOCKET_STATUS = {"CLOSE_ON": value}
    assert only().id == f"{PREFIX}E003"


@pytest.mark.parametrize(
    ("engine", "events", "warned"),
    [
        (COOKIES, ["logout"], True),
        (COOKIES, ["deactivation"], False),
        (COOKIES, [], False),
        ("django.contrib.sessions.backends.cache", ["logout"], False),
        ("nowhere.at_all", ["logout"], False),
    ],
)
def test_sessions_in_cookies_cannot_be_closed(settings, engine, events, warned):
    settings.SOCKET_STATUS = {"CLOSE_ON": events}
    settings.SESSION_ENGINE = engine
    assert ("W065" in found()) is warned


def test_users_are_needed(settings):
    settings.SOCKET_STATUS = {"CLOSE_ON": EVENTS}
    settings.INSTALLED_APPS = ["django_socket_status"]
    assert "W066" in found()
