from __future__ import annotations

import io

from django.core.management.base import OutputWrapper

from django_socket_status.cli.output import Output
from django_socket_status.cli.progress import Progress
from tests.cli.test_output import Screen


def test_line_is_replaced_in_place_and_removed_at_the_end():
    screen = Screen()
    output = Output(OutputWrapper(io.StringIO()), OutputWrapper(screen), environment={})
    with Progress(output) as progress:
        progress.show(1000, 2500)
        progress.show(2000, None)
    assert screen.getvalue() == (
        "\r1000 of 2500 connections read\x1b[K\r2000 connections read\x1b[K\r\x1b[K"
    )


def test_nothing_is_written_where_one_page_was_enough():
    screen = Screen()
    output = Output(OutputWrapper(io.StringIO()), OutputWrapper(screen), environment={})
    with Progress(output):
        pass
    assert not screen.getvalue()
