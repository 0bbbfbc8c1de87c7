from __future__ import annotations

import pytest

from django_socket_status.cli.tables import Column, Layout, Mark, Row, Table
from django_socket_status.cli.text import width_of

COLUMNS = (
    Column(name="room", title="ROOM"),
    Column(name="open", title="OPEN", is_number=True),
    Column(name="age", title="AGE", is_volatile=True),
)


def table(*rows: tuple[str, str, str], has_titles: bool = True) -> Table:
    return Table(
        name="rooms",
        columns=COLUMNS,
        rows=[Row(row[0], row) for row in rows],
        has_titles=has_titles,
    )


def lines(shown: Table, width: int | None = None) -> list[str]:
    return list(Layout(shown, width).lines())


def test_columns_are_aligned_and_numbers_end_at_one_place():
    assert lines(table(("blue", "9", "3 s"), ("green", "10", "4 s"))) == [
        "ROOM   OPEN  AGE",
        "blue      9  3 s",
        "green    10  4 s",
    ]


def test_table_without_titles_is_as_wide_as_its_cells():
    assert lines(table(("a", "9", "x"), has_titles=False)) == ["a  9  x"]


def test_wide_characters_keep_columns_aligned():
    shown = lines(table(("日本", "1", "x"), ("e\u0301té", "2", "x"), ("abc", "3", "x")))
    starts = {width_of(line[: line.index("x")]) for line in shown[1:]}
    assert starts == {width_of(shown[0][: shown[0].index("AGE")])}


def test_hostile_cells_stay_in_their_place():
    shown = lines(table(("a\x1b[2J\r\nb\u202e", "1", "\x9b31m")))
    assert len(shown) == 2
    assert all(it.isprintable() for it in shown)
    assert "a\\x1b[2J\\x0d\\x0ab\\u202e" in shown[1]


@pytest.mark.parametrize("width", range(1, 60))
def test_no_line_is_as_wide_as_the_terminal(width):
    rows = [("日本語" * 9, "123456", "x" * 40), ("a", "1", "2")]
    assert all(width_of(it) < max(width, 2) for it in lines(table(*rows), width))


def test_widest_column_is_cut_first():
    shown = lines(table(("r" * 30, "7", "3 s")), 30)
    assert shown[1].startswith("rrrrrrrr") and shown[1].endswith("…     7  3 s")


def test_column_that_would_mislead_is_never_cut():
    columns = (
        Column(name="type", title="TYPE"),
        Column(name="cause", title="CAUSE", is_whole=True),
        Column(name="user", title="USER"),
    )
    row = Row("1", ("consultation", "client_closed", "ada"))
    layout = Layout(Table(name="t", columns=columns, rows=[row]), 26)
    assert list(layout.lines()) == [
        "TYPE        CAUSE",
        "consultat…  client_closed",
    ]
    assert layout.hidden == ["USER"]


def test_columns_without_space_are_named():
    layout = Layout(table(("r" * 30, "7", "3 s")), 10)
    assert layout.hidden == ["OPEN", "AGE"]
    assert list(layout.lines()) == ["ROOM", "rrrrrrrr…"]


def test_changed_cells_are_marked_and_stay_aligned():
    shown = table(("blue", "9", "3 s"), ("green", "10", "4 s"))
    changed = {("rooms", "blue", "open"), ("rooms", "green", "room")}
    assert list(Layout(shown).lines(changed)) == [
        "ROOM   OPEN  AGE",
        "blue      9* 3 s",
        "green*   10  4 s",
    ]
    colored = Mark(before="<", after=">", width=0)
    assert list(Layout(shown).lines(changed, colored))[1] == "blue      <9>  3 s"


def test_empty_cell_has_no_mark():
    shown = list(Layout(table(("", "1", "x"))).lines({("rooms", "", "room")}))
    assert "*" not in shown[1]


def test_what_changes_with_time_alone_is_not_compared():
    row = Row("age", ("oldest report", "1", "2"), is_volatile=True)
    shown = Table(name="t", columns=COLUMNS, rows=[row, Row("b", ("b", "2", "3 s"))])
    assert shown.cells() == {("t", "b", "room"): "b", ("t", "b", "open"): "2"}
