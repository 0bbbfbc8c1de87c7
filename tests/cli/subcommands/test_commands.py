from __future__ import annotations

import json
from typing import Any

import pytest

from django_socket_status.activity.stored import Command
from django_socket_status.backends import get_backend
from django_socket_status.cli.subcommands.commands import DEFAULT, NOTHING, read
from django_socket_status.control.revocation import RevocationOrder, UserEnd
from django_socket_status.control.texts import StopOrder, order_to_text
from django_socket_status.operations.kept_commands import read_commands
from django_socket_status.services import SocketStatusService
from tests.support.held_sockets import close_socket, open_socket


@pytest.fixture
def one_call() -> Any:
    connection = open_socket()
    assert not SocketStatusService.get_summary().stale
    yield
    close_socket(connection)


def test_no_command_is_said(one_call):
    answer = read({})
    assert (answer.body, answer.footer) == ({"commands": []}, [NOTHING])


def test_command_has_its_state_and_who_asked(one_call):
    result = SocketStatusService.disconnect(
        labels={"room": "42"}, code=4403, reason="out", requested_by="ada"
    )
    assert result.matched == 0
    (row,) = read({}).tables[0].rows
    shown = dict(zip(DEFAULT, row.cells, strict=True))
    assert shown["command_id"] == result.command_id
    assert (shown["kind"], shown["requested_by"]) == ("disconnect", "ada")
    assert (shown["selector"], shown["matched"]) == ("labels=room:42", "0")
    (body,) = json.loads(json.dumps(read({}).body))["commands"]
    assert (body["code"], body["reason"], body["dry_run"]) == (4403, "out", False)
    assert body["result"]["complete"] is True


def test_dry_run_is_done(one_call):
    SocketStatusService.disconnect(all=True, dry_run=True)
    (row,) = read({"columns": "kind,state,selector,unsent"}).tables[0].rows
    assert list(row.cells) == ["disconnect, dry run", "done", "all", "1"]


def test_stopped_command_is_said_to_be(one_call):
    result = SocketStatusService.disconnect(type="chat")
    SocketStatusService.stop_command(result.command_id)
    newest, oldest = read_commands()
    assert (newest.kind, newest.state) == ("stop", "done")
    assert newest.selector == {"command_id": result.command_id}
    assert (oldest.kind, oldest.state) == ("disconnect", "stopped")


@pytest.mark.parametrize(("text", "kind"), [("{}", ""), ("stop", "stop")])
def test_command_of_another_version_is_unknown(one_call, text, kind):
    if text == "stop":
        text = order_to_text(StopOrder("x"))
    get_backend().give_command(Command("y", text, 10.0))
    (record,) = read_commands()
    assert (record.kind, record.state) == (kind, "done" if kind else "unknown")
    assert record.result is None


def test_what_close_on_closed_is_listed(one_call):
    ends = [UserEnd(user_id="7", reason="deactivation")]
    text = RevocationOrder(users=ends, seconds=60.0).to_text()
    get_backend().give_command(Command("y", text, 10.0))
    (record,) = read_commands()
    assert (record.kind, record.state, record.result) == ("revoke", "done", None)
    assert record.selector == {"user_ids": ["7"]}
    (row,) = read({"columns": "kind,requested_by,code"}).tables[0].rows
    assert list(row.cells) == ["revoke", "CLOSE_ON", "4401"]


def test_columns_and_order_are_chosen(one_call):
    for kind in ("a", "b"):
        SocketStatusService.disconnect(type=kind)
    rows = read({"columns": "selector", "sort": "selector"}).tables[0].rows
    assert [it.cells[0] for it in rows] == ["type=a", "type=b"]
    rows = read({"columns": "selector", "reverse": True}).tables[0].rows
    assert [it.cells[0] for it in rows] == ["type=a", "type=b"]
