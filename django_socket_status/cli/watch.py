"""``--watch``: read again and again, and draw in place on a terminal."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from types import FrameType
from typing import Any

from django.utils import timezone

from django_socket_status.cli.formats import instant_text
from django_socket_status.cli.frames import Answer, json_text
from django_socket_status.cli.notes import with_fix
from django_socket_status.cli.output import Output
from django_socket_status.cli.tables import Cell
from django_socket_status.cli.text import clipped
from django_socket_status.concurrency.clock import monotonic
from django_socket_status.exceptions import NotKeptError, StatusUnavailableError

__all__ = ["watch"]

Read = Callable[[], Answer]

# See ECMA-48; the private modes 1049 and 25 are those of xterm.
ALTERNATE_SCREEN, NORMAL_SCREEN = "\x1b[?1049h", "\x1b[?1049l"
HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
HOME, ERASE_LINE, ERASE_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"

#: How often the size of the terminal is compared. A signal handler would need a thread
#: or a pipe to wake the wait, and Windows has no such signal.
RESIZE_SECONDS = 0.1


def watch(read: Read, seconds: float, output: Output, *, as_json: bool) -> None:
    """Show one answer after the other until Ctrl-C or SIGTERM.

    An answer that cannot be read is shown as its reason, and the watch goes on.

    Args:
        read: Returns the answer.
        seconds: The time between two readings.
        output: Where they are shown. What is no terminal gets one after the other.
        as_json: Whether to print each as one line of JSON.
    """
    with _until_stopped():
        if as_json:
            _print_lines(read, seconds, output)
        elif output.is_terminal:
            with _screen(output):
                _draw(read, seconds, output)
        else:
            _append(read, seconds, output)


def _read(read: Read) -> Answer:
    try:
        return read()
    except NotKeptError:
        # The next reading would raise it again.
        raise
    except StatusUnavailableError as error:
        failure = {"code": "service_unavailable", "message": str(error)}
        return Answer(body={"error": failure}, notes=[with_fix(error)])


def _print_lines(read: Read, seconds: float, output: Output) -> None:
    for _ in _ticks(seconds):
        output.lines([json_text(_read(read).body)])


def _append(read: Read, seconds: float, output: Output) -> None:
    for _ in _ticks(seconds):
        answer = _read(read)
        output.lines([instant_text(timezone.now()), *answer.lines(), ""])


def _ticks(seconds: float) -> Iterator[None]:
    due = monotonic()
    while True:
        yield
        due = max(due + seconds, monotonic())
        time.sleep(max(0.0, due - monotonic()))


def _draw(read: Read, seconds: float, output: Output) -> None:
    before: Mapping[Cell, str] | None = None
    while True:
        due = monotonic() + seconds
        answer = _read(read)
        now = answer.cells()
        title = f"every {seconds:g} s  {instant_text(timezone.now())}  Ctrl-C ends"
        changed = () if before is None else _changed(before, now)
        _draw_until(due, answer, changed, title, output)
        # An answer without cells was not read: the next one is compared with the last.
        before = now or before


def _changed(before: Mapping[Cell, str], now: Mapping[Cell, str]) -> Collection[Cell]:
    return {cell for cell, text in now.items() if before.get(cell) != text}


def _draw_until(
    due: float,
    answer: Answer,
    changed: Collection[Cell],
    title: str,
    output: Output,
) -> None:
    """Draw an answer, and again whenever the terminal has another size."""
    drawn = None
    while (left := due - monotonic()) > 0 or drawn is None:
        size = output.size()
        if size != drawn:
            lines = [
                title,
                "",
                *answer.lines(size.columns, changed=changed, mark=output.mark),
            ]
            output.raw(_picture(lines, size.columns, size.lines))
            output.flush()
            drawn = size
        time.sleep(max(0.0, min(left, RESIZE_SECONDS)))


def _picture(lines: list[str], columns: int, rows: int) -> str:
    """Return what draws lines in place, as many as there is space for."""
    lines[0] = clipped(lines[0], columns - 1)
    if len(lines) > rows:
        left = len(lines) - rows + 1
        more = f"… {left} more lines: make the window taller."
        lines[max(1, rows - 1) :] = [clipped(more, columns - 1)]
    # No line feed after the last one: it would scroll a full screen.
    body = "\n".join(f"{line}{ERASE_LINE}" for line in lines[:rows])
    return f"{HOME}{body}{ERASE_BELOW}"


@contextlib.contextmanager
def _screen(output: Output) -> Iterator[None]:
    """Draw on the alternate screen; leave the terminal as it was."""
    output.raw(ALTERNATE_SCREEN + HIDE_CURSOR)
    try:
        yield
    finally:
        output.raw(SHOW_CURSOR + NORMAL_SCREEN)
        output.flush()


@contextlib.contextmanager
def _until_stopped() -> Iterator[None]:
    """End the block at Ctrl-C or SIGTERM; ignore both while it ends."""

    def stop(number: int, frame: FrameType | None) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    handlers: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for each in (signal.SIGINT, signal.SIGTERM):
            # A shell starts a background job with SIGINT ignored.
            if signal.getsignal(each) is not signal.SIG_IGN:
                handlers[each] = signal.signal(each, stop)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
