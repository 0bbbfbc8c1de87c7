"""The ``SOCKET_STATUS`` setting: each key once, with its type, default, unit and range.

Read at use and never at import; the view is made once and dropped when Django says
that a setting changed. :mod:`~django_socket_status.checks` judges the values and
says how to mend them, so that nothing else has to defend itself. A value of the wrong
type or out of range must not reach a socket either: until it is mended, its default is
used. Only ``SUMMARY_ACCESS`` has none to fall back on, and lets nobody in.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed

__all__ = ["Range", "Settings", "get_settings"]

SETTING = "SOCKET_STATUS"

SQLITE_BACKEND = "django_socket_status.backends.sqlite.SqliteBackend"

PUBLIC, AUTHENTICATED, STAFF = "public", "authenticated", "staff"
#: The ``SUMMARY_ACCESS`` of a project whose own cannot be understood.
NOBODY = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Range:
    """From where to where a number may go, ends included."""

    lowest: float
    highest: float

    def __contains__(self, value: object) -> bool:
        """Return whether a number is in the range; NaN never is."""
        return isinstance(value, int | float) and self.lowest <= value <= self.highest


def seconds(default: float, lowest: float, highest: float) -> Any:
    """Return a field that is a number of seconds."""
    return dataclasses.field(
        default=default, metadata={"range": Range(lowest, highest)}
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of this package. Every field ``x`` is ``SOCKET_STATUS["X"]``."""

    #: Dotted path of the backend class that reports are sent to.
    backend: str = SQLITE_BACKEND
    #: Keyword arguments of the backend.
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    #: Seconds between two reports of a worker in which nothing changed.
    heartbeat_seconds: float = seconds(1.0, 0.01, 3600.0)
    #: Seconds after its last report in which a worker is still believed.
    lease_seconds: float = seconds(5.0, 0.02, 86_400.0)
    #: Seconds for which changes are gathered into one report.
    report_interval_seconds: float = seconds(0.05, 0.0, 60.0)
    #: Seconds for which one read of the backend answers every reader of a process.
    cache_seconds: float = seconds(0.05, 0.0, 60.0)
    #: Seconds for which the last good answer is given, marked ``stale``, when the
    #: backend cannot be read.
    stale_seconds: float = seconds(30.0, 0.0, 86_400.0)
    #: Who may read the summary: ``"public"``, ``"authenticated"``, ``"staff"`` or
    #: the dotted path of a callable that takes the request and returns a bool.
    summary_access: str = PUBLIC
    #: Types of consumers or routes, by dotted path of the class or by route pattern.
    types: Mapping[str, str] = dataclasses.field(default_factory=dict)
    #: What ``ws_endpoints`` shows for a type, when the route does not say it all.
    endpoints: Mapping[str, str] = dataclasses.field(default_factory=dict)


DEFAULTS = Settings()

#: The fields of :class:`Settings`, by the key that a project writes.
FIELDS = {field.name.upper(): field for field in dataclasses.fields(Settings)}


@functools.lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Return the settings in force, defaults filled in.

    The same object until a setting changes. Unknown keys and unusable values are left
    to the system checks.
    """
    given = getattr(settings, SETTING, {})
    if not isinstance(given, Mapping):
        return dataclasses.replace(DEFAULTS, summary_access=NOBODY)
    usable = {
        field.name: given[key]
        for key, field in FIELDS.items()
        if key in given and has_type(field, given[key]) and has_range(field, given[key])
    }
    if "SUMMARY_ACCESS" in given:
        usable.setdefault("summary_access", NOBODY)
    return dataclasses.replace(DEFAULTS, **usable)


def has_type(field: dataclasses.Field[Any], value: object) -> bool:
    """Return whether a value has the type of a field."""
    default = getattr(DEFAULTS, field.name)
    if isinstance(default, float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(default, Mapping):
        return isinstance(value, Mapping) and all(isinstance(key, str) for key in value)
    return isinstance(value, type(default))


def has_range(field: dataclasses.Field[Any], value: object) -> bool:
    """Return whether a value, of the right type, is in the range of a field."""
    return "range" not in field.metadata or value in field.metadata["range"]


def _drop(*, setting: str, **kwargs: object) -> None:
    if setting == SETTING:
        get_settings.cache_clear()


setting_changed.connect(_drop, dispatch_uid="django_socket_status.conf")
