"""Whether ``ASGI_APPLICATION`` names something, and ``runserver`` serves it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Warning
from django.core.management import ManagementUtility

from django_socket_status.checks.importable import Missing, find_missing

__all__ = ["check_application", "find_missing_application"]

#: The packages whose ``runserver`` serves WSGI, so no WebSocket. WhiteNoise's is
#: derived from the next app's, which may serve ASGI.
WSGI_RUNSERVERS = {"builtins", "django", "whitenoise"}


def check_application(**kwargs: Any) -> list[CheckMessage]:
    """Check that there is an ASGI application, and that ``runserver`` serves it."""
    return [*_missing_application(), *_wsgi_runserver()]


def find_missing_application(dotted_path: object) -> Missing | None:
    """Return why ``ASGI_APPLICATION`` names nothing, without importing it."""
    if isinstance(dotted_path, str):
        return find_missing(dotted_path)
    return Missing(f"it is of the type {type(dotted_path).__name__}, and not text")


def _missing_application() -> Iterator[CheckMessage]:
    dotted_path = getattr(settings, "ASGI_APPLICATION", None)
    urls = getattr(settings, "ROOT_URLCONF", "")
    package = str(urls).rpartition(".")[0] or "myproject"
    example = f"As in ASGI_APPLICATION = '{package}.asgi.application'."
    if not dotted_path:
        yield Warning(
            "ASGI_APPLICATION must name the project's ASGI application, or no endpoint "
            "is known: the summary's ws_endpoints stays empty.",
            hint=example,
            id="django_socket_status.W001",
        )
    elif missing := find_missing_application(dotted_path):
        yield Warning(
            f"ASGI_APPLICATION must be the dotted path of an ASGI application; "
            f"{dotted_path!r} names nothing: {missing.reason}.",
            hint=f"Did you mean {missing.near!r}?" if missing.near else example,
            id="django_socket_status.W027",
        )


def _wsgi_runserver() -> Iterator[CheckMessage]:
    """Judge ``runserver`` where it runs, or where daphne should replace it.

    A project that is served and tested with another server needs no warning.
    """
    is_meant = apps.is_installed("daphne") or sys.argv[1:2] == ["runserver"]
    if is_meant and not _runserver_speaks_asgi():
        yield Warning(
            "runserver serves WSGI in this project, so it serves no WebSocket "
            "that could be counted.",
            hint="Put 'daphne' first in INSTALLED_APPS, before every app with "
            "another runserver, such as django.contrib.staticfiles; or serve "
            "ASGI_APPLICATION with another ASGI server.",
            id="django_socket_status.W002",
        )


def _runserver_speaks_asgi() -> bool:
    command = ManagementUtility().fetch_command("runserver")
    packages = {cls.__module__.partition(".")[0] for cls in type(command).__mro__}
    return not packages <= WSGI_RUNSERVERS
