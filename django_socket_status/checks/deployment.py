"""What only ``check --deploy`` judges: the imported application, and who may read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning
from django.utils.module_loading import import_string

from django_socket_status.checks.application import find_missing_application
from django_socket_status.checks.consumers import consumer_messages, imported_consumers
from django_socket_status.checks.importable import import_failure
from django_socket_status.checks.routes import route_messages
from django_socket_status.conf import (
    PUBLIC,
    SETTING,
    get_settings,
)
from django_socket_status.endpoints.catalog import walk
from django_socket_status.endpoints.loaded import get_live_url
from django_socket_status.live.handshake import RETURN_SECONDS, sessions_are_in_cookies

__all__ = ["check_deployment"]


def check_deployment(**kwargs: Any) -> list[CheckMessage]:
    """Import ``ASGI_APPLICATION``, and judge its routes and who may read."""
    return [
        *_application_messages(),
        *_public_summary(),
        *_sessions_in_cookies(),
    ]


def _application_messages() -> Iterator[CheckMessage]:
    dotted_path = getattr(settings, "ASGI_APPLICATION", None)
    if not dotted_path:
        return
    before = imported_consumers()
    application = None
    try:
        application = import_string(dotted_path)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the project's code
        if find_missing_application(dotted_path):
            # check_application reports it.
            return
        yield Warning(
            f"ASGI_APPLICATION must be importable; {dotted_path!r} is not: "
            f"{import_failure(error)}",
            hint="Import it in 'manage.py shell' to see the whole traceback.",
            id="django_socket_status.W005",
        )
    # check_consumers judges the others.
    judged = {id(cls) for cls in before}
    new = [cls for cls in imported_consumers() if id(cls) not in judged]
    yield from consumer_messages(new)
    if application is not None:
        yield from route_messages(walk(application))


def _public_summary() -> Iterator[CheckMessage]:
    if get_settings().summary_access == PUBLIC:
        yield Warning(
            f"{SETTING}['SUMMARY_ACCESS'] is 'public': anyone may read how many "
            "WebSockets of which type are open, and under which routes.",
            hint="Set it to 'authenticated', 'staff' or the dotted path of a function, "
            "or silence this if anyone may.",
            id="django_socket_status.W006",
        )


def _sessions_in_cookies() -> Iterator[CheckMessage]:
    if get_settings().summary_access == PUBLIC or get_live_url() is None:
        return
    try:
        in_cookies = sessions_are_in_cookies()
    except Exception:  # noqa: BLE001 - what is wrong with the engine, Django says
        return
    if in_cookies:
        yield Warning(
            f"SESSION_ENGINE is {settings.SESSION_ENGINE!r}, so a logout does not end "
            "live push: the cookie of the handshake goes on being a session. A "
            f"listener has to connect again every {RETURN_SECONDS:g} seconds, and is "
            "refused then.",
            hint="Set SESSION_ENGINE to one that keeps sessions on the server, such as "
            "'django.contrib.sessions.backends.cached_db', or silence this if a logout "
            "may take that long.",
            id="django_socket_status.W026",
        )
