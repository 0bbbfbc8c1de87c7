from __future__ import annotations

import json

import pytest

from django_socket_status.control.revocation import (
    RevocationOrder,
    SessionEnd,
    UserEnd,
    packed,
)
from django_socket_status.control.texts import MAX_COMMAND_BYTES, order_of
from django_socket_status.exceptions import BackendError

SESSION = SessionEnd(hashes=("a" * 22, "b" * 22), user_id="7")
USER = UserEnd(
    user_id="8",
    reason="password_change",
    ago_seconds=1.5,
    current=("c" * 22,),
    keep=("d" * 22,),
)


def test_order_is_the_same_after_its_text():
    order = RevocationOrder(sessions=(SESSION,), users=(USER,), seconds=30.0)
    assert order_of(order.to_text()) == order
    anonymous = RevocationOrder(sessions=(SessionEnd(hashes=("a",), user_id=None),))
    assert order_of(anonymous.to_text()) == anonymous


def test_order_has_as_many_ends_as_a_command_has_room_for():
    ends = [SESSION, USER] * 100
    order, number = packed(ends, 60.0)
    assert 20 < number < 200
    assert len(order.sessions) + len(order.users) == number
    assert len(order.to_text()) <= MAX_COMMAND_BYTES


def test_largest_end_fits():
    many = tuple("h" * 22 for _ in range(100))
    largest = UserEnd(
        user_id="\u2603" * 128, reason="password_change", current=many, keep=many
    )
    order, number = packed([largest, largest], 60.0)
    assert number == 1
    assert len(order.to_text()) <= MAX_COMMAND_BYTES
    order, _ = packed([SessionEnd(hashes=many, user_id="\u2603" * 128)], 60.0)
    assert len(order.to_text()) <= MAX_COMMAND_BYTES


@pytest.mark.parametrize(
    "damage",
    [
        {"sessions": [[]]},
        {"sessions": [[5, "a"]]},
        {"sessions": [["7", 5]]},
        {"sessions": 5},
        {"users": [{"user_id": "7"}]},
        {"users": [{**USER.as_json(), "reason": "boredom"}]},
        {"users": [{**USER.as_json(), "ago_seconds": -1}]},
        {"users": [{**USER.as_json(), "ago_seconds": "1"}]},
        {"users": [{**USER.as_json(), "user_id": None}]},
        {"users": [{**USER.as_json(), "but_not": "these"}]},
        {"seconds": 1e9},
        {"v": 2},
    ],
)
def test_damaged_order_is_none(damage):
    body = json.loads(RevocationOrder(sessions=[SESSION], users=[USER]).to_text())
    with pytest.raises(BackendError):
        order_of(json.dumps({**body, **damage}))
