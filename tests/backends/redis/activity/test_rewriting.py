"""Texts of ended connections are replaced in small commands, or not at all."""

from __future__ import annotations

import pytest

from django_socket_status.activity.stored import Entries, Rewritten
from django_socket_status.exceptions import BackendError
from tests.support.redis_tools import recorded

pytestmark = pytest.mark.redis


def texts(backend):
    return [it.text for it in backend.read_ended("closed")]


def keep(backend, *kept):
    for text in kept:
        backend.keep_ended("closed", Entries(text, 1))


def without_sevens(text):
    return Rewritten(text.replace("7", "_"), 1) if "7" in text else None


@pytest.fixture
def key(backend):
    return backend._keys.ended("closed")


def test_large_list_is_replaced_in_small_commands(make_redis, redis_server):
    backend = make_redis(redis_server)
    keep(backend, *(f"{number}." + "7" * 10_000 for number in range(60)))
    with recorded(redis_server) as sent:
        assert backend.rewrite_ended("closed", without_sevens) == 60
    sizes = [sum(map(len, it)) for it in sent if it[0] in ("EVAL", "EVALSHA")]
    # Each text twice, the old one and the new one, in pieces of at most 128 KiB.
    assert len(sizes) >= 60 * 20_000 / (128 * 1024)
    assert max(sizes) <= 129 * 1024
    assert not any("7" * 9 in it for it in texts(backend))
    assert len(texts(backend)) == 60


def test_text_that_is_larger_than_a_command_is_replaced(backend):
    keep(backend, "7" * 300_000, "7")
    assert backend.rewrite_ended("closed", without_sevens) == 2
    assert texts(backend) == ["_", "_" * 300_000]


def test_state_has_the_size_of_the_new_texts(backend, raw, key):
    keep(backend, "a7", "b", "c7")
    backend.rewrite_ended("closed", lambda text: Rewritten(text * 10, 1))
    state = raw.hget(key, "state").split(b":")
    assert state[:4] == [b"1", b"4", b"3", b"50"]
    assert [int(raw.hget(key, f"h{it}").split(b":")[3]) for it in (1, 2, 3)] == [
        20,
        10,
        20,
    ]
    assert texts(backend) == ["c7" * 10, "b" * 10, "a7" * 10]


def test_time_that_the_list_is_kept_does_not_change(backend, raw, key):
    keep(backend, "a7")
    raw.pexpire(key, 50_000)
    assert backend.rewrite_ended("closed", without_sevens) == 1
    assert 0 < raw.pttl(key) <= 50_000


def test_list_that_was_flushed_meanwhile_is_not_damaged(backend, raw, key):
    keep(backend, "a7", "b7")

    def rewrite(text):
        if text == "a7":
            raw.delete(key)
            keep(backend, "new")
        return without_sevens(text)

    # Number 1 is another text now.
    assert backend.rewrite_ended("closed", rewrite) == 0
    assert texts(backend) == ["new"]


def test_text_that_others_change_all_the_time_is_an_error(backend, raw, key):
    keep(backend, "a7")

    def rewrite(text):
        other = f"{text}7"
        backend._client.pipeline(
            [("HSET", key, "1", other, "h1", f"1000:1:0:{len(other)}")]
        )
        return without_sevens(text)

    with pytest.raises(BackendError, match="all the time"):
        backend.rewrite_ended("closed", rewrite)


@pytest.mark.parametrize(("field", "value"), [("state", b"x"), ("h1", b"x")])
def test_damaged_list_is_an_error(backend, raw, key, field, value):
    keep(backend, "a7")
    raw.hset(key, field, value)
    with pytest.raises(BackendError):
        backend.rewrite_ended("closed", without_sevens)


def test_text_that_is_no_text_is_replaced_too(backend, raw, key):
    keep(backend, "a7")
    raw.hset(key, mapping={"1": b"7\xff", "h1": b"1000:1:0:2"})
    assert backend.rewrite_ended("closed", without_sevens) == 1
    assert raw.hget(key, "1").startswith(b"_")
