from __future__ import annotations

import pytest
from django.http import QueryDict

from django_socket_status.admin.lists.columns import (
    DEFAULTS,
    MAX_COLUMNS,
    chosen,
    columns_of,
    query_value,
)
from django_socket_status.cli.subcommands import closed, connections, rejected
from django_socket_status.status.list_types import STATES

FIELDS = {
    "open": connections.FIELDS,
    "closed": closed.FIELDS,
    "rejected": rejected.FIELDS,
}


def names(query: str, state="open") -> list[str]:
    return [it.name for it in chosen(QueryDict(query), state)]


@pytest.mark.parametrize("state", STATES)
def test_default_columns_are_not_in_the_url(state):
    assert names("", state) == list(DEFAULTS[state])
    assert query_value(chosen(QueryDict(""), state), state) is None


def test_columns_are_chosen_by_url_or_form():
    assert names("cols=type,age") == ["type", "age"]
    assert names("col=type&col=age&col=type") == ["type", "age"]
    assert query_value(chosen(QueryDict("cols=type,age"), "open"), "open") == "type,age"


def test_unknown_columns_are_left_out():
    assert names("cols=cause,type,nonsense,") == ["type"]
    assert names("cols=nonsense") == list(DEFAULTS["open"])


def test_label_may_be_a_column():
    assert names("cols=label.room,label.") == ["label.room"]
    assert len(names("cols=" + ",".join(f"label.{it}" for it in range(99)))) == (
        MAX_COLUMNS
    )


@pytest.mark.parametrize("state", STATES)
def test_columns_have_the_names_of_the_command(state):
    """The command has no host."""
    unknown = {it.name for it in columns_of(state)} - set(FIELDS[state])
    assert unknown <= {"host", "release"}
