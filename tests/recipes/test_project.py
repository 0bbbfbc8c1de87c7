"""Each test that a page shows passes, with the code that the page shows."""

from __future__ import annotations

from tests.recipes.project import DOCS, passed, run, write


def test_examples_of_the_page_about_tests(tmp_path):
    shown = write(tmp_path, [DOCS / "how-to" / "test-a-project.md"])
    told = run(tmp_path)
    assert " passed" in told, told
    assert "failed" not in told, told
    assert " error" not in told, told
    assert passed(told) == {it for it in shown if "/test_" in it}
