"""What one reading looks like: sentences and tables, and the same as JSON."""

from __future__ import annotations

import dataclasses
import json
import textwrap
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from django_socket_status.cli.tables import STAR, Cell, Layout, Mark, Table
from django_socket_status.cli.text import clean, clipped

__all__ = ["Answer", "json_text"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer of a subcommand."""

    body: Mapping[str, Any]
    """The answer as JSON: the keys of the JSON endpoint."""
    tables: Sequence[Table] = ()
    """The answer for people."""
    notes: Sequence[str] = ()
    """What limits the answer, one sentence each: it stands above the tables."""
    footer: Sequence[str] = ()
    """What to read below the tables."""

    def cells(self) -> dict[Cell, str]:
        """Return the text of each cell that does not change with time alone."""
        return {
            cell: text for table in self.tables for cell, text in table.cells().items()
        }

    def lines(
        self,
        width: int | None = None,
        *,
        changed: Collection[Cell] = (),
        mark: Mark = STAR,
    ) -> Iterator[str]:
        """Yield the lines of the answer.

        Args:
            width: The width of the terminal; ``None`` if nothing is to be cut.
            changed: The cells to mark.
            mark: How they are marked.
        """
        for note in self.notes:
            yield from wrapped(f"! {note}", width)
        is_first = not self.notes
        for table in self.tables:
            if not is_first:
                yield ""
            is_first = False
            layout = Layout(table, width)
            yield from layout.lines(changed, mark)
            if layout.hidden:
                titles = ", ".join(layout.hidden)
                yield from wrapped(
                    f"! No space for {titles}: widen the terminal, or choose --columns."
                    if table.is_chosen
                    else f"! No space for {titles}: widen the terminal.",
                    width,
                )
        for line in self.footer:
            yield from wrapped(line, width)


def wrapped(text: str, width: int | None) -> Iterator[str]:
    """Yield a sentence in lines of at most ``width`` columns."""
    text = clean(text)
    if width is None:
        yield text
        return
    for line in textwrap.wrap(text, max(1, width - 1), subsequent_indent="  "):
        yield clipped(line, max(1, width - 1))


def json_text(body: Mapping[str, Any], *, indent: int | None = None) -> str:
    """Return JSON that is safe to show: all of it is printable ASCII."""
    text = json.dumps(body, indent=indent, ensure_ascii=True)
    return text.replace("\x7f", "\\u007f")
