"""Whether the project around the settings has what they need."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django.core.management import ManagementUtility
from django.utils.module_loading import import_string

from django_socket_status.access import load_rule
from django_socket_status.backends import create_backend
from django_socket_status.backends.base import BaseBackend
from django_socket_status.checks.consumers import consumer_messages, imported_consumers
from django_socket_status.conf import (
    AUTHENTICATED,
    PUBLIC,
    SETTING,
    STAFF,
    get_settings,
)

__all__ = [
    "check_access",
    "check_application",
    "check_backend",
    "check_deployment",
]

#: The packages whose ``runserver`` speaks WSGI, and no WebSocket, unless another one
#: has a part in it: WhiteNoise's is derived from the next app's.
WSGI_RUNSERVERS = {"builtins", "django", "whitenoise"}

AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"


def check_backend(**kwargs: Any) -> list[CheckMessage]:
    """Judge ``BACKEND`` and ``OPTIONS``, and ask the backend to judge the rest."""
    dotted_path = get_settings().backend
    name = f"{SETTING}['BACKEND']"
    try:
        cls = import_string(dotted_path)
    except Exception as error:  # noqa: BLE001 - any code of the project's runs here
        return [
            Error(
                f"{name} must be the dotted path of a class; {dotted_path!r} cannot be "
                f"imported: {_reason(error)}",
                hint="Until it can, each process answers for its own sockets alone.",
                id="django_socket_status.E007",
            )
        ]
    if not (isinstance(cls, type) and issubclass(cls, BaseBackend)):
        return [
            Error(
                f"{name} must be a subclass of {BaseBackend.__module__}.BaseBackend; "
                f"{dotted_path!r} is none.",
                hint="The backends of this package are sqlite.SqliteBackend and "
                "memory.MemoryBackend in django_socket_status.backends.",
                id="django_socket_status.E008",
            )
        ]
    try:
        backend = create_backend()
    except Exception as error:  # noqa: BLE001 - the backend is somebody's code
        return [
            Error(
                f"{SETTING}['OPTIONS'] must be what the backend takes. "
                f"{_reason(error)}",
                hint=f"{cls.__name__} takes: {_options_of(cls)}.",
                id="django_socket_status.E009",
            )
        ]
    try:
        return list(backend.check())
    finally:
        backend.close()


def check_access(**kwargs: Any) -> list[CheckMessage]:
    """Judge ``SUMMARY_ACCESS``."""
    access = get_settings().summary_access
    if access == PUBLIC or not _is_text_given("SUMMARY_ACCESS"):
        return []
    if access in (AUTHENTICATED, STAFF):
        return list(_missing_authentication(access))
    try:
        load_rule(access)
    except Exception as error:  # noqa: BLE001 - any code of the project's runs here
        return [
            Error(
                _reason(error),
                hint='As in "myproject.access.may_read", a function that takes the '
                "request and returns a bool. Until then, nobody may read the summary.",
                id="django_socket_status.E010",
            )
        ]
    return []


def _missing_authentication(access: str) -> Iterator[CheckMessage]:
    if not any(map(_is_authentication, settings.MIDDLEWARE)):
        yield Warning(
            f"{SETTING}['SUMMARY_ACCESS'] is {access!r}, which needs "
            "AuthenticationMiddleware to tell who sends a request.",
            hint=f"Add {AUTHENTICATION!r} to MIDDLEWARE, or silence this if another "
            "middleware sets request.user.",
            id="django_socket_status.W004",
        )


def _is_authentication(dotted_path: str) -> bool:
    try:
        middleware = import_string(dotted_path)
    except ImportError:
        # Django says so itself, as soon as it serves anything.
        return False
    # By name: importing it takes the models of an app that may not be installed.
    classes = getattr(middleware, "__mro__", ())
    return AUTHENTICATION in [f"{it.__module__}.{it.__qualname__}" for it in classes]


def check_application(**kwargs: Any) -> list[CheckMessage]:
    """See that there is an ASGI application, and that ``runserver`` would serve it."""
    return [*_missing_application(), *_wsgi_runserver()]


def _missing_application() -> Iterator[CheckMessage]:
    if not getattr(settings, "ASGI_APPLICATION", None):
        yield Warning(
            "ASGI_APPLICATION must name the project's ASGI application, or no endpoint "
            "is known: the summary's ws_endpoints stays empty.",
            hint='As in ASGI_APPLICATION = "myproject.asgi.application".',
            id="django_socket_status.W001",
        )


def _wsgi_runserver() -> Iterator[CheckMessage]:
    """Judge ``runserver`` where somebody uses it, or means it to speak ASGI.

    Whoever serves with uvicorn, and tests with it, need not be told.
    """
    is_meant = apps.is_installed("daphne") or sys.argv[1:2] == ["runserver"]
    if is_meant and not _runserver_speaks_asgi():
        yield Warning(
            "runserver speaks WSGI in this project: it serves no WebSocket, and there "
            "is none to count.",
            hint="Put 'daphne' first in INSTALLED_APPS, before every app with a "
            "runserver of its own, such as django.contrib.staticfiles; or serve "
            "ASGI_APPLICATION with another ASGI server.",
            id="django_socket_status.W002",
        )


def _runserver_speaks_asgi() -> bool:
    command = ManagementUtility().fetch_command("runserver")
    packages = {cls.__module__.partition(".")[0] for cls in type(command).__mro__}
    return not packages <= WSGI_RUNSERVERS


def check_deployment(**kwargs: Any) -> list[CheckMessage]:
    """Import ``ASGI_APPLICATION``, judge its consumers, and ask who may read."""
    return [*_application_messages(), *_public_summary()]


def _application_messages() -> Iterator[CheckMessage]:
    dotted_path = getattr(settings, "ASGI_APPLICATION", None)
    if not dotted_path:
        return
    before = imported_consumers()
    try:
        import_string(dotted_path)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the project's code
        yield Warning(
            f"ASGI_APPLICATION must be importable; {dotted_path!r} is not: "
            f"{_reason(error)}",
            hint="Import it in 'manage.py shell' to see the whole traceback.",
            id="django_socket_status.W005",
        )
    # The others were judged by check_consumers.
    judged = {id(cls) for cls in before}
    new = [cls for cls in imported_consumers() if id(cls) not in judged]
    yield from consumer_messages(new)


def _public_summary() -> Iterator[CheckMessage]:
    if get_settings().summary_access == PUBLIC:
        yield Warning(
            f"{SETTING}['SUMMARY_ACCESS'] is 'public': everybody may read how many "
            "WebSockets of which type are open, and under which routes.",
            hint="Set it to 'authenticated', 'staff' or the dotted path of a function, "
            "or silence this if everybody may.",
            id="django_socket_status.W006",
        )


def _is_text_given(key: str) -> bool:
    """Return whether a key holds text; what else it may hold is judged elsewhere."""
    given = getattr(settings, SETTING, {})
    return isinstance(given, Mapping) and isinstance(given.get(key), str)


def _options_of(cls: type) -> str:
    parameters = list(inspect.signature(cls).parameters.values())
    return ", ".join(it.name for it in parameters) or "none"


def _reason(error: BaseException) -> str:
    if isinstance(error, ImproperlyConfigured):
        return str(error)
    return f"{type(error).__name__}: {error}"
