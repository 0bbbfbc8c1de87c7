from __future__ import annotations

import json

from django_socket_status.cli.frames import Answer, json_text
from django_socket_status.cli.tables import Column, Row, Table

TABLE = Table(
    name="t",
    columns=[
        Column(name="a", title="A"),
        Column(name="b", title="B"),
    ],
    rows=[Row("1", ("first" * 4, "second" * 4))],
    is_chosen=True,
)


def test_sentences_stand_above_and_below_the_tables():
    answer = Answer(body={}, notes=["Old."], tables=[TABLE, TABLE], footer=["2 of 3"])
    assert list(answer.lines()) == [
        "! Old.",
        "",
        "A                     B",
        "firstfirstfirstfirst  secondsecondsecondsecond",
        "",
        "A                     B",
        "firstfirstfirstfirst  secondsecondsecondsecond",
        "2 of 3",
    ]


def test_missing_columns_are_named():
    shown = list(Answer(body={}, tables=[TABLE]).lines(12))
    assert "".join(" ".join(shown[2:]).split()) == (
        "!NospaceforB:widentheterminal,orchoose--columns."
    )
    assert all(len(line) < 12 for line in shown)


def test_sentence_cannot_act_on_a_terminal():
    (line,) = Answer(body={}, notes=["reason: \x1b[2J\nx"]).lines(80)
    assert line == "! reason: \\x1b[2J\\x0ax"


def test_cells_are_those_of_all_tables():
    assert Answer(body={}, tables=[TABLE]).cells() == {
        ("t", "1", "a"): "first" * 4,
        ("t", "1", "b"): "second" * 4,
    }


def test_json_is_printable_ascii_and_says_the_same():
    body = {"labels": {"room": "".join(map(chr, range(0x100))) + "\u202e日\U0001f389"}}
    text = json_text(body)
    assert text.isascii() and text.isprintable()
    assert json.loads(text) == body
