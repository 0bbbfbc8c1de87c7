from __future__ import annotations

import asyncio
import dataclasses
import math
import threading
from collections.abc import Mapping
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import override_settings

from django_socket_status.conf import (
    DEFAULTS,
    DENY_ALL,
    FIELDS,
    Range,
    get_settings,
    has_range,
    has_type,
    read_settings,
)
from django_socket_status.consumers import SocketStatusMixin
from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.registry.registry import registry
from django_socket_status.services import SocketStatusService
from tests.support.asgi_driver import ACCEPT, CONNECT, Server, scope_of, serving, until

NUMBERS = [key for key, field in FIELDS.items() if "range" in field.metadata]


class Oddity:
    """No value at all."""

    def __repr__(self) -> str:
        return "oddity"


#: Each is of the wrong type for most of the keys.
ODDITIES = [None, True, 0, -1, 1.5, "text", b"bytes", [], {}, {1: 2}, Oddity(), print]

#: Out of range for every number.
OUT_OF_RANGE = [-1, -0.001, math.nan, math.inf, -math.inf, 10**9, 10**400]


def wrong_settings() -> list[Any]:
    """Return what may be in a settings file by mistake, one at a time."""
    wrong = [None, [], "memory", 5, Oddity(), {"NO_SUCH_KEY": 1}, {5: 6}]
    wrong += [{key: value} for key in FIELDS for value in ODDITIES]
    wrong += [{key: value} for key in NUMBERS for value in OUT_OF_RANGE]
    wrong += [
        {
            "HEARTBEAT_SECONDS": 0.1,
            "LEASE_SECONDS": 0.1,
            "REPORT_INTERVAL_SECONDS": 0.2,
        },
        {"BACKEND": "no.such.Backend"},
        {"BACKEND": "nodots"},
        {"BACKEND": "django_socket_status.conf.Settings"},
        {"BACKEND": "django_socket_status.backends.base.BaseBackend"},
        {"OPTIONS": {"colour": "blue"}},
        {"OPTIONS": {"path": 5}},
        {"OPTIONS": {"path": "/no/such/directory/status"}},
        {"SUMMARY_ACCESS": "no.such.rule"},
        {"TYPES": {"tests.test_conf.EchoConsumer": 5}},
        {"TYPES": {"tests.test_conf.EchoConsumer": "x" * 10_000}},
        {"TYPES": {"tests.test_conf.EchoConsumer": "\x00\n\ud800"}},
        {"ENDPOINTS": {"echo": Oddity()}},
    ]
    return wrong


def test_settings_that_are_not_given_are_the_defaults(settings):
    del settings.SOCKET_STATUS
    assert get_settings() == DEFAULTS
    settings.SOCKET_STATUS = {}
    assert get_settings() == DEFAULTS


def test_each_key_is_read_as_it_is_given(settings):
    given = {
        "BACKEND": "path.to.Backend",
        "OPTIONS": {"path": "/status"},
        "DEPLOYMENT": "shop",
        "HEARTBEAT_SECONDS": 2,
        "LEASE_SECONDS": 9.5,
        "REPORT_INTERVAL_SECONDS": 0,
        "CACHE_SECONDS": 0.0,
        "STALE_SECONDS": 0,
        "RELEASE": "v7",
        "SLOW_SECONDS": 2,
        "READY_SECONDS": 3,
        "SUMMARY_ACCESS": "staff",
        "METRICS_ACCESS": "token",
        "METRICS_TOKEN": "secret",
        "ADMIN": False,
        "CLOSE_ON": ["logout"],
        "TYPES": {"ws/": "any"},
        "ENDPOINTS": {"any": "/ws/?x=<x>"},
        "CLOSED_LIMIT": 7,
        "CLOSED_SECONDS": 60.0,
        "REJECTED_LIMIT": 0,
    }
    assert given.keys() == FIELDS.keys()
    settings.SOCKET_STATUS = given
    read = dataclasses.asdict(get_settings())
    assert {name.upper(): value for name, value in read.items()} == given


def test_settings_are_one_object_until_one_changes(settings):
    first = get_settings()
    assert get_settings() is first
    settings.USE_TZ = False
    assert get_settings() is first
    settings.SOCKET_STATUS = {"LEASE_SECONDS": 7}
    assert get_settings().lease_seconds == 7


@pytest.mark.parametrize("key", [key for key in FIELDS if key != "SUMMARY_ACCESS"])
def test_value_of_a_wrong_type_gives_way_to_the_default(settings, key):
    for value in ODDITIES:
        assert_is_read_or_the_default(settings, key, value)


