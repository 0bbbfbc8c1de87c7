"""A clock that is set back, and scripts that an operator kills."""

from __future__ import annotations

import threading

import pytest
import redis

from django_socket_status.backends.redis import writer as redis_writer
from django_socket_status.backends.redis.scripts import report_script
from django_socket_status.exceptions import BackendError, BackendUnusableError
from django_socket_status.testing import FakeWorker
from tests.support.redis_servers.server import wait_until
from tests.support.redis_tools import ids_of, keys_of, tell

pytestmark = pytest.mark.redis

HOUR = 3600.0


@pytest.fixture
def clock(clock):
    """Return a clock that can be set back."""
    clock.advance(1_000_000)
    return clock


# The clock of the server is set back.


def test_killed_worker_is_no_ghost_after_the_clock_was_set_back(make_redis, clock):
    backend = make_redis()
    alive, dead = FakeWorker("alive"), FakeWorker("dead")
    for worker in (alive, dead):
        assert backend.report(worker.full([worker.open(user="7")]))
    assert backend.read().complete
    clock.advance(-HOUR)
    assert not make_redis().read().complete
    for _ in range(6):
        tell(backend, alive)
        assert "alive" in ids_of(backend)
        clock.advance(1)
    tell(backend, alive)
    for reader in (backend, make_redis()):
        assert ids_of(reader) == {"alive"}
        assert reader.read().complete


def test_workers_come_back_without_a_reader_after_the_clock_was_set_back(
    make_redis, clock
):
    backend = make_redis()
    alive, dead = FakeWorker("alive"), FakeWorker("dead")
    for worker in (alive, dead):
        assert backend.report(worker.full([worker.open()]))
    clock.advance(-HOUR)
    tell(backend, alive)
    assert ids_of(make_redis()) == {"alive"}
    assert not make_redis().read().complete
    clock.advance(4)
    tell(backend, alive)
    clock.advance(1)
    assert make_redis().read().complete


def test_dead_workers_are_gone_a_lease_after_the_clock_was_set_back(make_redis, clock):
    backend = make_redis()
    worker = FakeWorker("dead")
    assert backend.report(worker.full([worker.open()]))
    clock.advance(-HOUR)
    assert not make_redis().read().complete
    clock.advance(5)
    snapshot = make_redis().read()
    assert not snapshot.workers
    assert snapshot.complete


def test_nothing_is_stale_for_long_after_the_clock_was_set_back(
    make_redis, shared_redis, redis_prefix, clock
):
    """Also where the index replaced another, or all had fallen silent, before."""
    backend, worker = make_redis(), FakeWorker("a")
    assert backend.report(worker.full([worker.open()]))
    clock.advance(20)
    tell(backend, worker)
    shared_redis.admin.delete(f"{{{redis_prefix}}}:workers")
    tell(backend, worker)
    clock.advance(-HOUR)
    for _ in range(6):
        tell(backend, worker)
        clock.advance(1)
    assert backend.read().complete
    assert make_redis().read().complete


def test_flush_is_admitted_after_the_clock_was_set_back(
    make_redis, shared_redis, redis_prefix, clock
):
    backend, worker = make_redis(), FakeWorker("a")
    assert backend.report(worker.full([worker.open()]))
    clock.advance(-HOUR)
    shared_redis.admin.delete(f"{{{redis_prefix}}}:workers")
    assert not make_redis().read().complete
    clock.advance(5)
    assert make_redis().read().complete


# SCRIPT KILL: https://redis.io/docs/latest/commands/script-kill/


def endless(monkeypatch, mark):
    """Have reports run for ever, from a place in their script."""

    def script(prefix, period):
        text = report_script(prefix, period)
        assert mark in text
        return text.replace(mark, f"{mark} while true do end ", 1)

    monkeypatch.setattr(redis_writer, "report_script", script)


def kill(server) -> str:
    """Kill the script that runs; return what Redis says if it does not."""
    said = []

    def is_killed() -> bool:
        try:
            server.admin.script_kill()
        except redis.ResponseError as error:
            said[:] = [str(error)]
            return "UNKILLABLE" in said[0]
        said.clear()
        return True

    wait_until(is_killed)
    return "".join(said)


@pytest.fixture
def report_in_vain(make_redis, redis_server):
    """Return what reports on a thread, and what came of it."""
    redis_server.admin.config_set("lua-time-limit", 10)
    raised = []
    threads = []

    def report(worker):
        backend = make_redis(redis_server, timeout_seconds=2.0)

        def run():
            try:
                backend.report(worker.full([worker.open(user="8")]))
            except BackendError as error:
                raised.append(error)

        threads.append(threading.Thread(target=run))
        threads[0].start()
        return raised

    yield report
    for thread in threads:
        thread.join()


def test_report_that_is_killed_changes_nothing_and_is_made_again(
    make_redis, redis_server, redis_prefix, monkeypatch, report_in_vain
):
    backend, worker = make_redis(redis_server), FakeWorker("a")
    assert backend.report(worker.full([worker.open(user="7")]))
    before = keys_of(redis_server, redis_prefix)
    endless(monkeypatch, "local at = 15\n")
    raised = report_in_vain(FakeWorker("b"))
    assert not kill(redis_server)
    wait_until(lambda: raised)
    # A passing failure, after which everything is told again.
    assert not isinstance(raised[0], BackendUnusableError)
    monkeypatch.undo()
    assert keys_of(redis_server, redis_prefix) == before
    assert ids_of(backend) == {"a"}
    assert backend.report(worker.full())
    assert backend.is_online("7")


def test_report_that_has_begun_to_write_is_not_killed(
    redis_server, monkeypatch, report_in_vain
):
    """So none is ever taken by half: this is its first write, and writes nothing."""
    endless(monkeypatch, "verify_writable(report)")
    raised = report_in_vain(FakeWorker("a"))
    assert "UNKILLABLE" in kill(redis_server)
    wait_until(lambda: raised)
    assert not isinstance(raised[0], BackendUnusableError)
