from __future__ import annotations

import io
import logging
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management.base import OutputWrapper

from django_socket_status.cli.arguments import ACTIONS, SUBCOMMANDS, UNWATCHED
from django_socket_status.cli.columns import UsageError
from django_socket_status.cli.output import Output
from django_socket_status.cli.run import reader_of, run, run_action, run_check
from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.services import SocketStatusService
from tests.support.scripted_backend import SCRIPTED, fails_with, scripted


@pytest.fixture
def stdout() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def output(stdout: io.StringIO) -> Output:
    return Output(OutputWrapper(stdout), OutputWrapper(io.StringIO()), environment={})


@pytest.mark.parametrize("name", sorted(SUBCOMMANDS.keys() - UNWATCHED))
def test_every_subcommand_has_a_reader(name, output):
    answer = reader_of(name, {"limit": 50}, output)()
    assert answer.body


@pytest.mark.parametrize("name", sorted(SUBCOMMANDS.keys() - UNWATCHED))
def test_status_that_cannot_be_read_is_an_error_without_a_number(
    name, output, stdout, settings
):
    settings.SOCKET_STATUS = {"BACKEND": SCRIPTED}
    scripted().before_read = scripted().before_question = fails_with(OSError("down"))
    with pytest.raises(StatusUnavailableError, match="down"):
        run(name, {"limit": 50}, output)
    assert not stdout.getvalue()


def test_reason_is_not_logged_beside_the_answer(output, settings, caplog):
    settings.SOCKET_STATUS = {"BACKEND": SCRIPTED}
    scripted().before_read = fails_with(OSError("down"))
    logger = logging.getLogger("django_socket_status")
    before = logger.handlers[:]
    with pytest.raises(StatusUnavailableError):
        run("summary", {}, output)
    assert not caplog.records
    assert logger.propagate and logger.handlers == before


def test_columns_are_not_for_json(output):
    with pytest.raises(UsageError, match="--json always has all keys"):
        run("list", {"json": True, "columns": "type", "limit": 50}, output)


def test_user_of_a_watch_is_looked_up_once(output, db, monkeypatch):
    from django_socket_status.cli import run as module

    user = User.objects.create(username="ada")
    given: list[Any] = []
    monkeypatch.setattr(
        module, "reader_of", lambda name, options, output: given.append(options)
    )
    with pytest.raises(TypeError):
        # What reads was replaced.
        run("list", {"user": "ada"}, output)
    assert given[0]["user"].pk == str(user.pk)


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_what_does_something_is_not_watched(name, output):
    with pytest.raises(UsageError, match="does not take --watch"):
        run_action(name, {"watch": 2.0}, output)


class TestCheck:
    def test_line_is_printed(self, output, stdout):
        assert run_check({}, output) == 0
        assert stdout.getvalue().startswith("SOCKETS OK - 0 open WebSockets")

    def test_json_is_printed(self, output, stdout):
        assert run_check({"json": True, "min": (None, 1.0)}, output) == 2
        assert '"state": "critical"' in stdout.getvalue()

    @pytest.mark.parametrize(
        "error", [StatusUnavailableError("down\x1b[2J"), RuntimeError("a fault")]
    )
    def test_whatever_fails_is_unknown(self, output, stdout, monkeypatch, error):
        def fail() -> Any:
            raise error

        monkeypatch.setattr(SocketStatusService, "get_socket_info_summary", fail)
        assert run_check({}, output) == 3
        line = stdout.getvalue()
        assert line.startswith("SOCKETS UNKNOWN - ")
        assert line.count("\n") == 1 and "\x1b" not in line

    def test_watch_is_refused(self, output, stdout):
        assert run_check({"watch": 2.0}, output) == 3
        assert "--watch" in stdout.getvalue()
