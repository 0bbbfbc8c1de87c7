from __future__ import annotations

import io

import pytest
from django.core.management.base import OutputWrapper

from django_socket_status.cli.output import COLORED, Output
from django_socket_status.cli.tables import STAR


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def output(
    stdout: io.TextIOBase | None = None,
    stderr: io.TextIOBase | None = None,
    colors: bool | None = None,
    **environment: str,
) -> Output:
    return Output(
        OutputWrapper(stdout or io.StringIO()),
        OutputWrapper(stderr or io.StringIO()),
        environment=environment,
        colors=colors,
    )


@pytest.mark.parametrize(
    ("environment", "colors", "expected"),
    [
        ({}, None, COLORED),
        ({"NO_COLOR": "1"}, None, STAR),
        ({"NO_COLOR": ""}, None, COLORED),
        ({}, False, STAR),
        ({"NO_COLOR": "1"}, True, COLORED),
    ],
)
def test_no_color_decides_unless_an_option_does(environment, colors, expected):
    assert output(colors=colors, **environment).mark is expected


def test_only_a_terminal_has_a_width(monkeypatch):
    monkeypatch.setenv("COLUMNS", "33")
    assert output().width() is None
    # It has no descriptor, so the environment says its size.
    assert output(Screen()).width() == 33


def test_dumb_terminal_cannot_be_redrawn():
    assert output(Screen()).is_terminal
    assert not output(Screen(), TERM="dumb").is_terminal
    assert not output().is_terminal


def test_stream_gets_what_its_encoding_has():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    out = output(stream)
    out.lines(["日本…"])
    out.flush()
    stream.seek(0)
    assert stream.read() == "\\u65e5\\u672c\\u2026\n"


def test_progress_is_for_terminals():
    screen, pipe = Screen(), io.StringIO()
    output(stderr=screen).progress("1000")
    output(stderr=pipe).progress("1000")
    output(stderr=screen, TERM="dumb").progress("2000")
    assert screen.getvalue() == "\r1000\x1b[K"
    assert not pipe.getvalue()
