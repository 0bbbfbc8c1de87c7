from __future__ import annotations

import argparse

import pytest

from django_socket_status.cli.arguments import add_arguments
from django_socket_status.cli.control_arguments import CONTROL


@pytest.fixture
def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    add_arguments(parser)
    return parser


def test_defaults_are_those_of_the_service(parser):
    closes = parser.parse_args(["disconnect"])
    assert (closes.code, closes.reason, closes.rate) == (4000, "", None)
    drains = parser.parse_args(["drain"])
    assert (drains.over, drains.grace, drains.code) == (60.0, 10.0, 1012)
    assert not (drains.wait or drains.stop or drains.this_host)


def test_ids_and_labels_may_be_given_again(parser):
    words = ["--id", "a-1,a-2", "--id", "b-1", "--label", "room=1", "--label", "x=y"]
    given = parser.parse_args(["disconnect", *words])
    assert given.id == ["a-1,a-2", "b-1"]
    assert given.label == ["room=1", "x=y"]


@pytest.mark.parametrize("name", [name for name in CONTROL if name != "commands"])
def test_help_has_the_exit_codes(parser, name, capsys):
    with pytest.raises(SystemExit):
        parser.parse_args([name, "--help"])
    assert "Exit codes: 0" in capsys.readouterr().out
