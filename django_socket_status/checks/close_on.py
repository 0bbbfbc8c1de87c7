"""Whether ``CLOSE_ON`` is valid, and the project can do what it says."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning

from django_socket_status.conf import CLOSE_ON_EVENTS, SETTING, get_settings
from django_socket_status.live.handshake import sessions_are_in_cookies

__all__ = ["check_close_on"]

NAME = f"{SETTING}['CLOSE_ON']"


def check_close_on(**kwargs: Any) -> list[CheckMessage]:
    """Judge ``CLOSE_ON``."""
    close_on = get_settings().close_on
    if not close_on:
        return []
    return [*_unknown(close_on), *_missing_users(), *_sessions_in_cookies()]


def _unknown(close_on: Any) -> Iterator[CheckMessage]:
    for event in close_on:
        if event in CLOSE_ON_EVENTS:
            continue
        near = difflib.get_close_matches(event.lower(), CLOSE_ON_EVENTS, n=1)
        known = ", ".join(map(repr, CLOSE_ON_EVENTS))
        yield Error(
            f"{NAME} knows no {event[:60]!r}.",
            hint=f"Did you mean {near[0]!r}?" if near else f"It knows {known}.",
            id="django_socket_status.E065",
        )


def _missing_users() -> Iterator[CheckMessage]:
    if not apps.is_installed("django.contrib.auth"):
        yield Warning(
            f"{NAME} needs 'django.contrib.auth', which says who signs out and whose "
            "password changes.",
            hint="Add it to INSTALLED_APPS, or close connections with "
            "SocketStatusService.disconnect().",
            id="django_socket_status.W066",
        )


def _sessions_in_cookies() -> Iterator[CheckMessage]:
    if "logout" not in get_settings().close_on:
        return
    try:
        in_cookies = sessions_are_in_cookies()
    except Exception:  # noqa: BLE001 - what is wrong with the engine, Django says
        return
    if in_cookies:
        yield Warning(
            f"{NAME} has 'logout', and SESSION_ENGINE is {settings.SESSION_ENGINE!r}: "
            "a logout ends no such session, so its connections stay open, and a copy "
            "of the cookie still signs in.",
            hint="Set SESSION_ENGINE to one that keeps sessions on the server, such as "
            "'django.contrib.sessions.backends.cached_db', or leave 'logout' out.",
            id="django_socket_status.W065",
        )
