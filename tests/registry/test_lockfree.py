"""What waits is taken out once, and nothing is lost when that is interrupted."""

from __future__ import annotations

from collections import deque

import pytest

from django_socket_status.registry import lockfree
from django_socket_status.registry.lockfree import drain_deque, drain_set

pytestmark = pytest.mark.python


def test_what_is_in_a_set_is_drain_set():
    waiting = {1, 2, 3}
    with drain_set(waiting) as taken:
        assert sorted(taken) == [1, 2, 3]
        assert waiting == set()
        waiting.add(4)
        taken.clear()
    assert waiting == {4}


def test_what_was_not_seen_to_goes_back():
    waiting = {1, 2, 3}
    with pytest.raises(KeyboardInterrupt), drain_set(waiting, but_not={2}) as taken:
        taken.remove(1)
        raise KeyboardInterrupt
    assert waiting == {3}


def test_what_another_thread_takes_meanwhile_is_not_waited_for():
    class Shared(set):
        """Another thread always takes one first, as soon as the length is known."""

        def __len__(self) -> int:
            return super().__len__() + 1

    waiting = Shared({1, 2})
    with drain_set(waiting) as taken:
        assert sorted(taken) == [1, 2]
        taken.clear()
    assert not set(waiting)


def test_set_is_not_shrunk_without_the_gil(monkeypatch):
    class Shared(set):
        """Without the GIL, it is built again and replaced in two steps."""

        def intersection_update(self, *others):
            raise AssertionError("what is added in between would be lost")

    monkeypatch.setattr(lockfree, "has_gil", lambda: False)
    waiting = Shared({1, 2})
    with drain_set(waiting) as taken:
        assert sorted(taken) == [1, 2]
        taken.clear()
    assert not waiting


def test_what_is_in_a_queue_is_drain_set_in_order():
    waiting = deque([1, 2, 3])
    assert drain_deque(waiting) == [1, 2, 3]
    assert not waiting
    assert drain_deque(waiting) == []
