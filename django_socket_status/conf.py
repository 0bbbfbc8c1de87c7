"""The ``SOCKET_STATUS`` setting: each key once, with its type, default, unit and range.

Settings are read when they are used, and never at import. The cached view is dropped
when Django says that a setting changed. :mod:`~django_socket_status.checks` reports
wrong values and how to fix them. Until you fix a value of the wrong type or out of
range, its default is used, so that it never affects a socket. A wrong
``SUMMARY_ACCESS`` denies access instead.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed

__all__ = ["Range", "Settings", "get_settings", "read_settings"]

SETTING = "SOCKET_STATUS"

SQLITE_BACKEND = "django_socket_status.backends.sqlite.SqliteBackend"

PUBLIC, AUTHENTICATED, STAFF = "public", "authenticated", "staff"
#: The ``METRICS_ACCESS`` that admits requests with ``METRICS_TOKEN``.
TOKEN = "token"  # noqa: S105 - the name of a rule
#: What ``CLOSE_ON`` may hold.
CLOSE_ON_EVENTS = ("logout", "password_change", "deactivation")
#: The ``SUMMARY_ACCESS`` that denies everyone, if the project's value is wrong.
DENY_ALL = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Range:
    """The lowest and the highest value of a number, both allowed."""

    lowest: float
    highest: float

    def __contains__(self, value: object) -> bool:
        """Return whether a number is in the range; NaN never is."""
        return isinstance(value, int | float) and self.lowest <= value <= self.highest


def seconds(default: float, lowest: float, highest: float) -> Any:
    """Return a field that is a number of seconds."""
    return dataclasses.field(
        default=default, metadata={"range": Range(lowest, highest), "unit": " seconds"}
    )


def number(default: int, lowest: int, highest: int) -> Any:
    """Return a field that is a whole number."""
    return dataclasses.field(
        default=default, metadata={"range": Range(lowest, highest), "unit": ""}
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of this package. Every field ``x`` is ``SOCKET_STATUS["X"]``."""

    #: Dotted path of the backend class.
    backend: str = SQLITE_BACKEND
    #: Keyword arguments of the backend.
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    #: Name of the deployment: processes with the same name share one status file. By
    #: default it is made from the project's directory, settings module and URLs.
    deployment: str = ""
    #: Seconds between two reports of a worker without changes.
    heartbeat_seconds: float = seconds(1.0, 0.01, 3600.0)
    #: Seconds for which a report counts.
    lease_seconds: float = seconds(5.0, 0.02, 86_400.0)
    #: Seconds for which a worker collects changes for one report.
    report_interval_seconds: float = seconds(0.05, 0.0, 60.0)
    #: Seconds for which a process reuses a read of the backend.
    cache_seconds: float = seconds(0.05, 0.0, 60.0)
    #: Seconds for which readers get the last good answer, marked ``stale``, while the
    #: backend cannot be read.
    stale_seconds: float = seconds(30.0, 0.0, 86_400.0)
    #: Name of this release of the project; by default from the environment.
    release: str = ""
    #: Seconds that a call waits for the one thread of ``sync_to_async`` before the
    #: worker logs what it runs.
    slow_seconds: float = seconds(1.0, 0.05, 3600.0)
    #: Seconds that a call waits for that thread before the host is not ready; 0 never.
    ready_seconds: float = seconds(0.0, 0.0, 3600.0)
    #: Who may read the summary: ``"public"``, ``"authenticated"``, ``"staff"`` or
    #: the dotted path of a callable that takes the request and returns a bool.
    summary_access: str = PUBLIC
    #: Who may read the metrics: ``"token"``, ``"staff"``, ``"public"`` or the dotted
    #: path of a callable that takes the request and returns a bool. Without it, no one.
    metrics_access: str = ""
    #: The bearer token of ``METRICS_ACCESS = "token"``: at least 16 characters.
    metrics_token: str = dataclasses.field(default="", repr=False)
    #: Whether Django's admin shows the page "WebSocket connections".
    admin: bool = True
    #: What closes the connections of a session or a user: any of ``"logout"``,
    #: ``"password_change"`` and ``"deactivation"``.
    close_on: Sequence[str] = dataclasses.field(default_factory=list)
    #: Types of consumers or routes, by dotted path of the class or by route pattern.
    types: Mapping[str, str] = dataclasses.field(default_factory=dict)
    #: What ``ws_endpoints`` shows for a type, instead of the route.
    endpoints: Mapping[str, str] = dataclasses.field(default_factory=dict)
    #: How many closed connections the backend keeps.
    closed_limit: int = number(10_000, 0, 10_000)
    #: Seconds for which the backend keeps closed connections and rejected handshakes.
    closed_seconds: float = seconds(604_800.0, 0.0, 604_800.0)
    #: How many rejected handshakes the backend keeps.
    rejected_limit: int = number(1_000, 0, 1_000)


DEFAULTS = Settings()

#: The fields of :class:`Settings`, by the key that a project writes.
FIELDS = {field.name.upper(): field for field in dataclasses.fields(Settings)}


@functools.lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Return the settings in force, defaults filled in.

    The same object until a setting changes. Unknown keys and unusable values are left
    to the system checks.
    """
    return read_settings()


def read_settings() -> Settings:
    """Return the settings in force, as another object each time."""
    given = getattr(settings, SETTING, {})
    if not isinstance(given, Mapping):
        return dataclasses.replace(DEFAULTS, summary_access=DENY_ALL)
    usable = {
        field.name: given[key]
        for key, field in FIELDS.items()
        if key in given and has_type(field, given[key]) and has_range(field, given[key])
    }
    if "SUMMARY_ACCESS" in given:
        usable.setdefault("summary_access", DENY_ALL)
    return dataclasses.replace(DEFAULTS, **usable)


def has_type(field: dataclasses.Field[Any], value: object) -> bool:
    """Return whether a value has the type of a field."""
    default = getattr(DEFAULTS, field.name)
    if isinstance(default, bool):
        return isinstance(value, bool)
    if isinstance(default, float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(default, int):
        return isinstance(value, int) and not isinstance(value, bool)
    if isinstance(default, Mapping):
        return isinstance(value, Mapping) and all(isinstance(key, str) for key in value)
    if isinstance(default, list):
        return isinstance(value, list | tuple) and all(
            isinstance(it, str) for it in value
        )
    return isinstance(value, type(default))


def has_range(field: dataclasses.Field[Any], value: object) -> bool:
    """Return whether a value, of the right type, is in the range of a field."""
    return "range" not in field.metadata or value in field.metadata["range"]


def _drop(*, setting: str, **kwargs: object) -> None:
    if setting == SETTING:
        get_settings.cache_clear()


setting_changed.connect(_drop, dispatch_uid="django_socket_status.conf")
