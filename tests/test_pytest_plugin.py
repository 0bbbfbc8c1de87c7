"""The plugin costs a project nothing until a test asks for its fixture."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests.support.source import ROOT

PLUGIN = "django_socket_status.pytest_plugin"

#: Where no wheel is installed, its entry point is not there. tox tests it.
PLUGINS = () if entry_points(group="pytest11", name=PLUGIN) else ("-p", PLUGIN)

UNTOUCHED = """
import sys

def test_nothing_is_imported():
    loaded = {it for it in sys.modules if it.startswith("django_socket_status")}
    assert loaded == {"django_socket_status", "django_socket_status.pytest_plugin"}
    assert "django" not in sys.modules
    assert "channels" not in sys.modules
"""

CALLS = """
import pytest
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.testing import WebsocketCommunicator
from django_socket_status.conf import get_settings
from django_socket_status.consumers import SocketStatusMixin


class CallConsumer(SocketStatusMixin, AsyncWebsocketConsumer):
    pass


CALL = CallConsumer.as_asgi()


@pytest.fixture
def socket_status_settings():
    return {"LEASE_SECONDS": 4.0, "RELEASE": "1"}


async def test_passes(socket_status):
    async with socket_status.open(CALL):
        socket_status.assert_open(type="call", count=1)
    assert get_settings().release == "1"


@pytest.mark.socket_status(RELEASE="2")
def test_settings_of_the_marker(socket_status):
    assert get_settings().release == "2"
    assert get_settings().lease_seconds == 4.0


async def test_leaves_one_open(socket_status):
    global left
    left = WebsocketCommunicator(CALL, "/ws/call/42/")
    await left.connect()


@pytest.mark.socket_status(allow_open=True)
async def test_may_leave_one_open(socket_status):
    await test_leaves_one_open(socket_status)


@pytest.fixture
async def call(socket_status):
    async with socket_status.open(CALL) as socket:
        yield socket


async def test_fixture_holds_one_open(call, socket_status):
    socket_status.assert_open(count=1)


def test_plain_function(socket_status):
    socket_status.open(CALL)
"""


def run(directory: Path, source: str, *options: str) -> str:
    (directory / "test_project.py").write_text(source)
    (directory / "pytest.ini").write_text(
        "[pytest]\nasyncio_mode = auto\nfilterwarnings = error\n"
        "asyncio_default_fixture_loop_scope = function\n"
        "addopts = --strict-markers\n"
    )
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p"),
            *("no:xdist", *PLUGINS, *options, "-v", "test_project.py"),
        ],
        cwd=directory,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def test_nothing_is_imported_before_a_test_asks(tmp_path):
    told = run(tmp_path, UNTOUCHED, "-p", "no:django")
    assert "1 passed" in told, told


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> str:
    return run(
        tmp_path_factory.mktemp("project"),
        CALLS,
        *("--ds", "tests.settings", "-o", "django_find_project=false"),
    )


@pytest.mark.parametrize(
    "name",
    [
        "test_passes",
        "test_settings_of_the_marker",
        "test_may_leave_one_open",
        "test_fixture_holds_one_open",
    ],
)
def test_fixture_serves_a_test(told, name):
    assert f"test_project.py::{name} PASSED" in told, told
    assert f"test_project.py::{name} ERROR" not in told, told


def test_socket_that_is_left_open_fails_its_test_by_name(told):
    assert "ERROR test_project.py::test_leaves_one_open" in told, told
    assert "1 WebSocket left open at the end of the test" in told


def test_socket_in_a_plain_test_says_what_to_write(told):
    assert "FAILED test_project.py::test_plain_function" in told, told
    assert "Write it as `async def`" in told
