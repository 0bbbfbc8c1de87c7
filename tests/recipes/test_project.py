"""Each test that a page shows passes, with the code that the page shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.recipes.project import DOCS, files_of, passed, run, write

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


def test_each_recipe_has_a_test() -> None:
    pages = {it.stem for it in RECIPES} - {"index"}
    tested = {
        page.stem
        for page in RECIPES
        for name, _ in files_of(page)
        if name.startswith("tests/test_")
    }
    assert pages == tested
