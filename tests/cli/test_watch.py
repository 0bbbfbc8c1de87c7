"""``--watch``, in a real terminal and by real signals."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import struct
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from django_socket_status.services import SocketStatusService
from tests.support.forking import Forked
from tests.support.held_sockets import STTRoomConsumer, close_socket, open_socket
from tests.support.terminal import SCRIPT, SECONDS, environment_of, shown, terminal

pytestmark = pytest.mark.python

FAST = "--watch=0.1"


def reported() -> None:
    """Wait until the backend has what this process holds."""
    assert not SocketStatusService.get_summary().stale


@pytest.fixture
def one_call() -> Iterator[None]:
    connection = open_socket(user=None, room="blue")
    reported()
    yield
    close_socket(connection)


def is_open(count: int) -> object:
    """Return what tells whether the last picture shows so many open connections."""
    return lambda text: any(
        line.split()[:2] in (["open", str(count)], ["open", f"{count}*"])
        for line in shown(text)
    )


def test_screen_is_drawn_in_place_and_changed_cells_are_marked(one_call):
    with terminal(FAST) as watched:
        watched.until(is_open(1))
        assert watched.text.startswith("\x1b[?1049h\x1b[?25l\x1b[H")
        before = watched.text.count("\x1b[H")
        watched.until(lambda text: text.count("\x1b[H") > before + 1)
        assert "\x1b[1;33m" not in watched.text, "nothing changed"
        second = open_socket(STTRoomConsumer)
        reported()
        for cell in ("2", "stt_room"):
            watched.until(lambda text, cell=cell: f"\x1b[1;33m{cell}\x1b[0m" in text)
        assert "\x1b[2J" not in watched.text, "it would flicker"
        close_socket(second)


@pytest.mark.parametrize("ending", ["Ctrl-C", "SIGTERM"])
def test_watch_ends_cleanly(one_call, ending):
    with terminal("list", FAST) as watched:
        watched.until(lambda text: "1 of 1" in text)
        if ending == "Ctrl-C":
            watched.type("\x03")
        else:
            watched.send(signal.SIGTERM)
        assert watched.ended() == 0
        assert watched.text.endswith("\x1b[?25h\x1b[?1049l")
        assert "Traceback" not in watched.text


def test_no_color_marks_without_an_escape_sequence(one_call):
    with terminal(FAST, NO_COLOR="1") as watched:
        watched.until(is_open(1))
        second = open_socket()
        reported()
        watched.until(lambda text: "2*" in text)
        assert "\x1b[1;33m" not in watched.text
        close_socket(second)


def test_resized_terminal_is_drawn_again_at_once(one_call):
    with terminal("list", "--watch=3600", columns=100) as watched:
        watched.until(lambda text: "1 of 1" in text)
        assert "ENDPOINT" in watched.text
        watched.forget()
        watched.resize(30, 12)
        watched.until(lambda text: "1 of 1" in text)
        lines = shown(watched.text)
        assert all(len(line) < 30 for line in lines)
        watched.forget()
        watched.resize(30, 3)
        watched.until(lambda text: "more lines" in text)
        assert len(shown(watched.text)) == 3


def test_dumb_terminal_gets_no_escape_sequence(one_call):
    with terminal(FAST, TERM="dumb") as watched:
        watched.until(lambda text: text.count("open") > 1)
        assert "\x1b" not in watched.text


class Piped(Forked):
    """The command with pipes for what it prints."""

    def __init__(self, *words: str) -> None:
        out, its_out = os.pipe()
        err, its_err = os.pipe()
        self.stdout, self.stderr = os.fdopen(out), os.fdopen(err)
        with open(os.devnull) as nothing:
            streams = nothing.fileno(), its_out, its_err
            super().__init__(SCRIPT, *words, env=environment_of(), streams=streams)
        os.close(its_out)
        os.close(its_err)


@contextmanager
def piped(*words: str) -> Iterator[Piped]:
    process = Piped(*words)
    with process.stdout, process.stderr:
        try:
            yield process
        finally:
            process.kill()
            process.wait(SECONDS)


def waiting_in(pipe: int) -> int:
    """Return how many bytes were not read."""
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_json_is_one_line_for_each_reading(one_call, number):
    with piped("--json", FAST) as process:
        lines = [process.stdout.readline() for _ in range(3)]
        process.send_signal(number)
        assert process.wait(SECONDS) == 0
        assert not process.stderr.read()
    assert [json.loads(line)["total_sockets"] for line in lines] == [1, 1, 1]


def test_pipe_gets_one_table_after_the_other(one_call):
    with piped("list", FAST) as process:
        found = [process.stdout.readline() for _ in range(10)]
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
    assert sum(it.startswith("TYPE") for it in found) == 2
    assert "\x1b" not in "".join(found)


def test_process_that_writes_to_a_full_pipe_ends(one_call):
    with piped("workers", "--json", FAST) as process:
        pipe = process.stdout.fileno()
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 4096)
        held = -1
        while held != (held := waiting_in(pipe)) or not held:
            # Longer than it takes to write another line.
            time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0


def test_status_that_cannot_be_read_is_shown_and_the_watch_goes_on(settings, tmp_path):
    settings.SOCKET_STATUS = {"BACKEND": "nowhere.Backend"}
    with piped("--json", FAST) as process:
        lines = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
        assert not process.stderr.read()
    for line in lines:
        assert line["error"]["code"] == "service_unavailable"
        assert "nowhere" in line["error"]["message"]
    with terminal(FAST) as watched:
        watched.until(lambda text: text.count("nowhere") > 1)
        text = " ".join(" ".join(shown(watched.text)).split())
        assert "No module named 'nowhere'. 'manage.py check --tag" in text


def test_wrong_option_leaves_the_terminal_as_it_was():
    with terminal("list", "--sort", "nothing", FAST) as watched:
        assert watched.ended() == 2
        assert "\x1b[?25h\x1b[?1049l" in watched.text
        assert "there is no column 'nothing'" in watched.text
