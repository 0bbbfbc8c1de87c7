from __future__ import annotations

import datetime

import pytest
from django.contrib.auth.models import User
from django.http import QueryDict

from django_socket_status.admin.filters import Filter, FilterError
from django_socket_status.admin.parameters import STATES_OF, seconds_of
from django_socket_status.records import ConnectionQuery
from django_socket_status.status.search import Search

NOW = datetime.datetime(2026, 11, 30, tzinfo=datetime.timezone.utc)


def of(query: str, state="open") -> Filter:
    return Filter.of(QueryDict(query), state)


def searched(query: str, state="open") -> Search:
    return of(query, state).search(list, NOW)


def test_url_of_a_filter_makes_the_same_filter():
    query = "type=a%26b&user=pk:7&older=10min&label.room=b%C3%A4r%20%26"
    assert of(query).query() == query
    assert of(of(query).query()) == of(query)


def test_url_takes_other_parameters_and_leaves_some_out():
    found = of("type=call&label.room=blue&after=x&cols=age")
    assert found.query() == "type=call&label.room=blue"
    assert found.query(type="chat", cols=None) == "type=chat&label.room=blue"
    assert found.without("label.room") == "type=call"


def test_filter_becomes_a_search():
    query = "type=call&user=pk:x&label.room=blue&endpoint=/ws/&older=1h&younger=1d"
    expected = Search(
        query=ConnectionQuery(type="call", user_id="x", labels={"room": "blue"}),
        endpoint="/ws/",
        until_at=NOW - datetime.timedelta(hours=1),
        from_at=NOW - datetime.timedelta(days=1),
    )
    assert searched(query) == expected
    assert searched("") == Search()
    assert searched("anonymous=1").query.anonymous
    assert not searched("anonymous=0").query.anonymous


def test_closed_connections_are_searched_by_cause_code_and_release():
    found = searched("cause=server_closed&code=4001&release=v7", "closed")
    assert (found.cause, found.code, found.release) == ("server_closed", 4001, "v7")
    assert found.query.worker_ids is None


def test_age_that_no_calendar_has_selects_nothing_or_all():
    assert searched("older=999999999d").until_at == datetime.datetime.min.replace(
        tzinfo=datetime.timezone.utc
    )


@pytest.mark.django_db
def test_user_is_found_by_name():
    user = User.objects.create_user("alice")
    assert searched("user=alice").query.user_id == str(user.pk)
    with pytest.raises(FilterError, match="No user has the name “bob”"):
        searched("user=bob")
    with pytest.raises(FilterError, match="No user has the name"):
        searched("user=name:%00")


@pytest.mark.parametrize(
    "query",
    [
        "colour=red",
        "label.=x",
        "label=x",
        "label.a=1&label.a=2",
        "older=-1s",
        "older=1",
        "younger=²s",
        "cause=server_closed",
        "code=1000",
        "anonymous=perhaps",
        "user=7&anonymous=1",
        "&".join(f"label.{it}=x" for it in range(17)),
    ],
)
def test_mistake_is_never_an_answer(query):
    assert of(query).problems
    with pytest.raises(FilterError):
        searched(query)


@pytest.mark.parametrize("query", ["cause=bored", "code=x", "code=65536", "code=²"])
def test_mistake_in_a_filter_of_closed_connections(query):
    assert of(query, "closed").problems


def test_filter_of_another_list_leaves_out_what_it_has_not():
    found = of("type=call&cause=server_closed&code=1000", "closed")
    assert found.of_state("rejected").query() == "type=call&code=1000"
    assert found.of_state("open").query() == "type=call"


def test_every_filter_has_a_state():
    assert all(STATES_OF.values())


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("10min", 600), ("2 h", 7200), ("1d", 86_400)]
)
def test_age_in_seconds(text, seconds):
    assert seconds_of(text) == seconds
