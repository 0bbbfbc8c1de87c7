"""What readers are told while something of the reports is missing."""

from __future__ import annotations

import pytest

from django_socket_status.backends.redis_client import RedisClient
from django_socket_status.backends.redis_snapshot import Index
from django_socket_status.exceptions import BackendError
from django_socket_status.records import ConnectionQuery
from django_socket_status.testing import FakeWorker
from tests.backends.redis_tools import delete, ids_of, recorded, tell
from tests.redis_servers.cluster import patient_cluster
from tests.redis_servers.server import RedisServer

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


def test_server_that_does_not_tell_of_its_life_is_taken_for_an_old_one(
    make_redis, redis_server
):
    redis_server.admin.acl_setuser("default", enabled=True, commands=["-info"])
    assert says_no(make_redis(redis_server)) == NONE
    with RedisServer("--rename-command", "INFO", "") as other:
        assert says_no(make_redis(other)) == NONE


def test_nobody_is_missing_where_nobody_ever_was(make_redis):
    assert says_no(make_redis()) == NONE


def test_nobody_is_missing_after_all_said_goodbye(backend, late_reader):
    start(backend, FakeWorker("a"))
    backend.goodbye("a")
    assert says_no(backend) == NONE
    assert says_no(late_reader) == NONE


def test_new_worker_takes_nobodys_place_after_all_were_gone_for_long(
    make_redis, shared_redis, redis_prefix, clock
):
    backend = make_redis()
    start(backend, FakeWorker("a"))
    backend.goodbye("a")
    assert says_no(backend) == NONE
    # As it ends by itself after a day.
    delete(shared_redis, redis_prefix, ":workers")
    assert says_no(backend) == ALL
    clock.advance(5)
    assert says_no(backend) == NONE


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
    index = Index(
        now=10_000, since=4_000, replaces=True, revived_at=None, late=0, alive=1
    )
    assert reader.is_complete(index)
    assert not reader.is_complete(index._replace(now=8_000))


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


@pytest.mark.parametrize("seconds", [0, 1])
def test_reply_that_another_thread_overtook_is_no_loss(backend, seconds):
    """Also if both were answered within a millisecond."""
    reader = backend._reader

    def told(now: int, since: float | None, asked: int) -> bool:
        index = Index(
            now, since, replaces=False, revived_at=None, late=0, alive=1, asked=asked
        )
        return reader.follows_loss(index)

    first, second = next(reader._turns), next(reader._turns)
    for early, late in ((first, second), (second, first)):
        assert not told(2000 + 1000 * seconds, 1500.0, late)
        # Asked before that was told, and answered before there was an index.
        assert not told(2000, None, early)
    assert told(4000, None, next(reader._turns))
