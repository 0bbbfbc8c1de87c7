"""Tables of text whose columns stay aligned, for any characters and any width."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from django_socket_status.cli.text import clean, clipped, width_of

__all__ = ["STAR", "Cell", "Column", "Layout", "Mark", "Row", "Table"]

#: Columns of the terminal between two columns of a table. A mark may take the first.
GAP = 2
#: The least width to which a column of text is cut.
LEAST = 8

#: A cell of a table: the name of the table, the key of the row, and the column.
Cell = tuple[str, str, str]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table."""

    name: str
    """What ``--columns`` and ``--sort`` call it: a key of the JSON where it has one."""
    title: str
    """What stands above it."""
    is_number: bool = False
    """Whether it is aligned to the right and never cut."""
    is_whole: bool = False
    """Whether it is never cut, because a part of it would mislead."""
    is_volatile: bool = False
    """Whether it changes with time alone, as an age: then no change is marked."""


class Row(NamedTuple):
    """One row of a table."""

    key: str
    """What tells it apart from the others, also in the next answer."""
    cells: Sequence[str]
    """The text of each column, as it was read: it may hold any character."""
    is_volatile: bool = False
    """Whether all of it changes with time alone."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under columns."""

    name: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    has_titles: bool = True
    is_chosen: bool = False
    """Whether ``--columns`` chose, or can choose, its columns."""

    def cells(self) -> dict[Cell, str]:
        """Return the text of each cell that does not change with time alone."""
        return {
            (self.name, row.key, column.name): text
            for row in self.rows
            for column, text in zip(self.columns, row.cells, strict=True)
            if not (column.is_volatile or row.is_volatile)
        }


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How a changed cell is marked: by escape sequences, or by a star after it."""

    before: str = ""
    after: str = "*"
    width: int = 1
    """How many columns of the terminal it takes."""


#: The mark where no escape sequence may be used.
STAR = Mark()


class Layout:
    """The widths of a table's columns.

    Args:
        table: The table.
        width: The width of the terminal; ``None`` for as wide as the text is. Columns
            of text are cut to fit, the widest first. Columns for which there is no
            space at all are left out, beginning with the last.
    """

    def __init__(self, table: Table, width: int | None = None) -> None:
        self._table = table
        self._rows = [[clean(it) for it in row.cells] for row in table.rows]
        self._natural = [self._natural_width(it) for it in range(len(table.columns))]
        self._widths = self._natural[:]
        #: Titles of the columns for which there is no space.
        self.hidden: list[str] = []
        if width is not None:
            self._fit(max(1, width - 1))

    def lines(self, changed: Collection[Cell] = (), mark: Mark = STAR) -> Iterator[str]:
        """Yield the lines of the table, with marks at the cells that changed."""
        if self._table.has_titles:
            yield self._line([it.title for it in self._table.columns])
        for row, cells in zip(self._table.rows, self._rows, strict=True):
            marks = [
                mark if (self._table.name, row.key, it.name) in changed else None
                for it in self._table.columns
            ]
            yield self._line(cells, marks)

    def _line(self, cells: Sequence[str], marks: Sequence[Mark | None] = ()) -> str:
        parts = []
        for index, width in enumerate(self._widths):
            column = self._table.columns[index]
            text = clipped(cells[index], width)
            mark = marks[index] if marks else None
            spaces = width - width_of(text)
            before = " " * spaces if column.is_number else ""
            after = GAP if column.is_number else spaces + GAP
            if mark is not None and text:
                text = f"{mark.before}{text}{mark.after}"
                after -= mark.width
            parts.append(f"{before}{text}{' ' * after}")
        return "".join(parts).rstrip(" ")

    def _natural_width(self, index: int) -> int:
        column = self._table.columns[index]
        title = width_of(column.title) if self._table.has_titles else 0
        return max([title, *(width_of(cells[index]) for cells in self._rows)])

    def _fit(self, width: int) -> None:
        while (excess := self._total - width) > 0:
            index = self._widest()
            if index is not None:
                spare = self._widths[index] - LEAST
                # Half of it, so that columns of similar width share the cut.
                self._widths[index] -= max(1, min(excess, spare) // 2)
            elif len(self._widths) > 1:
                self._widths.pop()
                column = self._table.columns[len(self._widths)]
                self.hidden.insert(0, column.title or column.name)
            else:
                self._widths[0] = width
        # Columns get back what a hidden column has freed.
        for index, natural in enumerate(self._natural[: len(self._widths)]):
            missing = natural - self._widths[index]
            self._widths[index] += min(missing, width - self._total)

    @property
    def _total(self) -> int:
        return sum(self._widths) + GAP * (len(self._widths) - 1)

    def _is_whole(self, index: int) -> bool:
        column = self._table.columns[index]
        return column.is_number or column.is_whole

    def _widest(self) -> int | None:
        """Return the widest column that can be cut, if any can."""
        widths = [
            (width, index)
            for index, width in enumerate(self._widths)
            if width > LEAST and not self._is_whole(index)
        ]
        return max(widths)[1] if widths else None
