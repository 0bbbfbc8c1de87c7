"""Whether ``SOCKET_STATUS`` says what its keys can mean."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error

from django_socket_status.bounds import MAX_PATH, MAX_TYPE, bounded_text
from django_socket_status.conf import (
    DEFAULTS,
    FIELDS,
    SETTING,
    get_settings,
    has_range,
    has_type,
)

__all__ = ["check_settings"]


def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """Judge each key of ``SOCKET_STATUS``, and how they go together."""
    given = getattr(settings, SETTING, {})
    if not isinstance(given, Mapping):
        return [
            Error(
                f"{SETTING} must be a dictionary, not {_kind(given)}.",
                hint='As in SOCKET_STATUS = {"SUMMARY_ACCESS": "staff"}.',
                id="django_socket_status.E001",
            )
        ]
    return [
        *_unknown_keys(given),
        *_values(given),
        *_cross_rules(given),
        *_types(given),
        *_endpoints(given),
    ]


def _unknown_keys(given: Mapping[Any, Any]) -> Iterator[CheckMessage]:
    for key in given:
        if key not in FIELDS:
            near = difflib.get_close_matches(str(key).upper(), FIELDS, n=1)
            known = ", ".join(FIELDS)
            yield Error(
                f"{SETTING} has no key {key!r}.",
                hint=f"Did you mean {near[0]!r}?" if near else f"It has: {known}.",
                id="django_socket_status.E002",
            )


def _values(given: Mapping[Any, Any]) -> Iterator[CheckMessage]:
    for key, field in FIELDS.items():
        if key not in given:
            continue
        value = given[key]
        if not has_type(field, value):
            yield Error(
                f"{_name(key)} must be {_wanted(key)}, not {_kind(value)}.",
                hint=f"Without the key, it is {_shown_default(key)}.",
                id="django_socket_status.E003",
            )
        elif not has_range(field, value):
            allowed = field.metadata["range"]
            yield Error(
                f"{_name(key)} must be from {allowed.lowest:g} to "
                f"{allowed.highest:g} seconds.",
                hint=f"Without the key, it is {_shown_default(key)}.",
                id="django_socket_status.E004",
            )


def _cross_rules(given: Mapping[Any, Any]) -> Iterator[CheckMessage]:
    """Judge how the times go together, once each of them is in order."""
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
            hint="Changes would wait for longer than a report without any.",
            id="django_socket_status.E006",
        )


def _types(given: Mapping[Any, Any]) -> Iterator[CheckMessage]:
    for key, value in _entries(given, "TYPES"):
        if "." not in key and "/" not in key:
            yield Error(
                f"A key of {_name('TYPES')} must be the dotted path of a consumer or "
                f"the pattern of a route, and {key!r} is neither.",
                hint='As in "myproject.consumers.CallConsumer" or "ws/call/<room>/".',
                id="django_socket_status.E011",
            )
        if not _is_text(value, MAX_TYPE):
            yield Error(
                f"{_name('TYPES')}[{key!r}] must be text of 1 to {MAX_TYPE} characters "
                "without control characters.",
                hint='As in "call" or "stt_room".',
                id="django_socket_status.E012",
            )


def _endpoints(given: Mapping[Any, Any]) -> Iterator[CheckMessage]:
    for key, value in _entries(given, "ENDPOINTS"):
        if not key or not _is_text(value, MAX_PATH):
            yield Error(
                f"{_name('ENDPOINTS')}[{key!r}] must be a URL for a type: text of 1 to "
                f"{MAX_PATH} characters without control characters.",
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
    if isinstance(default, float):
        return "a number of seconds"
    if isinstance(default, Mapping):
        return "a dictionary whose keys are text"
    return "text"


def _shown_default(key: str) -> str:
    return repr(getattr(DEFAULTS, FIELDS[key].name))


def _name(key: str) -> str:
    return f"{SETTING}[{key!r}]"


def _kind(value: object) -> str:
    return type(value).__name__
