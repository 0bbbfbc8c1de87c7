"""The paths that CONTRIBUTING.md names exist, and its tables are complete."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest

from tests.support.source import PACKAGE, ROOT

pytestmark = pytest.mark.text

PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

#: Where a path begins that is not below the package.
ELSEWHERE = ("docs/", "tests/")


def section(heading: str) -> str:
    """Return what stands below a heading, up to the next one."""
    return re.split(r"^#+ ", PAGE.partition(f" {heading}\n")[2], flags=re.M)[0]


CHANGES = [
    line.split("|")[1:-1]
    for line in section("To change this, open that").splitlines()
    if line.startswith("| ") and "`" in line
]


def place_of(path: str) -> Path:
    return ROOT / path if path.startswith(ELSEWHERE) else PACKAGE / path


def test_the_twenty_most_likely_changes_are_there():
    assert len(CHANGES) >= 20


def test_what_a_change_opens_exists():
    for change in CHANGES:
        paths = re.findall(r"`([^`]+)`", "".join(change[1:]))
        assert paths, change
        assert not [path for path in paths if not place_of(path).exists()]


def test_layout_names_what_exists():
    block = section("Where things are").split("```")[1]
    named = re.findall(r"[a-z_]+(?:\.py|/)", block)
    assert len(block.strip().splitlines()) > 12
    assert not [path for path in named if not place_of(path).exists()]
    folders = {
        path.name
        for path in PACKAGE.iterdir()
        if path.is_dir() and any(path.rglob("*.py")) and path.name != "concurrency"
    }
    assert folders <= {path.rstrip("/") for path in named}


def rows(heading: str) -> set[str]:
    """Return the names in the first column of the table below a heading."""
    first = re.findall(r"^\| (`[^|]+`) \|", section(heading), flags=re.M)
    return {name for cell in first for name in re.findall(r"`([^`]+)`", cell)}


def test_every_environment_has_its_time_and_its_reason():
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / "tox.ini")
    environments = set(config["tox"]["env_list"].split())
    assert environments <= rows("How long it takes")
    without_tests = {"js", "types", "docs", "lint"}
    assert environments - without_tests == rows("What runs where")
