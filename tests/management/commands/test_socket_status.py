"""The command as a shell runs it: another process, its output and its exit code."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from typing import Any

import pytest
from django.core.management import CommandError

from django_socket_status.cli.arguments import ACTIONS, SUBCOMMANDS
from django_socket_status.records import Snapshot
from django_socket_status.services import SocketStatusService
from django_socket_status.status.reader import READ_SECONDS, status_reader
from tests.support.held_sockets import close_socket, open_socket
from tests.support.scripted_backend import ScriptedBackend
from tests.support.terminal import (
    EACH,
    SCRIPT,
    called,
    called_as_json,
    environment_of,
    run,
    run_each,
    run_new,
    terminal,
)

#: Those that only ask.
ASKING = [name for name in SUBCOMMANDS if name not in ACTIONS]


@pytest.fixture
def one_call() -> Any:
    connection = open_socket(room="日本\x1b[31m")
    assert not SocketStatusService.get_summary().stale
    yield
    close_socket(connection)


def test_summary_is_the_default(one_call):
    done = run_new()
    assert done.code == 0 and not done.stderr
    assert "open           1" in done.stdout.splitlines()
    assert "call     1" in done.stdout


def test_json_of_the_default_is_the_summary(one_call):
    before, after = run_each([["--json"], ["summary", "--json"]])
    assert before.code == after.code == 0
    shown = [json.loads(done.stdout) for done in (before, after)]
    assert [it["total_sockets"] for it in shown] == [1, 1]
    assert shown[0].keys() == SocketStatusService.get_socket_info_summary().keys()


def test_command_can_be_called_from_code(one_call):
    assert called_as_json("list")["total"] == 1
    assert "WORKER" in called("workers", "--columns", "worker_id")
    with pytest.raises(CommandError, match="no column"):
        called("list", "--columns", "x")


def test_each_subcommand_has_its_help():
    for done in run_each([["--help"], *([name, "--help"] for name in SUBCOMMANDS)]):
        assert done.code == 0
        assert "--json" in done.stdout


CODES: list[tuple[list[str], int]] = [
    (["--bogus"], 2),
    (["list", "--bogus"], 2),
    (["top"], 2),
    (["list", "--limit", "0"], 2),
    (["list", "--columns", "x"], 2),
    (["closed", "--cause", "x"], 2),
    (["history", "--span", "2h"], 2),
    (["list", "--type", "check", "--bogus"], 2),
    (["check", "--bogus"], 3),
    (["--bogus", "check"], 3),
    (["check", "--min", "few"], 3),
    (["check", "--no-color", "--force-color"], 3),
    (["--watch=2", "check"], 3),
    (["check", "--min", "1"], 2),
    (["check", "--min", "1,0"], 1),
    (["check", "--help"], 0),
    (["check"], 0),
    (["disconnect", "--yes"], 2),
    (["disconnect", "--all"], 2),
    (["disconnect", "--all", "--yes", "--code", "1001"], 2),
    (["--watch=2", "disconnect", "--all", "--yes"], 2),
    (["disconnect", "--all", "--yes"], 0),
    (["disconnect", "--all", "--dry-run", "--json"], 0),
    (["drain"], 2),
    (["drain", "--this-host", "--host", "a"], 2),
    (["drain", "--all", "--over", "4000"], 2),
    (["--watch=2", "drain", "--all"], 2),
    (["drain", "--this-host", "--wait"], 0),
    (["drain", "--stop"], 0),
    *(([name], 0) for name in ASKING),
]


def test_exit_codes_of_both_tables():
    found = run_each([words for words, _ in CODES])
    for (words, code), done in zip(CODES, found, strict=True):
        assert done.code == code, words
        if "check" in words[:2] and "--help" not in words and "--type" not in words:
            state = ["OK", "WARNING", "CRITICAL", "UNKNOWN"][code]
            assert done.stdout.startswith(f"SOCKETS {state} - "), words


def test_status_that_cannot_be_read_names_the_fix_and_no_number(settings):
    settings.SOCKET_STATUS = {"BACKEND": "nowhere.Backend"}
    names = ASKING
    for name, done in zip(names, run_each([[it] for it in names]), strict=True):
        said = done.stdout if name == "check" else done.stderr
        assert done.code == (3 if name == "check" else 1)
        assert "nowhere" in said
        if name != "check":
            assert "manage.py check --tag socket_status" in said
            assert not done.stdout


@pytest.mark.parametrize(
    ("words", "code"),
    [(["list", "--bogus"], 2), (["check", "--bogus"], 3), (["check", "--min=1"], 2)],
)
def test_exit_code_is_that_of_the_process(words, code):
    done = run_new(*words)
    assert done.code == code
    assert "Traceback" not in done.stderr


def test_nothing_of_the_project_is_imported_or_checked(settings, one_call):
    """Its ``ASGI_APPLICATION`` may be slow, and be what is broken."""
    script = SCRIPT + "\nassert 'tests.asgi' not in sys.modules, 'imported'"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment_of(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_asking_writes_nothing(settings, tmp_path):
    """Where no worker has made the status file, no command makes it."""
    place = tmp_path / "nothing"
    place.mkdir()
    settings.SOCKET_STATUS = {"OPTIONS": {"path": place / "status"}}
    found = run_each([[name] for name in ASKING])
    assert [done.code for done in found] == [0] * len(ASKING)
    assert not list(place.iterdir())


def test_asking_leaves_the_workers_alone(one_call):
    before = SocketStatusService.get_workers()
    run_each([[name] for name in ASKING])
    after = SocketStatusService.get_workers()
    assert [it.worker_id for it in after] == [it.worker_id for it in before]


def test_reader_that_has_seen_enough_is_no_error(one_call):
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, "list", "--watch=0.1"],
        env=environment_of(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(30) == 0
        assert not process.stderr.read()


@pytest.mark.parametrize("columns", [80, 40])
def test_no_line_is_wider_than_the_terminal(one_call, columns):
    names = ("summary", "list", "workers", "totals")
    with terminal(*names, columns=columns, script=EACH) as opened:
        assert opened.ended() == 0
        lines = opened.text.replace("\r", "").split("\n")
    assert all(len(line) < columns for line in lines)
    assert all(line.isprintable() for line in lines)


def test_long_list_shows_how_far_it_has_come():
    held = [open_socket() for _ in range(2500)]
    assert not SocketStatusService.get_summary().stale
    with terminal("list", "--all", columns=100) as opened:
        assert opened.ended() == 0
    first, removed, rest = opened.text.partition("\r\x1b[K")
    assert "\r1000 of 2500 connections read\x1b[K" in first
    assert "\r2000 of 2500 connections read\x1b[K" in first
    assert removed and rest.startswith("TYPE")
    assert "2500 of 2500" in rest and "\x1b" not in rest
    for connection in held:
        close_socket(connection)


@pytest.mark.redis
@pytest.mark.parametrize("details", [True, False])
def test_counts_alone_are_no_empty_lists(settings, shared_redis, redis_prefix, details):
    settings.SOCKET_STATUS = {
        "BACKEND": "django_socket_status.backends.redis.RedisBackend",
        "OPTIONS": {
            "url": shared_redis.url,
            "prefix": redis_prefix,
            "details": details,
        },
    }
    connection = open_socket(user=None)
    assert not SocketStatusService.get_summary().stale
    summary, listed, closed = map(run, ("summary", "list", "closed"))
    assert "coverage       all hosts" in summary.stdout
    assert ("Users are not known" in summary.stdout) is not details
    if details:
        assert "1 of 1" in listed.stdout and "None matches" in closed.stdout
    else:
        for done in (listed, closed):
            assert done.code == 1 and not done.stdout
            assert "['details'] to True" in done.stderr
    close_socket(connection)


def test_watch_of_what_is_not_kept_ends(settings, one_call):
    """No retry helps until the setting is changed."""
    settings.SOCKET_STATUS = {**settings.SOCKET_STATUS, "CLOSED_LIMIT": 0}
    done = run("closed", "--watch=0.1")
    assert done.code == 1
    assert "CLOSED_LIMIT" in done.stderr


class HangingBackend(ScriptedBackend):
    """Says when it is read, and answers long after the reader gave up."""

    def read(self) -> Snapshot:
        sys.stderr.write("reading")
        sys.stderr.flush()
        threading.Event().wait(30)
        return super().read()


def test_ctrl_c_is_no_traceback(settings):
    settings.SOCKET_STATUS = {"BACKEND": f"{__name__}.{HangingBackend.__name__}"}
    with terminal() as opened:
        opened.until(lambda text: "reading" in text)
        opened.type("\x03")
        assert opened.ended() == 130
        assert "Traceback" not in opened.text


def test_backend_that_hangs_is_an_error(settings):
    settings.SOCKET_STATUS = {"BACKEND": f"{__name__}.{HangingBackend.__name__}"}
    done = run()
    assert done.code == 1
    assert "no answer within 5 seconds" in done.stderr


class SlowBackend(ScriptedBackend):
    """Answers later than any other caller would wait."""

    def read(self) -> Snapshot:
        time.sleep(2 * READ_SECONDS)
        return super().read()


def test_slow_backend_is_waited_for(settings):
    settings.SOCKET_STATUS = {"BACKEND": f"{__name__}.{SlowBackend.__name__}"}
    assert run("--json").code == 0


def test_command_of_another_process_leaves_its_limit_alone(one_call):
    before = status_reader.read_seconds
    called("summary")
    assert status_reader.read_seconds == before


def test_output_in_ascii_has_escapes(one_call):
    done = run_new("list", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.code == 0
    assert "room=\\u65e5\\u672c" in done.stdout
