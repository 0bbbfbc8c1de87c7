"""Programs find every page, and the comparison says where it knows that from."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.source import ROOT

pytestmark = pytest.mark.text

DOCS = ROOT / "docs"

#: What is about work on the package, and not about its use.
LEFT_OUT = {"index.md", "changelog.md"}


@pytest.fixture(scope="module")
def llms() -> ModuleType:
    spec = importlib.util.spec_from_file_location("llms", DOCS / "llms.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_page_of_use_is_listed(llms):
    listed = re.findall(r"^- \[.+?\]\((.+?)\)", llms.llms_txt(DOCS), re.MULTILINE)
    pages = {it.relative_to(DOCS).as_posix() for it in DOCS.rglob("*.md")}
    used = {it for it in pages - LEFT_OUT if not it.startswith("internals/")}
    assert sorted(listed) == sorted(used)


def test_text_begins_with_title_and_summary(llms):
    title, empty, summary, *_ = llms.llms_txt(DOCS).splitlines()
    assert title == "# django-socket-status"
    assert not empty
    assert summary.startswith("> Which WebSockets are open")


def test_summary_is_plain_text_of_the_first_paragraph(llms, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# Title\n\n```text\nno\n```\n\nOne [link](a.md),\ntwo lines.\n\nMore."
    )
    assert llms.head_of(page) == ("Title", "One link, two lines.")
    page.write_text("# Title\n\n| a | b |\n|---|---|\n")
    assert llms.head_of(page) == ("Title", "")


def test_listed_pages_are_beside_the_text(llms, tmp_path):
    llms.write(DOCS, tmp_path)
    text = (tmp_path / "llms.txt").read_text(encoding="utf-8")
    assert text == llms.llms_txt(DOCS)
    targets = re.findall(r"^- \[.+?\]\((.+?)\)", text, re.MULTILINE)
    assert targets
    assert not [it for it in targets if not (tmp_path / it).exists()]


def cells(page: Path) -> list[str]:
    """Return the cells of the tables of a page without their heads and first column."""
    found: list[str] = []
    for table in re.findall(r"(?:^\|.*\n)+", page.read_text("utf-8"), re.MULTILINE):
        for row in table.splitlines()[2:]:
            found += row.strip("|").split(" | ")[1:]
    return found


def test_every_cell_of_the_comparison_has_its_source():
    found = cells(DOCS / "explanation" / "comparison.md")
    assert len(found) > 40
    assert not [it for it in found if not re.search(r"\]\([^)]+\)", it)]
