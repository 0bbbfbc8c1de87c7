from __future__ import annotations

import json
import shlex
from io import StringIO

import pytest
from django.core.management import call_command
from django.http import QueryDict

from django_socket_status.admin.filters import Filter
from django_socket_status.admin.lists.columns import chosen
from django_socket_status.admin.lists.command_line import command_of
from tests.admin.lists.conftest import opened


def of(query: str, state="open", user_id=None) -> str:
    given = QueryDict(query)
    return command_of(Filter.of(given, state), chosen(given, state), user_id)


@pytest.mark.parametrize(
    ("query", "state", "line"),
    [
        ("", "open", "list"),
        ("type=call&anonymous=1", "open", "list --type=call --anonymous"),
        ("label.room=a%27b", "open", "list '--label=room=a'\"'\"'b'"),
        ("code=4001&cols=type", "closed", "closed --code=4001 --columns=type"),
        ("older=2 h&host=a&worker=b", "open", "list --worker=b --host=a '--older=2 h'"),
        ("cols=host", "open", "list --columns=type"),
        ("type=-x;rm", "rejected", "rejected '--type=-x;rm'"),
    ],
)
def test_line_has_the_same_filter(query, state, line):
    assert of(query, state) == f"python manage.py socket_status {line}"


def test_user_is_named_by_the_key():
    assert of("user=alice", user_id="7").endswith(" list --user=pk:7")


def test_line_lists_what_the_page_lists(worker):
    opened(
        worker,
        worker.open("-x'y", labels={"room": 'a "b"'}),
        worker.open("-x'y", labels={"room": "c"}),
    )
    line = of("type=-x%27y&label.room=a %22b%22")
    words = shlex.split(line)[3:]
    output = StringIO()
    call_command("socket_status", *words, "--json", stdout=output)
    (found,) = json.loads(output.getvalue())["connections"]
    assert found["labels"] == {"room": 'a "b"'}
