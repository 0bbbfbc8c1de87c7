"""The connections of one user are counted, and found without a scan."""

from __future__ import annotations

import random
from typing import Any

import pytest

from django_socket_status.registry import user_index
from django_socket_status.registry.user_index import MAX_LISTED, UserIndex


class Connection:
    def __init__(self, number: int) -> None:
        self.number = number


def connections(count: int) -> list[Connection]:
    return [Connection(number) for number in range(1, count + 1)]


def filled(count: int, user: str = "7") -> tuple[UserIndex, list[Connection]]:
    index, them = UserIndex(), connections(count)
    assert index.add([user] * count, them) == 0
    return index, them


@pytest.mark.parametrize("count", [1, 2, 3, MAX_LISTED])
def test_connections_of_a_user_are_found_until_each_is_removed(count):
    index, them = filled(count)
    assert index == {"7": count}
    for place, connection in enumerate(them, 1):
        assert list(index.find("7") or ()) == them[place - 1 :]
        assert index.remove([("7", connection.number)]) == 0
    assert index == {}
    assert index.find("7") == ()


def test_user_with_many_connections_is_only_counted():
    index, them = filled(MAX_LISTED + 1)
    assert index.find("7") is None
    assert index == {"7": MAX_LISTED + 1}
    for connection in them:
        index.remove([("7", connection.number)])
    assert index == {}
    # The next ones are found again.
    index.add(["7"], them[:1])
    assert index.find("7") == (them[0],)


def test_connection_under_another_number_is_only_counted():
    index, them = filled(3)
    them[1].number = 99
    index.remove([("7", 2)])
    assert index.find("7") is None
    assert index == {"7": 2}


def test_those_without_a_user_are_counted_aside():
    index = UserIndex()
    assert index.add([None, "7", None], connections(3)) == 2
    assert index == {"7": 1}
    assert index.remove([(None, 1), ("7", 2)]) == 1
    assert not index


def test_users_that_came_and_left_are_told_once():
    index, _ = filled(1)
    assert index.changed() == (["7"], [])
    assert index.changed() == ([], [])
    index.add(["7", "8", "9"], connections(3))
    index.remove([("8", 2)])
    assert index.changed() == (["9"], [])
    index.remove([("7", 1), ("7", 1), ("9", 3)])
    assert index.changed() == ([], ["7", "9"])


def test_any_order_of_changes_keeps_the_numbers_and_the_connections(monkeypatch):
    monkeypatch.setattr(user_index, "MAX_LISTED", 4)
    chance = random.Random(15)
    index = UserIndex()
    there: dict[str, list[Any]] = {}
    for number in range(1, 3_000):
        user = chance.choice("abc")
        if chance.random() < 0.5:
            connection = Connection(number)
            index.add([user], [connection])
            there.setdefault(user, []).append(connection)
        elif user in there:
            gone = there[user].pop(chance.randrange(len(there[user])))
            index.remove([(user, gone.number)])
            if not there[user]:
                del there[user]
        assert index == {it: len(them) for it, them in there.items()}
        for it, them in there.items():
            found = index.find(it)
            assert found is None or set(found) == set(them)
