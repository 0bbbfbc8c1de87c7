"""Tables of the documentation, for tests that hold the code against them."""

from __future__ import annotations

import re

from tests.support.source import ROOT

__all__ = ["table_after"]


def table_after(page: str, words: str) -> list[list[str]]:
    """Return the cells of the first table below some words, its head first.

    Args:
        page: A page below ``docs``, such as ``reference/endings.md``.
        words: A heading, or the beginning of a line.
    """
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    _, found, below = text.partition(f"\n{words}")
    assert found, f"{page} has no line that begins with {words!r}"
    (table, *_) = re.findall(r"(?:^\|.*\n)+", below, re.MULTILINE)
    head, _, *rows = table.splitlines()
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in (head, *rows)
    ]
