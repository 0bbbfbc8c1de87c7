"""Each test that a page shows passes, with the code that the page shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.recipes.project import (
    DOCS,
    diffs_of,
    files_of,
    passed,
    run,
    side_of,
    write,
)

pytestmark = pytest.mark.slow

#: Two projects, since two pages may show the same file: here that of the fixtures.
PAGES = [DOCS / "how-to" / "test-a-project.md"]
RECIPES = sorted((DOCS / "recipes").glob("*.md"))


@pytest.mark.parametrize("pages", [PAGES, RECIPES], ids=["how-to", "recipes"])
def test_examples_of_pages_pass(pages: list[Path], tmp_path: Path) -> None:
    shown = write(tmp_path, pages)
    told = run(tmp_path)
    assert " passed" in told, told
    assert "FAILED" not in told, told
    assert "ERROR" not in told, told
    assert passed(told) == {it for it in shown if "/test_" in it}


@pytest.mark.parametrize(
    "page", [it for it in RECIPES if diffs_of(it)], ids=lambda page: page.stem
)
def test_both_sides_of_a_change_compile(page: Path) -> None:
    for diff in diffs_of(page):
        for sign in "-+":
            compile(side_of(diff, sign), page.name, "exec")


def test_each_recipe_has_a_test() -> None:
    pages = {it.stem for it in RECIPES} - {"index"}
    tested = {
        page.stem
        for page in RECIPES
        for name, _ in files_of(page)
        if name.startswith("tests/test_")
    }
    assert pages == tested
