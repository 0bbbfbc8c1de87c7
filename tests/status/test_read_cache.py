from __future__ import annotations

import types
from typing import Any

import pytest

from django_socket_status.exceptions import BackendError, StatusUnavailableError
from django_socket_status.records import Snapshot
from django_socket_status.status.read_cache import UNKNOWN_TYPES, ReadCache
from django_socket_status.status.reading import Reading


class Process:
    """The registry and the clock of a process, as a test sets them."""

    def __init__(self) -> None:
        self.is_dirty = False
        self.version = object()
        self.now = 1000.0

    def reading(self) -> Reading:
        return Reading(
            snapshot=Snapshot(workers=(), unique_users=0),
            coverage="host",
            read_at=self.now,
            taken_at=0.0,
            version=self.version,
        )


@pytest.fixture
def process() -> Process:
    return Process()


@pytest.fixture
def cache(process: Process, settings: Any) -> ReadCache:
    settings.SOCKET_STATUS = {
        "CACHE_SECONDS": 10,
        "HEARTBEAT_SECONDS": 1,
        "STALE_SECONDS": 100,
    }
    registry: Any = types.SimpleNamespace(version=process.version, is_dirty=False)
    return ReadCache(registry, lambda: process.now)


def test_reading_is_kept_for_the_cache_seconds(cache, process):
    assert cache.without_read() is None
    reading = process.reading()
    cache.keep(reading)
    process.now += 9
    assert cache.without_read() is cache.fresh() is reading
    process.now += 1
    assert cache.without_read() is None
    assert cache.latest() is reading


@pytest.mark.parametrize("change", [{"is_dirty": True}, {"version": object()}])
def test_reading_is_not_kept_once_a_socket_opened_or_closed(cache, process, change):
    cache.keep(process.reading())
    vars(cache._registry).update(change)
    assert cache.without_read() is None
    assert cache.latest().stale


def test_failed_read_is_not_repeated_within_a_heartbeat(cache, process):
    cache.keep(process.reading())
    process.now += 10
    cache.keep_failure(BackendError("it is away"))
    stale = cache.without_read()
    assert stale.stale
    assert cache.without_read() is stale
    process.now += 1
    assert cache.without_read() is None


def test_outage_is_logged_once_and_ends_with_a_reading(cache, process, caplog):
    caplog.set_level("INFO")
    for _ in range(3):
        with pytest.raises(StatusUnavailableError, match="it is away"):
            cache.fallback(BackendError("it is away"))
    cache.keep(process.reading())
    cache.keep(process.reading())
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_reading_that_is_too_old_answers_no_caller(cache, process):
    cache.keep(process.reading())
    process.now += 100
    assert cache.latest() is None
    with pytest.raises(StatusUnavailableError, match="BackendError"):
        cache.fallback(BackendError())


def test_unknown_types_are_logged_once_each_up_to_a_limit(cache):
    assert cache.remember_unknown_type("chat")
    assert not cache.remember_unknown_type("chat")
    later = [cache.remember_unknown_type(str(it)) for it in range(UNKNOWN_TYPES)]
    assert later.count(True) == UNKNOWN_TYPES - 1
