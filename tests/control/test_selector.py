"""Which connections a disconnect means: whatever is set narrows."""

from __future__ import annotations

import pytest

from django_socket_status.control.selector import connection_numbers, selector_of
from django_socket_status.records import ConnectionQuery, OpenedConnection

ONE = "aaaa-1"


def select(query: ConnectionQuery | None = None, **given):
    return selector_of(query or ConnectionQuery(), **given)


def opened(number: int, **facts) -> OpenedConnection:
    known = {"type": "call", "endpoint": "", "user_id": "7", "labels": {"room": "a"}}
    return OpenedConnection(number=number, opened_at=0.0, **{**known, **facts})


def means(selector, worker_id: str, connection: OpenedConnection, release="") -> bool:
    own = selector.of_worker(worker_id, release)
    return own is not None and own.means(connection)


def test_everything_that_is_set_has_to_hold():
    selector = select(
        ConnectionQuery(type="call", user_id="7", labels={"room": "a"}),
        worker="w",
        release="r",
        connection_ids=["w-a", "w-b", "v-a"],
        keep=["w-b"],
    )
    assert means(selector, "w", opened(10), "r")
    assert not means(selector, "w", opened(11), "r"), "it is kept"
    assert not means(selector, "w", opened(12), "r"), "it is not named"
    assert not means(selector, "v", opened(10), "r"), "another worker"
    assert not means(selector, "w", opened(10), "s"), "another release"
    assert not means(selector, "w", opened(10, type="chat"), "r")
    assert not means(selector, "w", opened(10, user_id="8"), "r")
    assert not means(selector, "w", opened(10, labels={}), "r")


def test_all_means_every_connection_but_those_to_keep():
    selector = select(all=True, keep=[ONE])
    assert selector.as_dict() == {"keep": [ONE], "all": True}
    assert means(selector, "aaaa", opened(2))
    assert not means(selector, "aaaa", opened(1))


def test_workers_that_cannot_have_a_match_need_not_answer():
    assert not select(connection_ids=[ONE]).may_mean("bbbb")
    assert not select(worker="aaaa").may_mean("bbbb")
    assert select(release="r").may_mean("bbbb")


def test_whole_workers_need_no_search():
    assert select(all=True).is_whole_worker
    assert select(ConnectionQuery(type="call")).is_whole_worker
    assert not select(ConnectionQuery(user_id="7")).is_whole_worker
    assert not select(all=True, keep=[ONE]).is_whole_worker


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({}, "all=True"),
        ({"keep": [ONE]}, "all=True"),
        ({"all": True, "worker": "w"}, "no other selector"),
        ({"connection_ids": []}, "connection_ids is empty"),
        ({"connection_ids": set(), "worker": "w"}, "connection_ids is empty"),
        ({"labels": {}, "worker": "w"}, "labels is empty.*: give it a value, or"),
        ({"worker": ""}, "worker is empty.*: give it a value, or leave it out"),
        ({"release": ""}, "release is empty"),
        ({"connection_ids": ["nonsense"]}, "ids of connections"),
        ({"all": True, "keep": ["a-G"]}, "ids of connections"),
    ],
)
def test_what_would_select_too_much_is_refused(given, rule):
    with pytest.raises(ValueError, match=rule):
        select(**given)


@pytest.mark.parametrize(
    "given",
    [
        {"connection_ids": ONE},
        {"connection_ids": [1]},
        {"keep": iter([ONE]), "all": True},
        {"all": 1},
        {"worker": 7},
        {"release": 7},
    ],
)
def test_wrong_type_is_named(given):
    with pytest.raises(TypeError, match="must"):
        select(**given)


def test_numbers_are_grouped_by_worker_and_named_once():
    found = connection_numbers("keep", ["a-1", "b-ff", "a-1", "a-2"])
    assert found == {"a": [1, 2], "b": [255]}
