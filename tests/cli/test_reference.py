"""The page of the command line names what ``--help`` names."""

from __future__ import annotations

import argparse
import re
import shlex

import pytest

from django_socket_status.cli.arguments import (
    LIMIT,
    SUBCOMMANDS,
    UNWATCHED,
    add_arguments,
)
from django_socket_status.cli.run import fields_of
from django_socket_status.cli.subcommands.check import State
from tests.support.source import ROOT

PAGE = (ROOT / "docs" / "reference" / "command-line.md").read_text(encoding="utf-8")

COMMON = "What all of them take"

#: The sections whose options several subcommands take.
LISTS = ("list", "closed", "rejected")
SHARED = {"Filters": LISTS, "Columns and order": (*LISTS, "workers", "commands")}


def section(heading: str) -> str:
    found = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)
    assert found, f"no heading {heading}"
    return found[1]


def documented(heading: str) -> set[str]:
    """Return the options of a section's table, with what they take."""
    cells = re.findall(r"^\| `(--.*?)` \|", section(heading), re.M)
    return set(cells)


def parsers() -> dict[str, argparse.ArgumentParser]:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    (action,) = (it for it in parser._actions if it.dest == "subcommand")
    assert isinstance(action.choices, dict)
    return action.choices


def taken(parser: argparse.ArgumentParser) -> set[str]:
    """Return the options that ``--help`` shows, as the page writes them."""
    options = re.findall(
        r"^  (?:-\w, )?(--[\w-]+(?: \[?[A-Z_=]+\]?)?)", parser.format_help(), re.M
    )
    return set(options) - {"--help"}


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_subcommand_has_its_options_on_the_page(name):
    common = documented(COMMON) if name not in UNWATCHED else {"--json"}
    own = documented(f"`{name}`") if f"## `{name}`\n" in PAGE else set()
    for heading, names in SHARED.items():
        own |= documented(heading) if name in names else set()
    assert own | common == taken(parsers()[name])


def test_page_has_each_subcommand():
    head = PAGE.partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", head, re.M) == list(SUBCOMMANDS)
    sections = re.findall(r"^## `(\w+)`$", PAGE, re.M)
    assert set(sections) <= set(SUBCOMMANDS)


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_each_column_is_on_the_page(name):
    fields = set(fields_of(name))
    if fields:
        assert fields <= set(re.findall(r"`([\w.]+)`", section(f"`{name}`")))


def test_defaults_and_states_are_those_of_the_code():
    assert f"by default {LIMIT}" in section("Filters")
    states = re.findall(r"^\| (\d) \| `(\w+)` \|", section("`check`"), re.M)
    assert states == [(str(int(it)), it.name) for it in State]


def commands() -> set[str]:
    """Return each command line of any page, from the name of the command on."""
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    found: set[str] = set()
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for block in re.findall(r"^```console\n(.*?)^```$", text, re.M | re.S):
            found.update(re.findall(r"manage\.py socket_status([^|>\n]*)", block))
    return found


def test_each_command_of_the_documentation_is_one():
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert len(commands()) > 10
    for command in sorted(commands()):
        parser.parse_args(shlex.split(command))
