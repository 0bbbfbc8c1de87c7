from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from django_socket_status.cli.columns import UsageError
from django_socket_status.cli.subcommands.drain import act
from django_socket_status.control import orders
from django_socket_status.operations import drainage
from django_socket_status.operations.kept_commands import read_commands
from django_socket_status.reporter.thread import reporter
from django_socket_status.services import SocketStatusService
from tests.support.shell import Shell, closes, two_calls

PLAIN: dict[str, Any] = {
    "over": 0.0,
    "grace": 0.0,
    "code": 1012,
    "reason": "",
    "requested_by": "ada",
}


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setattr(drainage, "AFTERWARDS_SECONDS", 60.0)
    # Another test may have imported Daphne.
    monkeypatch.setattr(orders, "_INSTEAD", {})
    return Shell(act, PLAIN)


async def test_host_is_emptied_and_the_exit_code_is_0(shell):
    async with two_calls() as servers:
        assert await shell.act(this_host=True, wait=True) == 0, shell.lines
        assert [closes(it) for it in servers] == [[(1012, "")]] * 2
    assert shell.lines[0].split()[:4] == ["WORKER", "OPEN", "WAITING", "CLOSED"]
    assert shell.lines[1].split()[1:4] == ["0", "0", "2"]
    assert shell.lines[-1] == "1 worker, no open connection"
    assert "closed, 0 gone, at most " in shell.stderr.getvalue()
    assert shell.stderr.getvalue().endswith("\r\x1b[K")


async def test_exit_code_is_3_if_the_time_runs_out(shell, monkeypatch):
    monkeypatch.setattr(drainage, "AFTERWARDS_SECONDS", 0.2)
    async with two_calls(error=OSError("no")):
        assert await shell.act(all=True, wait=True) == 3
    assert shell.lines[-1] == "! The time ran out: 1 worker, 2 open connections."


async def test_drain_goes_on_after_the_command_and_is_stopped(shell):
    async with two_calls() as servers:
        assert await shell.act(host=socket.gethostname(), grace=600.0) == 0
        assert shell.lines[-1].startswith("1 worker, 2 open connections. ")
        (record,) = await SocketStatusService.aget_workers()
        assert record.is_draining
        assert await shell.act(stop=True) == 0
        reporter.flush()
        (record,) = await SocketStatusService.aget_workers()
        assert not record.is_draining
        assert [closes(it) for it in servers] == [[], []]


async def test_result_is_json(shell):
    async with two_calls():
        assert await shell.act(all=True, wait=True, json=True) == 0
        found = json.loads(shell.stdout.getvalue())
        assert (found["closed"], found["remaining"], found["complete"]) == (2, 0, True)
        assert await shell.act(stop=True, json=True, worker="another") == 0


async def test_command_is_listed_with_who_asked(shell):
    async with two_calls():
        assert await shell.act(all=True, grace=600.0, code=4001) == 0
        (record,) = read_commands_of_a_thread()
        assert (record["kind"], record["state"]) == ("drain", "running")
        assert (record["requested_by"], record["code"]) == ("ada", 4001)
        assert record["result"]["waiting"] == 2
        assert await shell.act(stop=True) == 0
        newest, oldest = read_commands_of_a_thread()
        assert (newest["kind"], newest["selector"]) == ("undrain", {"all": True})
        assert oldest["result"]["waiting"] == 0


def read_commands_of_a_thread() -> list[dict[str, Any]]:
    reporter.flush()
    return [it.as_dict() for it in read_commands()]


def test_no_worker_is_nothing_to_drain(shell):
    assert shell.act_here(this_host=True, wait=True) == 0
    assert shell.lines == ["No worker matches: there is nothing to drain."]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({}, "Nothing is selected: give --worker, .* or --all"),
        ({"all": True, "release": "a"}, "no other selector"),
        ({"this_host": True, "host": "a"}, "exclude each other"),
        ({"all": True, "over": 3601.0}, "over_seconds must be"),
        ({"all": True, "code": 1001}, "code must be"),
        ({"stop": True, "all": True, "host": "a"}, "no other selector"),
        ({"stop": True, "worker": ""}, "--worker is empty"),
    ],
)
def test_impossible_options_drain_nothing(shell, options, match):
    with pytest.raises(UsageError, match=match):
        shell.act_here(**options)
