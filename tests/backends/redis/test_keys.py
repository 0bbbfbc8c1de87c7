from __future__ import annotations

import pytest
from redis.crc import key_slot

from django_socket_status.backends.redis.keys import Keys


@pytest.mark.parametrize("prefix", ["socket_status", "a:b", "caf\xe9", "*?[a-z]", " "])
def test_every_key_is_in_the_slot_of_the_prefix(prefix):
    keys = Keys(prefix)
    made = [
        keys.start,
        keys.index,
        keys.union,
        keys.endpoints,
        keys.until,
        keys.report("a"),
        keys.who("a"),
        keys.detail("a", 1, "users"),
        keys.detail("}{", b"1", 7),
        keys.totals,
        keys.told,
        keys.carry,
        keys.commands,
        keys.results("}{"),
        keys.ended("closed"),
        keys.ring("}{:/\xe9"),
    ]
    assert {key_slot(key.encode()) for key in made} == {key_slot(prefix.encode())}
    assert all(key.startswith(keys.start) for key in made)


def test_no_two_keys_are_the_same():
    keys = Keys("a")
    made = [
        keys.index,
        keys.union,
        keys.endpoints,
        keys.until,
        keys.report("b"),
        keys.report("c"),
        keys.who("b"),
        keys.detail("b", 1, "users"),
        keys.detail("b", 1, "marks"),
        keys.detail("b", 1, "oldest"),
        keys.detail("b", 1, 0),
        keys.detail("b", 2, 0),
        keys.totals,
        keys.told,
        keys.carry,
        keys.commands,
        keys.results("b"),
        keys.results("c"),
        keys.ended("closed"),
        keys.ended("rejected"),
        keys.ring("b"),
        keys.ring("c"),
        Keys("aa").index,
    ]
    assert len(set(made)) == len(made)
