"""Whether the keys and values of ``SOCKET_STATUS`` are valid."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error

from django_socket_status.checks.backend import option_names
from django_socket_status.checks.consumers import imported_consumers
from django_socket_status.conf import (
    DEFAULTS,
    FIELDS,
    SETTING,
    get_settings,
    has_range,
    has_type,
)
from django_socket_status.limits import MAX_PATH, MAX_TYPE, bounded_text

__all__ = ["check_settings"]

MAX_DEPLOYMENT = 64
#: Types whose ``repr`` runs no code of the project.
PRINTABLE = (str, bytes, int, float, type(None))
#: Keys whose values no message shows.
SECRET = ("METRICS_TOKEN", "OPTIONS")
#: Characters of a wrong value that a message shows.
MAX_SHOWN = 60


def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """Judge each key of ``SOCKET_STATUS``, and the rules between keys."""
    given = getattr(settings, SETTING, {})
    if not isinstance(given, Mapping):
        return [
            Error(
                f"{SETTING} must be a dictionary, not {_kind(given)}.",
                hint="Leave it out for the defaults, or write it as in "
                'SOCKET_STATUS = {"SUMMARY_ACCESS": "staff"}.',
                id="django_socket_status.E001",
            )
        ]
    return [
        *_unknown_keys(given),
        *_values(given),
        *_cross_rules(given),
        *_deployment(given),
        *_types(given),
        *_endpoints(given),
    ]


def _unknown_keys(given: Mapping[Any, Any]) -> Iterator[CheckMessage]:
    for key in given:
        if key not in FIELDS:
            yield Error(
                f"{SETTING} has no key {_shown(key)}.",
                hint=_known_key(str(key)),
                id="django_socket_status.E002",
            )


def _known_key(key: str) -> str:
    near = difflib.get_close_matches(key.upper(), FIELDS, n=1)
    if near:
        return f"Did you mean {near[0]!r}?"
    if key in option_names(get_settings().backend):
        return f"It is an option of the backend: write it into {_name('OPTIONS')}."
    return f"It has: {', '.join(FIELDS)}."


def _values(given: Mapping[Any, Any]) -> Iterator[CheckMessage]:
    for key, field in FIELDS.items():
        if key not in given:
            continue
        value = given[key]
        if not has_type(field, value):
            yield Error(
                f"{_name(key)} must be {_wanted(key)}, not {_mistaken(key, value)}.",
                hint=f"{_written_as_text(key, value)}Without the key, it is "
                f"{_shown_default(key)}.",
                id="django_socket_status.E003",
            )
        elif not has_range(field, value):
            allowed = field.metadata["range"]
            yield Error(
                f"{_name(key)} must be from {allowed.lowest:g} to "
                f"{allowed.highest:g}{field.metadata['unit']}, and is {_shown(value)}.",
                hint=f"Without the key, it is {_shown_default(key)}.",
                id="django_socket_status.E004",
            )


def _cross_rules(given: Mapping[Any, Any]) -> Iterator[CheckMessage]:
    """Judge the rules between the times, if each of them is valid."""
    for key in ("HEARTBEAT_SECONDS", "LEASE_SECONDS", "REPORT_INTERVAL_SECONDS"):
        field = FIELDS[key]
        value = given.get(key, field.default)
        if not (has_type(field, value) and has_range(field, value)):
            return
    times = get_settings()
    heartbeat = times.heartbeat_seconds
    if times.lease_seconds < 2 * heartbeat:
        yield Error(
            f"{_name('LEASE_SECONDS')} must be at least two heartbeats, and is "
            f"{times.lease_seconds:g} seconds with a heartbeat of {heartbeat:g}.",
            hint="One report that comes late would take every connection of its worker "
            f"with it. Make it {5 * heartbeat:g}, or HEARTBEAT_SECONDS smaller.",
            id="django_socket_status.E005",
        )
    if times.report_interval_seconds > heartbeat:
        yield Error(
            f"{_name('REPORT_INTERVAL_SECONDS')} must not be longer than a heartbeat, "
            f"and is {times.report_interval_seconds:g} seconds with a heartbeat of "
            f"{heartbeat:g}.",
            hint="Changes would wait for longer than a report without any. Make it at "
            f"most {heartbeat:g}, or HEARTBEAT_SECONDS at least "
            f"{times.report_interval_seconds:g}.",
            id="django_socket_status.E006",
        )


def _deployment(given: Mapping[Any, Any]) -> Iterator[CheckMessage]:
    value = given.get("DEPLOYMENT", "")
    if not isinstance(value, str) or not value:
        return
    if not _is_text(value, MAX_DEPLOYMENT) or value != value.strip():
        yield Error(
            f"{_name('DEPLOYMENT')} must be text of 1 to {MAX_DEPLOYMENT} "
            "characters without control characters, and without spaces around it. "
            f"It is {_shown(value)}.",
            hint='As in "shop" or "shop-staging", the same in every process.',
            id="django_socket_status.E017",
        )


def _types(given: Mapping[Any, Any]) -> Iterator[CheckMessage]:
    for key, value in _entries(given, "TYPES"):
        if "." not in key and "/" not in key:
            yield Error(
                f"A key of {_name('TYPES')} must be the dotted path of a consumer or "
                f"the pattern of a route, and {key!r} is neither.",
                hint=f"{_meant_consumer(key)}As in 'myproject.consumers.CallConsumer' "
                "or 'ws/call/<room>/'.",
                id="django_socket_status.E011",
            )
        if not _is_text(value, MAX_TYPE):
            yield Error(
                f"{_name('TYPES')}[{key!r}] must be text of 1 to {MAX_TYPE} characters "
                f"without control characters, and is {_shown(value)}.",
                hint='As in "call" or "stt_room".',
                id="django_socket_status.E012",
            )


def _endpoints(given: Mapping[Any, Any]) -> Iterator[CheckMessage]:
    for key, value in _entries(given, "ENDPOINTS"):
        if not key or not _is_text(value, MAX_PATH):
            yield Error(
                f"{_name('ENDPOINTS')}[{key!r}] must be a URL for a type: text of 1 to "
                f"{MAX_PATH} characters without control characters. It is "
                f"{_shown(value)}.",
                hint='As in {"stt_room": "/ws/stt/room/?role=<role>&name=<name>"}.',
                id="django_socket_status.E013",
            )


def _entries(given: Mapping[Any, Any], key: str) -> list[tuple[str, object]]:
    value = given.get(key, {})
    return list(value.items()) if has_type(FIELDS[key], value) else []


def _is_text(value: object, limit: int) -> bool:
    return isinstance(value, str) and value == bounded_text(value, limit) != ""


def _wanted(key: str) -> str:
    default = getattr(DEFAULTS, FIELDS[key].name)
    if isinstance(default, bool):
        return "True or False"
    if isinstance(default, float):
        return "a number of seconds"
    if isinstance(default, int):
        return "a whole number"
    if isinstance(default, Mapping):
        return "a dictionary whose keys are text"
    if isinstance(default, list):
        return "a list of text"
    return "text"


def _shown_default(key: str) -> str:
    return repr(getattr(DEFAULTS, FIELDS[key].name))


def _name(key: str) -> str:
    return f"{SETTING}[{key!r}]"


def _kind(value: object) -> str:
    return type(value).__name__


def _mistaken(key: str, value: object) -> str:
    """Describe a value of the wrong type; those of options may be secret."""
    default = getattr(DEFAULTS, FIELDS[key].name)
    if isinstance(value, Mapping) and isinstance(default, Mapping):
        wrong = next((it for it in value if not isinstance(it, str)), None)
        return f"one with the key {_shown(wrong)}"
    if key in SECRET or value is None or not isinstance(value, PRINTABLE):
        return _kind(value)
    return f"{_kind(value)}: {_shown(value)}"


def _shown(value: object) -> str:
    """Return a value as text, shortened to :data:`MAX_SHOWN` characters."""
    if not isinstance(value, PRINTABLE):
        return f"of the type {_kind(value)}"
    try:
        text = repr(value)
    except ValueError:
        # Python refuses to write an integer of thousands of digits.
        return f"of the type {_kind(value)}"
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def _written_as_text(key: str, value: object) -> str:
    """Return the fix for a class or function given instead of its dotted path."""
    module = getattr(value, "__module__", None)
    name = getattr(value, "__qualname__", None)
    if _wanted(key) != "text" or not (isinstance(module, str) and name):
        return ""
    return f"Write it as text: {f'{module}.{name}'!r}. "


def _meant_consumer(name: str) -> str:
    near = [
        f"{cls.__module__}.{cls.__qualname__}"
        for cls in imported_consumers()
        if cls.__name__ == name
    ]
    return f"Did you mean {near[0]!r}? " if near else ""
