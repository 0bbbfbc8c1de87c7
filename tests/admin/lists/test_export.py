from __future__ import annotations

import csv
import io
import json

import pytest

from django_socket_status.admin.lists import export
from django_socket_status.admin.lists.export import FORMATS, astream, safe_cell, stream
from django_socket_status.backends import get_backend
from django_socket_status.exceptions import BackendError
from django_socket_status.status.search import Search
from tests.admin.lists.conftest import NOW, opened
from tests.status.test_lists import ended, keep, reject
from tests.support.scripted_backend import Gate, fails_with, scripted


def text_of(name: str, **search: str) -> str:
    wanted = Search(**search)
    return "".join(stream(wanted, FORMATS[name](wanted.state)))


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def test_csv_has_a_line_for_each_connection(worker):
    opened(worker, worker.open("call", user="7", labels={"room": "a,b"}, at=NOW))
    names, row = rows(text_of("csv"))
    found = dict(zip(names, row, strict=True))
    assert found["connection_id"] == f"{'a' * 16}-1"
    assert (found["user_id"], found["labels"]) == ("7", "room=a,b")
    assert found["connected_at"] == "2026-09-21T14:13:20+00:00"


@pytest.mark.parametrize("state", ["open", "closed", "rejected"])
def test_json_has_the_fields_of_the_csv(worker, state):
    opened(worker, worker.open(), worker.open())
    keep(ended(1, cause="server_closed", code=4001), ended(2))
    reject(1)
    reject(2)
    body = json.loads(text_of("json", state=state))
    names, *lines = rows(text_of("csv", state=state))
    assert [list(it) for it in body["connections"]] == [names, names]
    assert len(lines) == 2
    assert body["complete"] is True


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "  =1", "\uff1d1"])
def test_text_is_no_formula(worker, text):
    assert safe_cell(text) == f"'{text}"
    opened(worker, worker.open(text, user=text, labels={text: text}, endpoint=text))
    _, row = rows(text_of("csv"))
    assert not any(it.lstrip(" ").startswith(tuple("=+-@\t")) for it in row)


def test_other_text_stays_as_it_is():
    for text in ("", "call", "2026-11-30", "a=b", "'quoted'"):
        assert safe_cell(text) == text


def test_export_is_limited_and_says_so(worker, monkeypatch):
    monkeypatch.setattr(export, "MAX_ROWS", 3)
    opened(worker, *(worker.open() for _ in range(4)))
    body = json.loads(text_of("json"))
    assert len(body["connections"]) == 3
    assert body["complete"] is False
    assert rows(text_of("csv"))[-1] == ["These are the first 3 connections only."]
    opened(worker, *(worker.open() for _ in range(3)))
    assert json.loads(text_of("json"))["complete"] is True


def test_outage_in_the_middle_is_no_complete_answer(worker, monkeypatch):
    monkeypatch.setattr("django_socket_status.status.search.walk.MAX_LIMIT", 2)
    opened(worker, *(worker.open() for _ in range(5)))
    pieces = stream(Search(), FORMATS["json"]("open"))
    assert next(pieces) == '{"connections": ['
    found = next(pieces)
    scripted().before_question = fails_with(BackendError("gone"))
    body = json.loads('{"connections": [' + found + "".join(pieces))
    assert len(body["connections"]) == 2
    assert body["complete"] is False


def test_nothing_is_read_before_the_first_piece(worker):
    opened(worker, worker.open())
    before = scripted().questions
    assert next(stream(Search(), FORMATS["csv"]("open"))).startswith("\ufeffconnection")
    assert scripted().questions == before


async def test_first_rows_are_there_before_the_rest_is_read(worker, monkeypatch):
    monkeypatch.setattr("django_socket_status.status.search.walk.MAX_LIMIT", 2)
    get_backend().report(worker.full([worker.open() for _ in range(5)]))
    pieces = astream(Search(), FORMATS["csv"]("open"))
    assert (await anext(pieces)).startswith("\ufeffconnection_id")
    assert len(rows(await anext(pieces))) == 2
    with Gate() as gate:
        scripted().before_question = gate
    assert len(rows("".join([it async for it in pieces]))) == 3
