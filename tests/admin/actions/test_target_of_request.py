"""Nothing selected means nothing; a wrong filter means nothing; no filter is a link."""

from __future__ import annotations

import pytest
from django.test import RequestFactory

from django_socket_status.admin.actions.target_of_request import (
    MAX_SELECTED,
    BadTargetError,
    target_of,
)

ONE, TWO = "8f3a5c0d9e1b2746-1a", "8f3a5c0d9e1b2746-2b"


def got(query: str = ""):
    return target_of(RequestFactory().get(f"/?{query}"))


def posted(data: dict[str, object], query: str = ""):
    return target_of(RequestFactory().post(f"/?{query}", data))


def test_selected_connections_are_meant_each_once():
    target = posted({"connection_id": [ONE, TWO, ONE]}, "type=call")
    assert (list(target.ids), target.search) == ([ONE, TWO], None)
    assert target.words == "2 selected connections"


def test_link_may_name_one_connection():
    target = got(f"connection_id={ONE}")
    assert (list(target.ids), target.words) == ([ONE], f"Connection {ONE}")


def test_link_with_a_filter_means_what_matches():
    target = got("type=call&label.room=1&cols=user")
    assert target.search is not None
    assert target.search.query.type == "call"
    assert target.search.query.labels == {"room": "1"}
    assert target.words == "Connections with type=call label.room=1"


@pytest.mark.parametrize("query", ["", "type=", "cols=user&after=x&state=open"])
def test_link_without_a_filter_means_everything(query):
    target = got(query)
    assert target.is_everything
    assert target.words == "All connections"


@pytest.mark.parametrize("query", ["", "type=call"])
def test_form_with_nothing_selected_means_nothing(query):
    with pytest.raises(BadTargetError, match="Select the connections"):
        posted({"confirm": "1"}, query)


def test_form_may_mean_all_that_match():
    target = posted({"all_matching": "1", "connection_id": [ONE]}, "type=call")
    assert target.search is not None
    assert target.search.query.type == "call"
    assert not target.is_everything


@pytest.mark.parametrize(
    "query", ["typ=call", "older=soon", "user=7&anonymous=1", "cause=left", "code=4000"]
)
def test_wrong_filter_means_nothing(query):
    with pytest.raises(BadTargetError):
        got(query)
    with pytest.raises(BadTargetError):
        posted({"all_matching": "1"}, query)


@pytest.mark.parametrize("bad", ["x", "", "a-b-c", "<script>", "-1", "a-" + "1" * 15])
def test_text_that_is_no_id_means_nothing(bad):
    with pytest.raises(BadTargetError, match="no valid id"):
        posted({"connection_id": [ONE, bad]})


def test_more_than_one_action_may_close_are_refused():
    ids = [f"8f3a5c0d9e1b2746-{n:x}" for n in range(MAX_SELECTED + 1)]
    with pytest.raises(BadTargetError, match="at most 500"):
        posted({"connection_id": ids})
