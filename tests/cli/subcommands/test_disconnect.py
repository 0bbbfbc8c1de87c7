from __future__ import annotations

import io
import json
import logging
import sys
from typing import Any

import pytest
from django.contrib.auth.models import User

from django_socket_status.cli.columns import UsageError
from django_socket_status.cli.subcommands.disconnect import act
from django_socket_status.services import SocketStatusService
from tests.support.shell import Shell, closes, two_calls

PLAIN: dict[str, Any] = {"code": 4000, "reason": "", "requested_by": "ada"}


@pytest.fixture
def shell() -> Shell:
    return Shell(act, PLAIN)


def answer(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    stdin = io.StringIO(text)
    stdin.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdin", stdin)


async def test_connections_are_closed_after_a_yes(shell, monkeypatch):
    answer(monkeypatch, "y\n")
    async with two_calls() as servers:
        code = await shell.act(type="call", code=4403, reason="banned")
        assert code == 0, shell.lines
        assert [closes(it) for it in servers] == [[(4403, "banned")]] * 2
    assert "Close 2 connections? [y/N] " in shell.stderr.getvalue()
    assert shell.lines[0].startswith("TYPE")
    assert shell.lines[1].startswith("call")
    assert shell.lines[3] == "2 connections match, of 1 worker"
    assert shell.lines[4].split()[:4] == ["WORKER", "MATCHED", "CLOSED", "SENT"]
    assert shell.lines[5].split()[1:] == ["2", "2", "0", "0", "0", "0"]
    assert shell.lines[-1] == "2 of 2 connections ended"


@pytest.mark.parametrize("text", ["n\n", "\n", ""])
async def test_nothing_is_closed_without_a_yes(shell, monkeypatch, text):
    answer(monkeypatch, text)
    async with two_calls() as servers:
        assert await shell.act(all=True) == 3
        assert [closes(it) for it in servers] == [[], []]
    assert shell.stderr.getvalue().endswith("Nothing was closed.\n")


async def test_yes_asks_nothing_and_shows_how_far_it_has_come(shell):
    async with two_calls():
        assert await shell.act(all=True, yes=True, rate=1.0) == 0
    shown = shell.stderr.getvalue()
    assert "[y/N]" not in shown
    assert "of 2 connections ended\x1b[K" in shown
    assert shown.endswith("\r\x1b[K")


async def test_dry_run_closes_nothing(shell):
    async with two_calls() as servers:
        assert await shell.act(all=True, dry_run=True, json=True) == 0
        assert [closes(it) for it in servers] == [[], []]
    found = json.loads(shell.stdout.getvalue())
    assert (found["matched"], found["unsent"], found["dry_run"]) == (2, 2, True)


async def test_what_has_not_ended_is_code_3_and_named(shell):
    async with two_calls(error=OSError("no")):
        assert await shell.act(all=True, yes=True) == 3
        (kept,) = (
            it for it in [await SocketStatusService.aget_connections()] if it.total == 2
        )
        assert len(kept) == 2
    assert shell.lines[-2] == "0 of 2 connections ended"
    assert shell.lines[-1].startswith("! Not complete. Command ")


async def test_ids_are_separated_by_commas(shell):
    async with two_calls() as servers:
        page = await SocketStatusService.aget_connections()
        ids = ",".join(it.connection_id for it in page)
        kept = page[0].connection_id
        assert await shell.act(id=[ids], keep=[kept], yes=True, json=True) == 0
        assert sum(len(closes(it)) for it in servers) == 1
    assert json.loads(shell.stdout.getvalue())["complete"] is True


async def test_matches_of_another_release_or_worker_are_none(shell):
    async with two_calls():
        assert await shell.act(release="another", dry_run=True) == 0
        assert await shell.act(worker="another", dry_run=True) == 0
    assert shell.lines == ["None matches.", "None matches."]


async def test_requester_is_in_the_log(shell, caplog, monkeypatch):
    caplog.set_level(logging.INFO, "django_socket_status.control")
    monkeypatch.setattr("getpass.getuser", lambda: "grace")
    async with two_calls():
        await shell.act(all=True, yes=True, requested_by=None)
    assert [it.requested_by for it in caplog.records] == ["grace", "grace"]


def test_user_is_found_by_name_or_key(db, shell, caplog):
    caplog.set_level(logging.INFO, "django_socket_status.control")
    user = User.objects.create(username="ada")
    for text in ("ada", str(user.pk)):
        assert shell.act_here(user=text, dry_run=True) == 0
    selectors = [it.selector for it in caplog.records]
    assert selectors == [{"user_id": str(user.pk)}] * 4
    with pytest.raises(UsageError, match="no user has the name"):
        shell.act_here(user="bob", dry_run=True)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({}, "Nothing is selected: give --id, --user, .* or --all"),
        ({"all": True, "type": "call"}, "no other selector"),
        ({"all": True, "code": 1001}, "code must be"),
        ({"all": True, "rate": 0.0}, "rate must be"),
        ({"id": ["x"]}, "ids of connections"),
        ({"label": ["room"]}, "NAME=VALUE"),
        ({"id": ["", ","], "type": "call"}, "--id is empty"),
        ({"type": "", "user": "1"}, "--type is empty.*: give it a value, or"),
        ({"all": True}, "--yes"),
    ],
)
def test_impossible_options_close_nothing(shell, options, match):
    with pytest.raises(UsageError, match=match):
        shell.act_here(**options)