def assert_is_read_or_the_default(settings, key, value):
    default = getattr(DEFAULTS, FIELDS[key].name)
    settings.SOCKET_STATUS = {key: value}
    used = getattr(get_settings(), FIELDS[key].name)
    assert used in (value, default)
    if isinstance(default, Mapping):
        assert isinstance(used, Mapping)
        assert all(isinstance(name, str) for name in used)
    else:
        allowed = (float, int) if isinstance(default, float) else (type(default),)
        assert type(used) in allowed


@pytest.mark.parametrize("key", NUMBERS)
def test_number_out_of_range_gives_way_to_the_default(settings, key):
    for value in OUT_OF_RANGE:
        settings.SOCKET_STATUS = {key: value}
        assert get_settings() == DEFAULTS, value


@pytest.mark.parametrize("key", NUMBERS)
def test_ends_of_a_range_are_in_it_and_time_can_be_slept_away(settings, key):
    field = FIELDS[key]
    ends = field.metadata["range"]
    for value in (ends.lowest, ends.highest):
        assert has_type(field, value)
        assert has_range(field, value)
        assert 0 <= value < threading.TIMEOUT_MAX
        settings.SOCKET_STATUS = {key: value}
        assert getattr(get_settings(), field.name) == value
    assert ends.lowest <= field.default <= ends.highest


def test_range_has_no_place_for_what_is_no_number():
    assert 1 in Range(0, 1)
    assert math.nan not in Range(0, 1)
    assert "1" not in Range(0, 1)
    assert None not in Range(0, 1)


@pytest.mark.parametrize("value", [None, True, ["staff"], {"staff"}, print, b"staff"])
def test_access_that_cannot_be_understood_is_not_taken_for_public(settings, value):
    settings.SOCKET_STATUS = {"SUMMARY_ACCESS": value}
    assert get_settings().summary_access == DENY_ALL


@pytest.mark.parametrize("value", [None, [("SUMMARY_ACCESS", "staff")], "staff"])
def test_settings_that_are_no_dictionary_admit_no_one(settings, value):
    settings.SOCKET_STATUS = value
    assert get_settings() == dataclasses.replace(DEFAULTS, summary_access=DENY_ALL)


class EchoConsumer(SocketStatusMixin):
    """A bare ASGI application that tells all it received."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope = scope
        while (message := await receive())["type"] != "websocket.disconnect":
            connecting = message["type"] == "websocket.connect"
            await send(ACCEPT if connecting else {**message, "type": "websocket.send"})


async def is_counted() -> bool:
    summary = await SocketStatusService.aget_socket_info_summary()
    assert summary["total_sockets"] in (0, 1)
    return bool(summary["total_sockets"])


def read_as_something(wrong: Any) -> bool:
    """Return whether a setting is not simply read as the defaults.

    A socket sees nothing but what is read, and every other test runs with the defaults.
    """
    with override_settings(SOCKET_STATUS=wrong):
        return read_settings() != DEFAULTS


@pytest.mark.parametrize(
    "wrong",
    list(filter(read_as_something, wrong_settings())),
    ids=lambda it: ascii(it)[:60],
)
async def test_socket_does_not_notice_wrong_settings(settings, wrong):
    settings.SOCKET_STATUS = wrong
    server = Server(CONNECT)
    async with serving(EchoConsumer(), server, scope_of()) as task:
        await until(lambda: server.sent == [ACCEPT])
        assert registry.is_dirty or registry.counts
        server.put({"type": "websocket.receive", "text": "hello"})
        await until(lambda: len(server.sent) == 2)
        # A reader gets an answer or an error.
        try:
            while not await is_counted():  # noqa: ASYNC110 - a thread reports
                # A lease of a tenth of a second ends on a busy machine.
                await asyncio.sleep(0.01)
        except StatusUnavailableError as error:
            assert str(error)
        server.put({"type": "websocket.disconnect", "code": 1000})
        await task
    await until(lambda: not registry.counts and not registry.is_dirty)


def test_reader_answers_for_its_process_with_whatever_settings(settings):
    """One of each kind; that nothing is raised is what matters."""
    for wrong in ({"BACKEND": "no.such.Backend"}, {"OPTIONS": {"colour": "blue"}}):
        settings.SOCKET_STATUS = wrong
        with pytest.raises(StatusUnavailableError):
            async_to_sync(SocketStatusService.aget_socket_info_summary)()
