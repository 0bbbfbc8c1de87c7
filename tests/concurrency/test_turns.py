from __future__ import annotations

import threading

import pytest

from django_socket_status.concurrency.turns import Turns, TurnsFullError

pytestmark = pytest.mark.python


def turns_of(*items: tuple[str, int]) -> Turns[int]:
    turns: Turns[int] = Turns()
    for key, item in items:
        turns.put(key, item, most=100, most_of_key=100)
    return turns


def everything(turns: Turns[int]) -> list[int]:
    taken = []
    while (item := turns.take()) is not None:
        taken.append(item)
    return taken


def test_items_of_one_key_keep_their_order():
    assert everything(turns_of(("a", 1), ("a", 2), ("a", 3))) == [1, 2, 3]


def test_keys_take_turns_however_many_items_one_of_them_has():
    crowd = [("crowd", number) for number in range(50)]
    turns = turns_of(*crowd, ("a", 101), ("a", 102), ("b", 201))
    assert everything(turns)[:7] == [0, 101, 201, 1, 102, 2, 3]


def test_key_that_comes_back_waits_for_those_who_are_there():
    turns = turns_of(("a", 1), ("b", 2))
    assert turns.take() == 1
    turns.put("a", 3, most=100, most_of_key=100)
    assert everything(turns) == [2, 3]


def test_key_with_too_many_items_is_refused_and_others_are_not():
    turns = turns_of()
    for item in (1, 2):
        turns.put("a", item, most=4, most_of_key=2)
    with pytest.raises(TurnsFullError):
        turns.put("a", 3, most=4, most_of_key=2)
    turns.put("b", 4, most=4, most_of_key=2)
    turns.put("c", 5, most=4, most_of_key=2)
    with pytest.raises(TurnsFullError):
        turns.put("d", 6, most=4, most_of_key=2)
    assert len(turns) == 4
    assert everything(turns) == [1, 4, 5, 2]


def test_place_that_was_taken_out_is_free_again():
    turns = turns_of()
    for item in range(10):
        turns.put("a", item, most=1, most_of_key=1)
        assert turns.take() == item
    assert len(turns) == 0
    assert turns.take() is None


def test_limit_of_zero_takes_no_item():
    with pytest.raises(TurnsFullError):
        turns_of().put("a", 1, most=1, most_of_key=0)


def test_every_item_is_taken_once_by_whichever_thread():
    turns = turns_of(*((str(number % 7), number) for number in range(100)))
    taken: list[list[int]] = []
    threads = [
        threading.Thread(target=lambda: taken.append(everything(turns)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(item for items in taken for item in items) == [*range(100)]
