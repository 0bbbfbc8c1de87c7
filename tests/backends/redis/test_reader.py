"""What readers are told while something of the reports is missing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from django_socket_status.backends.redis.client import RedisClient
from django_socket_status.backends.redis.replies import WorkerIndex
from django_socket_status.exceptions import BackendError
from django_socket_status.records import ConnectionQuery
from django_socket_status.testing import FakeWorker
from tests.support.redis_servers.cluster import patient_cluster
from tests.support.redis_servers.server import RedisServer, wait_until
from tests.support.redis_tools import delete, ids_of, keys_of, recorded, tell

pytestmark = pytest.mark.redis


@pytest.fixture
def backend(make_redis, redis_server):
    return make_redis(redis_server)


@pytest.fixture
def late_reader(make_redis, redis_server):
    """Return a backend that has read nothing yet."""
    return make_redis(redis_server)


def start(backend, *workers):
    for worker in workers:
        user = worker.worker.worker_id
        assert backend.report(worker.full([worker.open(user=user)]))


def says_no(backend) -> dict[str, bool]:
    """Return which answers admit that something may be missing."""
    return {
        "read": not backend.read().complete,
        "list": not backend.get_connections(ConnectionQuery()).complete,
        "online": raises(lambda: backend.is_online("nobody")),
        "users": raises(backend.online_user_ids),
    }


def raises(ask) -> bool:
    try:
        ask()
    except BackendError:
        return True
    return False


ALL = {"read": True, "list": True, "online": True, "users": True}
NONE = dict.fromkeys(ALL, False)


@pytest.mark.parametrize("part", [":a", ":workers"])
def test_lost_report_is_admitted_in_every_answer(
    backend, make_redis, redis_server, redis_prefix, part
):
    start(backend, FakeWorker("a"), FakeWorker("b"))
    assert says_no(backend) == NONE
    delete(redis_server, redis_prefix, part)
    assert says_no(backend) == ALL
    assert says_no(make_redis(redis_server)) == ALL


def test_lost_users_are_admitted(backend, redis_server, redis_prefix):
    start(backend, FakeWorker("a"))
    delete(redis_server, redis_prefix, ":users")
    assert says_no(backend) == ALL
    assert backend.read().workers


@pytest.mark.parametrize("part", [":marks", ":0"])
def test_lost_connections_are_admitted(backend, redis_server, redis_prefix, part):
    start(backend, FakeWorker("a"))
    delete(redis_server, redis_prefix, part)
    assert says_no(backend) == {**NONE, "list": True}


def test_lost_identity_is_admitted(backend, redis_server, redis_prefix):
    start(backend, FakeWorker("a"))
    delete(redis_server, redis_prefix, ":who")
    assert says_no(backend) == {**NONE, "read": True, "list": True}


def test_user_who_is_seen_is_online_whatever_else_was_lost(
    backend, redis_server, redis_prefix
):
    start(backend, FakeWorker("a"), FakeWorker("b"))
    delete(redis_server, redis_prefix, ":a")
    assert backend.is_online("b")


def flush(server):
    server.admin.flushall()


def restart(server):
    server.restart()


@pytest.mark.parametrize("lose", [flush, restart])
def test_loss_of_everything_is_admitted_until_all_are_back(
    backend, redis_server, clock, lose
):
    workers = one, two = FakeWorker("a"), FakeWorker("b")
    start(backend, *workers)
    assert says_no(backend) == NONE
    lose(redis_server)
    assert says_no(backend) == ALL
    clock.advance(1)
    tell(backend, one)
    assert ids_of(backend) == {"a"}
    assert says_no(backend) == ALL
    clock.advance(1)
    tell(backend, two)
    for _ in range(4):
        clock.advance(1)
        tell(backend, one)
        tell(backend, two)
    clock.advance(1)
    assert says_no(backend) == NONE
    assert set(backend.online_user_ids()) == {"a", "b"}


def test_flush_is_admitted_by_who_reads_for_the_first_time(
    backend, late_reader, redis_server, clock
):
    start(backend, FakeWorker("a"), FakeWorker("b"))
    redis_server.admin.flushall()
    assert says_no(late_reader) == ALL
    clock.advance(5)
    assert says_no(late_reader) == NONE


def test_flush_is_admitted_by_who_reads_when_the_first_is_back(
    backend, late_reader, redis_server, clock
):
    one = FakeWorker("a")
    start(backend, one, FakeWorker("b"))
    redis_server.admin.flushall()
    tell(backend, one)
    assert says_no(late_reader) == ALL
    clock.advance(4)
    tell(backend, one)
    clock.advance(1)
    assert says_no(late_reader) == NONE


def test_restart_is_admitted_by_who_reads_for_the_first_time(
    backend, late_reader, redis_server, clock
):
    start(backend, FakeWorker("a"), FakeWorker("b"))
    restart(redis_server)
    assert says_no(late_reader) == ALL
    clock.advance(5)
    assert says_no(late_reader) == NONE
    # It has found no index yet, but knows one life of the server from another.
    restart(redis_server)
    assert says_no(late_reader) == ALL


def test_restart_is_admitted_on_a_cluster(make_redis, clock):
    with patient_cluster() as cluster:
        reader = make_redis(url=cluster.url, cluster=True)
        assert says_no(reader) == ALL
        clock.advance(5)
        assert says_no(reader) == NONE


def test_server_that_denies_its_uptime_counts_as_old(make_redis, redis_server):
    redis_server.admin.acl_setuser("default", enabled=True, commands=["-info"])
    assert says_no(make_redis(redis_server)) == NONE
    with RedisServer("--rename-command", "INFO", "") as other:
        assert says_no(make_redis(other)) == NONE


def test_no_worker_is_missing_where_none_ever_reported(make_redis):
    assert says_no(make_redis()) == NONE


def test_no_worker_is_missing_after_all_said_goodbye(backend, late_reader):
    start(backend, FakeWorker("a"))
    backend.goodbye("a")
    assert says_no(backend) == NONE
    assert says_no(late_reader) == NONE


# What a process is told that has never read before: a cron job may live for less than
# a lease.

GONE = ("goodbye", "killed")
ENDED = ("deleted", "expired")


def leave(backend, clock, how):
    """Let the only worker go, and its lease end."""
    start(backend, FakeWorker("a"))
    if how == "goodbye":
        backend.goodbye("a")
    else:
        clock.advance(5)


def end_index(server, prefix, how):
    """Let the index of workers end, as it does a day after the last report."""
    key = f"{{{prefix}}}:workers"
    if how == "expired":
        server.admin.pexpire(key, 1)
        wait_until(lambda: not server.admin.exists(key))
    else:
        assert server.admin.delete(key)


@pytest.mark.parametrize("gone", GONE)
@pytest.mark.parametrize("ended", ENDED)
def test_index_that_ended_after_the_last_worker_is_no_loss(
    make_redis, shared_redis, redis_prefix, clock, gone, ended
):
    backend = make_redis()
    leave(backend, clock, gone)
    end_index(shared_redis, redis_prefix, ended)
    for _ in range(2):
        assert says_no(make_redis()) == NONE
        # Nor for who has read it before.
        assert says_no(backend) == NONE


def test_worker_that_comes_after_the_index_ended_replaces_none(
    make_redis, shared_redis, redis_prefix, clock
):
    leave(make_redis(), clock, "goodbye")
    end_index(shared_redis, redis_prefix, "expired")
    clock.advance(2.5 * 86_400)
    backend = make_redis()
    start(backend, FakeWorker("b"))
    assert says_no(make_redis()) == NONE
    assert says_no(backend) == NONE


def test_week_without_a_worker_leaves_nothing_to_wait_for(
    make_redis, redis_server, clock
):
    backend = make_redis(redis_server)
    wait_until(lambda: redis_server.admin.info("server")["uptime_in_seconds"] >= 5)
    start(backend, FakeWorker("a"))
    assert says_no(backend) == NONE
    # Every key has ended, and the server still knows the scripts.
    redis_server.admin.flushall()
    clock.advance(9 * 86_400)
    assert says_no(make_redis(redis_server)) == NONE
    assert says_no(backend) == NONE
    start(make_redis(redis_server), FakeWorker("b"))
    assert says_no(make_redis(redis_server)) == NONE


def test_killed_workers_are_not_waited_for_by_each_new_process(make_redis, clock):
    start(make_redis(), FakeWorker("a"), FakeWorker("b"))
    clock.advance(6)
    # One that could not report would do so by the end of another lease.
    assert says_no(make_redis()) == {**NONE, "read": True, "list": True}
    clock.advance(4)
    for _ in range(2):
        assert says_no(make_redis()) == NONE
        clock.advance(3600)


def test_flush_is_admitted_to_no_new_process_a_lease_after_it_was_seen(
    make_redis, shared_redis, redis_prefix, clock
):
    backend = make_redis()
    start(backend, FakeWorker("a"))
    for key in keys_of(shared_redis, redis_prefix):
        shared_redis.admin.delete(key)
    assert says_no(make_redis()) == ALL
    clock.advance(4)
    assert says_no(make_redis()) == ALL
    clock.advance(1)
    for _ in range(2):
        assert says_no(make_redis()) == NONE
        assert says_no(backend) == NONE


def test_goodbye_after_a_flush_does_not_speak_for_others(
    make_redis, shared_redis, redis_prefix
):
    backend = make_redis()
    start(backend, FakeWorker("a"), FakeWorker("b"))
    for key in keys_of(shared_redis, redis_prefix):
        shared_redis.admin.delete(key)
    backend.goodbye("a")
    assert says_no(make_redis()) == ALL


def test_process_that_could_not_read_waits_for_those_who_could_not_report(
    make_redis, redis_server, clock
):
    backend = make_redis(redis_server, timeout_seconds=0.2)
    start(backend, FakeWorker("a"))
    assert backend.read().complete
    redis_server.freeze()
    assert raises(backend.read)
    redis_server.thaw()
    clock.advance(60)
    wait_until(lambda: not raises(backend.read))
    assert not backend.read().complete
    clock.advance(5)
    assert backend.read().complete


def test_snapshot_that_is_older_than_the_server_is_not_all_there_may_be(make_redis):
    with RedisServer("--save", "3600 1") as server:

        def make():
            return make_redis(server, clock=None)

        start(make(), FakeWorker("a", lease_seconds=60))
        make().goodbye("a")
        server.admin.save()
        start(make(), FakeWorker("b", lease_seconds=60))
        known = make()
        assert says_no(known) == NONE
        wait_until(lambda: server.admin.info("server")["uptime_in_seconds"] >= 3)
        server.restart()
        assert says_no(known) == ALL
        assert says_no(make()) == ALL
        wait_until(lambda: says_no(make()) == NONE)
        wait_until(lambda: says_no(known) == NONE)


def test_loss_that_cannot_be_written_down_is_admitted_for_a_lease(
    make_redis, redis_server, clock
):
    start(make_redis(redis_server), FakeWorker("a"))
    reader = make_redis(redis_server)
    redis_server.admin.flushall()
    redis_server.admin.acl_setuser("default", enabled=True, commands=["-set"])
    assert says_no(reader) == ALL
    clock.advance(5)
    assert says_no(reader) == NONE
    assert says_no(reader) == NONE


def test_last_worker_that_fell_silent_is_gone_with_its_lease(backend, clock):
    start(backend, FakeWorker("a"))
    clock.advance(5)
    assert not ids_of(backend)
    assert not backend.is_online("a")
    assert not backend.online_user_ids()
    # Or it could not report, and is about to.
    assert not backend.read().complete
    clock.advance(5)
    assert backend.read().complete


def test_first_read_after_no_worker_could_write_is_not_certain(
    backend, redis_server, clock
):
    start(backend, FakeWorker("a"))
    redis_server.admin.config_set("maxmemory", 1)
    clock.advance(12)
    assert not backend.read().complete
    redis_server.admin.config_set("maxmemory", 0)
    # No worker has reported yet.
    assert not backend.read().complete
    clock.advance(5)
    assert backend.read().complete


# What reading costs.


def test_read_is_one_round_trip(backend, redis_server):
    start(backend, *(FakeWorker(f"w{number}") for number in range(20)))
    backend.read()
    backend.is_online("w7")
    with recorded(redis_server) as sent:
        backend.read()
        backend.is_online("w7")
    assert [words[0] for words in sent] == ["EVALSHA", "EVALSHA"]


def test_identities_of_new_workers_are_read_at_once(backend, redis_server):
    start(backend, FakeWorker("a"))
    backend.read()
    start(backend, FakeWorker("b"), FakeWorker("c"))
    with recorded(redis_server) as sent:
        assert ids_of(backend) == {"a", "b", "c"}
    assert [words[0] for words in sent] == ["EVALSHA", "HGET", "HGET"]


def test_workers_that_are_gone_are_forgotten(backend):
    start(backend, *(FakeWorker(f"w{number}") for number in range(5)))
    backend.read()
    for number in range(5):
        backend.goodbye(f"w{number}")
    backend.read()
    reader = backend._reader
    assert not reader._identities
    assert not reader._last


def test_damaged_report_is_passed_over_and_admitted(
    backend, redis_server, redis_prefix
):
    start(backend, FakeWorker("a"), FakeWorker("b"))
    key = f"{{{redis_prefix}}}:a"
    with redis_server.client(decode_responses=False) as client:
        client.set(key, client.get(key)[:-1])
    assert ids_of(backend) == {"b"}
    assert not backend.read().complete


def test_index_of_another_clock_is_judged_by_its_own(backend):
    reader = backend._reader
    index = WorkerIndex(
        now=10_000, since=4_000, replaces=True, revived_at=None, late=0, alive=1
    )
    assert reader.losses.is_complete(index)
    assert not reader.losses.is_complete(index._replace(now=8_000))


def test_worker_that_comes_back_alone_is_not_all_there_may_be(backend, clock):
    one, two = FakeWorker("a"), FakeWorker("b")
    start(backend, one, two)
    assert says_no(backend) == NONE
    clock.advance(6)
    assert backend.report(one.change())
    assert says_no(backend) == {**NONE, "read": True, "list": True}
    assert backend.is_online("a")
    for _ in range(5):
        clock.advance(1)
        assert backend.report(one.change())
    assert says_no(backend) == NONE


def test_all_are_there_when_the_last_one_is_back(backend, clock):
    one, two = FakeWorker("a"), FakeWorker("b")
    start(backend, one, two)
    clock.advance(6)
    assert backend.report(one.change())
    assert says_no(backend) == {**NONE, "read": True, "list": True}
    assert backend.report(two.change())
    assert says_no(backend) == NONE


def test_newcomer_is_not_taken_for_all_who_could_not_report(backend, clock):
    one, two, new = FakeWorker("a"), FakeWorker("b"), FakeWorker("c")
    start(backend, one, two)
    # Also one that had no sockets meanwhile, and said so.
    backend.goodbye("b")
    clock.advance(6)
    start(backend, new)
    assert says_no(backend) == {**NONE, "read": True, "list": True}
    assert backend.report(one.change())
    assert says_no(backend) == NONE


def test_others_are_expected_also_after_a_long_outage(backend, clock):
    one, two = FakeWorker("a"), FakeWorker("b")
    start(backend, one, two)
    clock.advance(20 * one.lease_seconds)
    for _ in range(4):
        tell(backend, one)
        assert not backend.read().complete
        clock.advance(1)
    tell(backend, two)
    assert ids_of(backend) == {"a", "b"}
    assert backend.read().complete


def test_first_report_of_all_is_no_loss_to_who_reads_meanwhile(make_redis, monkeypatch):
    backend, late_reader = make_redis(), make_redis()
    knows = RedisClient.knows

    def report_meanwhile(*given):
        monkeypatch.undo()
        start(backend, FakeWorker("a"))
        return knows(*given)

    monkeypatch.setattr(RedisClient, "knows", report_meanwhile)
    assert not late_reader.is_online("nobody")
    assert late_reader.read().complete


def test_first_report_is_no_loss_to_who_also_finds_the_scripts_gone(
    make_redis, monkeypatch, shared_redis
):
    backend, late_reader = make_redis(), make_redis()
    reader = late_reader._reader
    before = reader.find().worker_index
    start(backend, FakeWorker("a"))
    write_down = reader.losses._write_down

    def ask_meanwhile(index):
        shared_redis.admin.script_flush()
        # What another thread asks is not known to the server: it may be a new one.
        reader.find()
        return write_down(index)

    monkeypatch.setattr(reader.losses, "_write_down", ask_meanwhile)
    assert not reader.losses.follows_loss(before)


def test_first_report_is_no_loss_to_two_threads_that_read_meanwhile(
    make_redis, monkeypatch
):
    backend, late_reader = make_redis(), make_redis()
    reader = late_reader._reader
    before, also_before = reader.find().worker_index, reader.find().worker_index
    start(backend, FakeWorker("a"))
    write_down = reader.losses._write_down
    with ThreadPoolExecutor(1) as pool:
        second = []

        def read_meanwhile(index):
            second.append(pool.submit(reader.losses.follows_loss, also_before))
            # If it does not wait for this thread, it is ready long before.
            wait(second, timeout=0.5)
            return write_down(index)

        monkeypatch.setattr(reader.losses, "_write_down", read_meanwhile)
        assert not reader.losses.follows_loss(before)
        assert not second[0].result(60)


@pytest.mark.parametrize("seconds", [0, 1])
def test_reply_that_another_thread_overtook_is_no_loss(backend, seconds):
    """Also if both were answered within a millisecond."""
    reader = backend._reader

    def told(now: int, since: float | None, asked: int) -> bool:
        index = WorkerIndex(
            now, since, replaces=False, revived_at=None, late=0, alive=1, asked=asked
        )
        return reader.losses.follows_loss(index)

    first, second = reader.losses.next_turn(), reader.losses.next_turn()
    for early, late in ((first, second), (second, first)):
        assert not told(2000 + 1000 * seconds, 1500.0, late)
        # Asked before that was told, and answered before there was an index.
        assert not told(2000, None, early)
    assert told(4000, None, reader.losses.next_turn())
