"""The documentation says what the code does."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import django_socket_status
from django_socket_status.conf import Settings
from tests.source import ROOT, modules

REFERENCE = ROOT / "docs" / "reference"

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

CHECK_ID = re.compile(r"django_socket_status\.[EWI]\d{3}|(?<=[\"'])[EWI]\d{3}(?=[\"'])")


def pages() -> list[Path]:
    """Return every page that people read."""
    named = [ROOT / "README.md", ROOT / "CHANGELOG.md"]
    return [*named, *sorted((ROOT / "docs").rglob("*.md"))]


def snippets(language: str) -> Iterator[Any]:
    """Yield each fenced piece of a language in any page, named by where it is."""
    for page in pages():
        text = page.read_text(encoding="utf-8")
        for match in FENCE.finditer(text):
            if match[1] == language:
                line = text.count("\n", 0, match.start()) + 1
                yield pytest.param(match[2], id=f"{page.relative_to(ROOT)}:{line}")


@pytest.mark.parametrize("snippet", list(snippets("python")))
def test_python_snippet_compiles(snippet):
    compile(snippet, "<snippet>", "exec")


SETTINGS = [field.name for field in dataclasses.fields(Settings)]


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_has_its_entry_and_default_in_the_reference(name):
    page = (REFERENCE / "settings.md").read_text(encoding="utf-8")
    entry = re.search(
        rf"^## `{name.upper()}`\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL
    )
    assert entry, f"no heading for {name.upper()}"
    default = getattr(Settings(), name)
    if isinstance(default, Mapping):
        default = dict(default)
    shown = f'"{default}"' if isinstance(default, str) else repr(default)
    assert f"Default: `{shown}`" in " ".join(entry[1].split())


def test_reference_knows_no_setting_that_is_gone():
    page = (REFERENCE / "settings.md").read_text(encoding="utf-8")
    named = re.findall(r"^## `(\w+)`$", page, re.MULTILINE)
    assert named == [name.upper() for name in SETTINGS]


def test_every_check_id_is_in_the_reference_and_the_other_way_round():
    source = "".join(it.read_text(encoding="utf-8") for it in modules().values())
    page = (REFERENCE / "checks.md").read_text(encoding="utf-8")
    in_code = {found.rpartition(".")[2] for found in CHECK_ID.findall(source)}
    in_docs = {found.rpartition(".")[2] for found in CHECK_ID.findall(page)}
    assert in_code == in_docs
    assert in_code


def test_changelog_is_about_this_version():
    """A version is released when the changelog has its section, and not before."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## \[(.+?)\]", text, re.MULTILINE)
    assert sections[0] == "Unreleased"
    if released := sections[1:]:
        assert released[0] == django_socket_status.__version__


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_files_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    broken = [
        target
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", FENCE.sub("", text))
        if "://" not in target and not (page.parent / target).exists()
    ]
    # The staged suite has no CONTRIBUTING.md or LICENSE beside it.
    assert not [target for target in broken if (ROOT / "tox.ini").exists()]
