"""Each test that a page shows passes, with the code that the page shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.recipes.project import (
    DOCS,
    files_of,
    has_changes,
    passed,
    run,
    write,
    write_before,
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


def test_what_pages_replace_did_what_they_say(tmp_path: Path) -> None:
    pytest.importorskip("channels_presence", reason="the group 'recipes' is needed")
    tests = write_before(tmp_path, [it for it in RECIPES if has_changes(it)])
    told = run(tmp_path)
    assert "FAILED" not in told, told
    assert "ERROR" not in told, told
    assert passed(told) == set(tests), told


def test_each_recipe_has_a_test() -> None:
    pages = {it.stem for it in RECIPES} - {"index"}
    tested = {
        page.stem
        for page in RECIPES
        for name, _ in files_of(page)
        if name.startswith("tests/test_")
    }
    assert pages == tested
