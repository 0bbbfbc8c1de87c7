from __future__ import annotations

import types

import pytest
from channels.generic.websocket import AsyncWebsocketConsumer
from django.core.checks import Error

from django_socket_status import checks
from django_socket_status.backends.memory import MemoryBackend
from django_socket_status.conf import FIELDS
from django_socket_status.consumers import SocketStatusMixin
from tests.support.checks import MEMORY, PREFIX, found, only


class ShortConsumer(SocketStatusMixin, AsyncWebsocketConsumer):
    """A consumer whose name alone is not a dotted path."""


@pytest.mark.parametrize(
    ("given", "check_id", "message", "hint"),
    [
        ("memory", "E001", "must be a dictionary, not str", "SOCKET_STATUS = {"),
        (None, "E001", "must be a dictionary, not NoneType", "SOCKET_STATUS = {"),
        ({"LEASE_SECOND": 5}, "E002", "no key 'LEASE_SECOND'", "'LEASE_SECONDS'?"),
        ({"lease_seconds": 5}, "E002", "no key 'lease_seconds'", "'LEASE_SECONDS'?"),
        ({"COLOUR": "blue"}, "E002", "no key 'COLOUR'", "It has: BACKEND, OPTIONS"),
        ({5: 6}, "E002", "no key 5", "It has: BACKEND, OPTIONS"),
        ({"BACKEND": 5}, "E003", "must be text, not int", "SqliteBackend"),
        ({"OPTIONS": []}, "E003", "must be a dictionary whose keys", "it is {}"),
        ({"OPTIONS": {1: 2}}, "E003", "must be a dictionary whose keys", "it is {}"),
        ({"CACHE_SECONDS": "1"}, "E003", "a number of seconds, not str", "0.05"),
        ({"CACHE_SECONDS": True}, "E003", "a number of seconds, not bool", "0.05"),
        ({"CACHE_SECONDS": None}, "E003", "of seconds, not NoneType", "0.05"),
        ({"SUMMARY_ACCESS": print}, "E003", "must be text", "'public'"),
        ({"SUMMARY_ACCESS": None}, "E003", "must be text", "'public'"),
        ({"TYPES": "call"}, "E003", "must be a dictionary", "it is {}"),
        ({"ENDPOINTS": {None: "/"}}, "E003", "must be a dictionary", "it is {}"),
        ({"HEARTBEAT_SECONDS": 0}, "E004", "to 3600 seconds, and is 0.", "1.0"),
        ({"LEASE_SECONDS": -5}, "E004", "86400 seconds, and is -5.", "5.0"),
        ({"CACHE_SECONDS": -0.1}, "E004", "from 0 to 60 seconds", "0.05"),
        ({"STALE_SECONDS": float("nan")}, "E004", "from 0 to 86400", "30.0"),
        ({"STALE_SECONDS": float("inf")}, "E004", "from 0 to 86400", "30.0"),
        ({"STALE_SECONDS": 10**400}, "E004", "from 0 to 86400", "30.0"),
        ({"CACHE_SECONDS": 99.5}, "E004", "60 seconds, and is 99.5.", "0.05"),
        ({"STALE_SECONDS": float("nan")}, "E004", "and is nan.", "30.0"),
        ({"STALE_SECONDS": 10**400}, "E004", f"and is {'1' + '0' * 59}…", "30.0"),
        ({"CACHE_SECONDS": "1"}, "E003", "not str: '1'.", "0.05"),
        ({"BACKEND": 5}, "E003", "not int: 5.", "SqliteBackend"),
        ({"BACKEND": MemoryBackend}, "E003", "text, not ABCMeta", MEMORY),
        (
            {"SUMMARY_ACCESS": only},
            "E003",
            "text, not function",
            f"'{only.__module__}.only'",
        ),
        ({"OPTIONS": {1: 2}}, "E003", "not one with the key 1.", "it is {}"),
        ({"ENDPOINTS": {None: "/"}}, "E003", "not one with the key None.", "it is {}"),
        ({"CACHE_SECONDS": {}}, "E003", "seconds, not dict.", "0.05"),
        ({"url": "redis://"}, "E002", "no key 'url'", "It has: BACKEND"),
        ({"path": "/x"}, "E002", "no key 'path'", "write it into SOCKET_STATUS['OPT"),
        (
            {"REPORT_INTERVAL_SECONDS": 2},
            "E006",
            "is 2 seconds",
            "at most 1, or HEARTB",
        ),
        ({"TYPES": {"ShortConsumer": "a"}}, "E011", "neither", f"{__name__}.ShortCons"),
        ({"TYPES": {"a.B": "a\nb"}}, "E012", r"and is 'a\nb'.", "stt_room"),
        ({"ENDPOINTS": {"call": 5}}, "E013", "It is 5.", "?role="),
        ({"LEASE_SECONDS": 1.9}, "E005", "at least two heartbeats", "Make it 5"),
        ({"HEARTBEAT_SECONDS": 3}, "E005", "5 seconds with a heartbeat of 3", "15"),
        ({"REPORT_INTERVAL_SECONDS": 1.1}, "E006", "longer than a heartbeat", "wait"),
        ({"DEPLOYMENT": 5}, "E003", "must be text, not int", "it is ''"),
        ({"DEPLOYMENT": "x" * 65}, "E017", "of 1 to 64 characters", "shop-staging"),
        ({"DEPLOYMENT": "a\nb"}, "E017", "without control", "shop-staging"),
        ({"DEPLOYMENT": " shop"}, "E017", "without spaces around it", "shop-staging"),
        ({"TYPES": {"CallConsumer": "call"}}, "E011", "is neither", "dotted path"),
        ({"TYPES": {"a.B": 5}}, "E012", "text of 1 to 64 characters", "stt_room"),
        ({"TYPES": {"a.B": ""}}, "E012", "text of 1 to 64 characters", "stt_room"),
        ({"TYPES": {"a.B": "x" * 65}}, "E012", "of 1 to 64 characters", "stt_room"),
        ({"TYPES": {"ws/": "a\nb"}}, "E012", "without control", "stt_room"),
        ({"ENDPOINTS": {"call": 5}}, "E013", "must be a URL for a type", "?role="),
        ({"ENDPOINTS": {"call": ""}}, "E013", "must be a URL for a type", "?role="),
        ({"ENDPOINTS": {"": "/"}}, "E013", "must be a URL for a type", "?role="),
        ({"ENDPOINTS": {"a": "x" * 2049}}, "E013", "1 to 2048 characters", "?role="),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_setting_that_breaks_a_rule_gets_the_rule_and_the_fix(
    settings, given, check_id, message, hint
):
    settings.SOCKET_STATUS = given
    told = only()
    assert told.id == PREFIX + check_id
    assert message in told.msg
    assert hint in f"{told.hint} {told.msg}"
    assert isinstance(told, Error)


def test_number_that_python_does_not_write_is_an_error(settings):
    settings.SOCKET_STATUS = {"STALE_SECONDS": 10**9999}
    assert only().msg.endswith("seconds, and is of the type int.")


@pytest.mark.parametrize(
    "given",
    [
        {},
        types.MappingProxyType({"LEASE_SECONDS": 4}),
        {"CACHE_SECONDS": 0, "STALE_SECONDS": 0, "REPORT_INTERVAL_SECONDS": 0},
        {"LEASE_SECONDS": 2},
        {"HEARTBEAT_SECONDS": 2.5},
        {"REPORT_INTERVAL_SECONDS": 1},
        {"HEARTBEAT_SECONDS": 3600, "LEASE_SECONDS": 86_400},
        {"TYPES": {"ws/<room>/": "x" * 64, "a.b.C": "Ärger im Büro"}},
        {"ENDPOINTS": {"call": "/ws/call/<room>/?role=<role>"}},
        {"OPTIONS": {"path": "status"}},
        {"DEPLOYMENT": ""},
        {"DEPLOYMENT": "shop (Zürich)"},
        {"BACKEND": "django_socket_status.backends.memory.MemoryBackend"},
    ],
    ids=repr,
)
def test_setting_that_breaks_no_rule_is_left_in_peace(settings, given, tmp_path):
    if "path" in given.get("OPTIONS", {}):
        given = {"OPTIONS": {"path": tmp_path / "status"}}
    settings.SOCKET_STATUS = given
    assert found() == {}


def test_every_wrong_key_is_an_error(settings):
    settings.SOCKET_STATUS = {**dict.fromkeys(FIELDS, object()), "COLOUR": 1, "SIZE": 2}
    told = [message.msg for message in checks.check_settings()]
    assert len(told) == len(FIELDS) + 2
    for key in settings.SOCKET_STATUS:
        assert len([it for it in told if repr(key) in it]) == 1
