"""How many there are, of each type and of each user."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from django_socket_status.bounds import MAX_TYPES
from django_socket_status.counting import Counts
from tests.examples import as_many_as


def test_types_and_users_are_counted():
    counts = Counts()
    assert counts.add(["call", "call", "chat"], ["1", None, "1"]) == [
        "call",
        "call",
        "chat",
    ]
    assert counts.by_type == {"call": 2, "chat": 1}
    assert counts.by_user == {"1": 2}
    assert counts.anonymous == 1
    counts.take(["call", "call"], ["1", None])
    assert counts.by_type == {"chat": 1}
    assert counts.by_user == {"1": 1}
    assert counts.anonymous == 0


def test_somebody_who_is_not_told_by_name_is_neither_a_user_nor_nobody():
    counts = Counts()
    counts.add(["call"], [True])
    assert counts.by_type == {"call": 1}
    assert counts.by_user == {}
    assert counts.anonymous == 0
    counts.take(["call"], [True])
    assert counts.by_type == {}


def test_only_who_came_or_left_for_good_has_changed():
    counts = Counts()
    counts.add(["call"] * 3, ["1", "2", "2"])
    assert counts.changed_users() == (["1", "2"], [])
    counts.take(["call"] * 2, ["1", "2"])
    counts.add(["call"] * 2, ["3", "1"])
    assert counts.changed_users() == (["3"], [])
    counts.take(["call"] * 2, ["2", "3"])
    counts.add(["call"], ["4"])
    counts.take(["call"], ["4"])
    assert counts.changed_users() == ([], ["2", "3"])
    assert counts.changed_users() == ([], [])


def test_types_above_the_cap_are_one():
    counts = Counts()
    types = [f"type-{number}" for number in range(MAX_TYPES + 10)]
    told = counts.add([*types, "type-0"], [None] * (MAX_TYPES + 11))
    assert told == [*types[:MAX_TYPES], *["other"] * 10, "type-0"]
    assert counts.by_type["other"] == 10
    assert counts.by_type["type-0"] == 2
    # What has no place still has none, however often it comes.
    assert counts.add([types[-1]], [None]) == ["other"]
    counts.take(told, [None] * len(told))
    assert counts.by_type == {"other": 1}


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(["1", "2", None, True])),
        max_size=30,
    ),
    st.data(),
)
@hypothesis_settings(max_examples=as_many_as(60), deadline=None, derandomize=True)
def test_counts_are_those_of_what_is_there(connections, data):
    counts = Counts()
    there: list = []
    known: set[str] = set()
    while connections or there:
        some = [connections.pop() for _ in range(min(len(connections), 4))]
        counts.add([kind for kind, _ in some], [user for _, user in some])
        there += some
        gone = [
            there.pop()
            for _ in range(
                data.draw(st.integers(0 if connections else len(there), len(there)))
            )
        ]
        counts.take([kind for kind, _ in gone], [user for _, user in gone])
        assert counts.by_type == Counter(kind for kind, _ in there)
        users = [user for _, user in there]
        assert counts.by_user == Counter(it for it in users if isinstance(it, str))
        assert counts.anonymous == users.count(None)
        joined, left = counts.changed_users()
        known = (known | {*joined}) - {*left}
        assert known == set(counts.by_user)
