"""How many there are, of each type and of each user."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from django_socket_status.limits import MAX_TYPES
from django_socket_status.registry.counts import CountKey, Counts, TypeKeys
from tests.examples import as_many_as

pytestmark = pytest.mark.python


def by_user(counts: Counts, *types: str) -> list[CountKey]:
    """Return the key of each of some connections that have users."""
    return [counts.keys_of(it).by_user for it in types]


class Numbered:
    """A connection, as far as counts look at it."""

    def __init__(self, number: int) -> None:
        self.number = number


def add_users(counts: Counts, *users: str | None) -> None:
    """Count connections that are numbered by their users."""
    counts.add_users(users, [Numbered(int(user or 0)) for user in users])


def uncount_users(counts: Counts, *users: str | None) -> None:
    counts.uncount_users([(user, int(user or 0)) for user in users])


def test_types_and_users_are_counted():
    counts = Counts(str)
    keys = by_user(counts, "call", "call", "chat")
    assert counts.add(keys) == keys
    add_users(counts, "1", None, "1")
    assert counts.by_type == {"call": 2, "chat": 1}
    assert counts.by_user == {"1": 2}
    assert counts.anonymous == 1
    counts.uncount(keys[:2])
    uncount_users(counts, "1", None)
    assert counts.by_type == {"chat": 1}
    assert counts.by_user == {"1": 1}
    assert counts.anonymous == 0


def test_anonymous_connections_are_counted_without_user_keys():
    counts = Counts(str)
    anonymous, signed_in, _ = counts.keys_of("call")
    counts.add([signed_in, anonymous, signed_in])
    assert counts.by_type == {"call": 3}
    assert counts.by_user == {}
    assert counts.anonymous == 1
    counts.uncount([signed_in, anonymous])
    assert counts.by_type == {"call": 1}
    assert counts.anonymous == 0


def test_connections_of_a_type_share_their_groups_while_it_is_counted():
    counts = Counts(str)
    keys = counts.keys_of("call")
    counts.add([keys.signed_in])
    assert counts.keys_of("call") is keys
    counts.uncount([keys.signed_in])
    # Or every type that ever was would be remembered.
    assert counts.keys_of("call") is not keys


def test_nothing_is_taken_that_was_counted_elsewhere():
    before, counts = Counts(str), Counts(str)
    counts.add([counts.keys_of("call").anonymous])
    counts.uncount([before.keys_of("call").anonymous])
    assert counts.by_type == {"call": 1}
    assert counts.anonymous == 1


def test_only_who_came_or_left_for_good_has_changed():
    counts = Counts(str)
    add_users(counts, "1", "2", "2")
    assert counts.changed_users() == (["1", "2"], [])
    uncount_users(counts, "1", "2")
    add_users(counts, "3", "1")
    assert counts.changed_users() == (["3"], [])
    uncount_users(counts, "2", "3")
    add_users(counts, "4")
    uncount_users(counts, "4")
    assert counts.changed_users() == ([], ["2", "3"])
    assert counts.changed_users() == ([], [])


@pytest.mark.parametrize("which", TypeKeys._fields)
def test_types_above_the_cap_are_one(which):
    def cells_of(*types: str) -> list[CountKey]:
        return [getattr(counts.keys_of(it), which) for it in types]

    counts = Counts(str)
    types = [f"type-{number}" for number in range(MAX_TYPES + 10)]
    told = counts.add(cells_of(*types, "type-0"))
    assert [it.type for it in told] == [*types[:MAX_TYPES], *["other"] * 10, "type-0"]
    assert {it.signed_in for it in told} == {it.signed_in for it in cells_of("other")}
    assert counts.by_type["other"] == 10
    assert counts.by_type["type-0"] == 2
    refused = counts.keys_of(types[-1])
    # What has no place still has none, however often it comes,
    assert counts.add(cells_of(types[-1])) == cells_of("other")
    # and is not remembered.
    assert counts.keys_of(types[-1]) is not refused
    counts.uncount(told)
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
    counts = Counts(str)
    there: list = []
    known: set[str] = set()

    def counted(some: list) -> tuple[list[CountKey], list[str | None]]:
        """Return keys, and the users of whom is told by name, or who is nobody."""
        keys = [counts.keys_of(kind) for kind, _ in some]
        return [
            it.signed_in if user is True else it.by_user
            for it, (_, user) in zip(keys, some, strict=True)
        ], [user for _, user in some if user is not True]

    while connections or there:
        some = [connections.pop() for _ in range(min(len(connections), 4))]
        keys, users = counted(some)
        counts.add(keys)
        add_users(counts, *users)
        there += some
        gone = [
            there.pop()
            for _ in range(
                data.draw(st.integers(0 if connections else len(there), len(there)))
            )
        ]
        keys, users = counted(gone)
        counts.uncount(keys)
        uncount_users(counts, *users)
        assert counts.by_type == Counter(kind for kind, _ in there)
        users = [user for _, user in there]
        assert counts.by_user == Counter(it for it in users if isinstance(it, str))
        assert counts.anonymous == users.count(None)
        joined, left = counts.changed_users()
        known = (known | {*joined}) - {*left}
        assert known == set(counts.by_user)
