from __future__ import annotations

import argparse
import re

import pytest

from django_socket_status.cli.arguments import (
    SUBCOMMANDS,
    UNWATCHED,
    add_arguments,
    named_in,
)
from django_socket_status.cli.run import fields_of


@pytest.fixture
def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    add_arguments(parser)
    return parser


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_json_is_accepted_before_and_after_a_subcommand(parser, name):
    assert parser.parse_args(["--json", name]).json
    assert parser.parse_args([name, "--json"]).json
    assert not parser.parse_args([name]).json


@pytest.mark.parametrize("name", sorted(SUBCOMMANDS.keys() - UNWATCHED))
@pytest.mark.parametrize(
    ("words", "seconds"), [(["--watch"], 2.0), (["--watch=5"], 5.0)]
)
def test_watch_is_accepted_before_and_after_a_subcommand(parser, name, words, seconds):
    assert parser.parse_args([name, *words]).watch == seconds
    assert parser.parse_args(["--watch=5", name]).watch == 5.0
    assert parser.parse_args([name]).watch is None


def test_watch_before_a_subcommand_says_how_to_write_it(parser, capsys):
    with pytest.raises(SystemExit):
        parser.parse_args(["--watch", "list"])
    assert "write --watch=2" in capsys.readouterr().err


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_options_of_django_are_accepted_after_a_subcommand(parser, name):
    given = parser.parse_args(
        [name, "--settings", "x", "--no-color", "--traceback", "-v", "2"]
    )
    assert given.settings == "x" and given.no_color and given.traceback
    assert given.verbosity == 2


@pytest.mark.parametrize(
    "words",
    [
        ["--watch=0"],
        ["--watch=nan"],
        ["list", "--limit", "0"],
        ["list", "--limit", "-1"],
        ["list", "--limit", "many"],
        ["list", "--limit", "5", "--all"],
        ["list", "--lim", "5"],
        ["check", "--min", "few"],
        ["check", "--min", "1,2,3"],
        ["check", "--min", "-1"],
        ["check", "--min", "nan"],
        ["check", "--max-age", ","],
        ["check", "--watch"],
        ["disconnect", "--watch"],
        ["disconnect", "--code", "normal"],
        ["disconnect", "--rate", "slow"],
        ["top"],
    ],
)
def test_impossible_value_is_refused(parser, words):
    with pytest.raises(SystemExit) as end:
        parser.parse_args(words)
    assert end.value.code == 2


def test_limit_is_one_number_or_two(parser):
    given = parser.parse_args(["check", "--min", "5", "--max-age=2.5,4"])
    assert given.min == (None, 5.0)
    assert given.max_age == (2.5, 4.0)
    assert given.max_late is None


def help_of(parser: argparse.ArgumentParser, name: str) -> str:
    (action,) = (it for it in parser._actions if it.dest == "subcommand")
    assert isinstance(action.choices, dict)
    return " ".join(action.choices[name].format_help().split())


@pytest.mark.parametrize("name", [it for it in SUBCOMMANDS if fields_of(it)])
def test_help_names_every_column(parser, name):
    listed = re.search(r"separated by commas: (.*?) --sort", help_of(parser, name))
    assert listed
    named = {it.strip() for it in listed[1].split(",")}
    assert named - {"label.NAME"} == set(fields_of(name))


def test_subcommand_is_found_among_words():
    assert named_in(["--json", "check", "list"]) == "check"
    assert named_in(["--json"]) is None
