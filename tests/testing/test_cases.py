"""The mixin gives each test of a TestCase its own kit."""

from __future__ import annotations

import unittest
from collections.abc import Iterator
from typing import ClassVar

import pytest
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.testing import WebsocketCommunicator
from django.test import SimpleTestCase

from django_socket_status.conf import get_settings
from django_socket_status.consumers import SocketStatusMixin
from django_socket_status.testing import SocketStatusTestMixin


class CallConsumer(SocketStatusMixin, AsyncWebsocketConsumer):
    pass


CALL = CallConsumer.as_asgi()


@pytest.fixture(autouse=True)
def socket_status() -> Iterator[None]:
    yield


class Calls(SocketStatusTestMixin, SimpleTestCase):
    """Run by the tests below."""

    __test__ = False
    socket_status_settings: ClassVar = {"LEASE_SECONDS": 4.0}

    async def test_socket(self):
        async with self.socket_status.open(CALL):
            self.socket_status.assert_open(type="call", count=1)
        self.socket_status.assert_closed(type="call")

    def test_settings(self):
        assert get_settings().lease_seconds == 4.0
        self.socket_status.assert_open(count=0)

    def test_plain_function(self):
        self.socket_status.open(CALL)

    async def test_left_open(self):
        self.left = WebsocketCommunicator(CALL, "/ws/call/42/")
        await self.left.connect()


class Allowed(Calls):
    socket_status_allow_open = True


class WithoutSuper(Calls):
    def setUp(self):
        pass


def run(case: type[SimpleTestCase], name: str) -> list[str]:
    """Run one test; return the ends of its tracebacks."""
    result = unittest.TestResult()
    case(name)(result)
    assert result.testsRun == 1
    return [text for _, text in result.errors + result.failures]


@pytest.mark.parametrize("name", ["test_socket", "test_settings"])
def test_test_passes(name):
    assert run(Calls, name) == []


def test_socket_in_a_plain_test_says_what_to_write():
    (text,) = run(Calls, "test_plain_function")
    assert "`async def`" in text


def test_socket_that_is_left_open_fails_its_test():
    (text,) = run(Calls, "test_left_open")
    assert "1 WebSocket left open" in text
    assert run(Allowed, "test_left_open") == []


def test_set_up_that_does_not_call_ours_is_named():
    (text,) = run(WithoutSuper, "test_plain_function")
    assert "super().setUp()" in text
