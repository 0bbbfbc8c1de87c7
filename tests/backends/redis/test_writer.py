"""What a worker reports, through one instance or another, on time or late."""

from __future__ import annotations

import dataclasses

import pytest

from django_socket_status.exceptions import BackendError
from django_socket_status.records import ConnectionQuery
from django_socket_status.testing import FakeWorker
from tests.support.redis_servers.proxy import Network
from tests.support.redis_servers.server import wait_until
from tests.support.redis_tools import calls_of, ids_of, keys_of, recorded, tell

pytestmark = pytest.mark.redis


@pytest.fixture
def backend(make_redis):
    return make_redis()


# Workers that are late.


def test_worker_that_was_frozen_goes_on_where_it_was(backend, worker, clock):
    assert backend.report(worker.full([worker.open(user="7")]))
    clock.advance(3.9 * worker.lease_seconds)
    assert not ids_of(backend)
    assert backend.report(worker.change(worker.open(user="8")))
    assert ids_of(backend) == {"a"}
    assert set(backend.online_user_ids()) == {"7", "8"}
    assert len(backend.get_connections(ConnectionQuery())) == 2


def test_worker_that_was_frozen_for_long_begins_again(make_redis, redis_server):
    backend = make_redis(redis_server, clock=None)
    worker = FakeWorker(lease_seconds=0.1)
    assert backend.report(worker.full([worker.open(user="7")]))
    # Only the index and the note of the last report are left.
    wait_until(lambda: redis_server.admin.dbsize() == 2)
    assert not backend.report(worker.change(worker.open(user="8")))
    worker.lease_seconds = 60
    assert backend.report(worker.full())
    assert set(backend.online_user_ids()) == {"7", "8"}


def test_worker_whose_buckets_ended_first_begins_again(
    backend, worker, shared_redis, redis_prefix
):
    held = [worker.open(user=str(number)) for number in range(200)]
    assert backend.report(worker.full(held))
    for number in (1, 2):
        shared_redis.admin.delete(f"{{{redis_prefix}}}:a:1:{number}")
    news = [tell(backend, worker, worker.open(user="new")) for _ in range(4)]
    assert news.count(False) == 1
    page = backend.get_connections(ConnectionQuery(limit=1000))
    assert len(page) == page.total == 204
    assert page.complete


# Instances.


def test_another_instance_continues_what_one_has_reported(make_redis, worker):
    one, two = make_redis(), make_redis()
    first = worker.open(user="7")
    assert one.report(worker.full([first, worker.open("chat")]))
    assert two.report(worker.change(worker.open("new"), closed=[first]))
    # It does not know of that.
    assert not one.report(worker.change())
    assert one.report(worker.full())
    assert two.read().workers[0].counts == {"chat": 1, "new": 1}
    assert {it.type for it in two.get_connections(ConnectionQuery())} == {"chat", "new"}


def test_fork_forgets_what_its_parent_reported(backend, worker):
    assert backend.report(worker.full([worker.open()]))
    ledgers = backend._writer._ledgers
    assert ledgers
    backend.forget_after_fork()
    assert not backend._writer._ledgers
    assert ledgers


def test_goodbye_leaves_nothing_behind_in_the_process(backend, worker):
    assert backend.report(worker.full([worker.open()]))
    backend.goodbye("a")
    assert not backend._writer._ledgers
    assert not backend._writer._sent


def test_many_types_do_not_keep_a_worker_from_reporting(backend, worker):
    held = [worker.open(f"type{number}") for number in range(1500)]
    assert backend.report(worker.full(held[:700], complete=False))
    assert backend.report(worker.change(*held[700:1400], complete=False))
    assert backend.report(worker.change(*held[1400:]))
    assert backend.report(worker.change(worker.open("one more")))
    assert backend.read().workers[0].total_sockets == 1501


def test_types_that_are_gone_are_forgotten_now_and_then(backend, worker):
    assert backend.report(worker.full([]))
    for number in range(20):
        opened = [worker.open(f"type{number}-{it}") for it in range(100)]
        tell(backend, worker, *opened)
        tell(backend, worker, closed=opened)
    assert len(backend._writer._ledgers["a"].typed_endpoints) <= 1100


# A network that fails.


@pytest.fixture
def behind(make_redis, proxy):
    """Return a backend that is reached through a network."""
    return make_redis(url=proxy.url, timeout_seconds=3.0)


@pytest.mark.parametrize(
    "network",
    [
        Network.REFUSES,
        Network.RESETS,
        Network.SWALLOWS,
        Network.DROPS_REPLIES,
        Network.CUTS_REPLIES,
    ],
)
def test_report_after_a_failure_is_whole(behind, make_redis, proxy, worker, network):
    first = worker.open(user="7")
    assert behind.report(worker.full([first, worker.open(user="8")]))
    proxy.network = network
    with pytest.raises(BackendError):
        behind.report(worker.change(worker.open(user="9"), closed=[first]))
    with pytest.raises(BackendError):
        behind.report(worker.full())
    proxy.network = Network.WORKS
    # Nothing is built upon what may or may not have been taken.
    assert behind._writer._ledgers == {}
    wait_until(lambda: is_taken(behind, worker))
    assert set(behind.online_user_ids()) == {"8", "9"}
    assert len(behind.get_connections(ConnectionQuery())) == 2
    assert behind.report(worker.change())


def is_taken(backend, worker) -> bool:
    try:
        return backend.report(worker.full())
    except BackendError:
        return False


def test_worker_whose_last_connection_left_goes_on(backend, worker):
    """Nothing is lost, and so nothing has to be reported again."""
    assert backend.report(worker.full())
    held = worker.open()
    assert backend.report(worker.change(held))
    assert backend.report(worker.change(closed=[held]))
    for _ in range(3):
        assert backend.report(worker.change())
    assert backend.report(worker.change(worker.open()))


# What it costs.


def test_idle_worker_sends_one_command_a_heartbeat(make_redis, redis_server, worker):
    backend = make_redis(redis_server)
    held = [worker.open(user=str(number % 100)) for number in range(5000)]
    assert backend.report(worker.full(held))
    with recorded(redis_server) as sent:
        for _ in range(5):
            assert backend.report(worker.change())
    assert [words[0] for words in sent] == ["EVALSHA"] * 5


def test_reports_go_over_one_connection(make_redis, redis_server, worker):
    backend = make_redis(redis_server)
    assert backend.report(worker.full([worker.open()]))
    for _ in range(5):
        assert backend.report(worker.change(worker.open()))
    clients = redis_server.admin.client_list(_type="normal")
    assert [
        it["addr"] for it in clients if it["laddr"].endswith(f":{redis_server.port}")
    ]
    assert sum(":" in it["laddr"] and "/" not in it["laddr"] for it in clients) == 1


def test_no_command_looks_at_every_key_or_counts_up(make_redis, redis_server, worker):
    backend = make_redis(redis_server)
    other = FakeWorker("b")
    first = worker.open(user="7", labels={"room": "blue"})
    assert backend.report(worker.full([first]))
    assert backend.report(other.full([other.open(user="8")]))
    tell(backend, worker, *(worker.open(user=str(it)) for it in range(300)))
    tell(backend, worker, closed=[first])
    backend.read()
    backend.get_connections(ConnectionQuery(labels={"room": "blue"}))
    backend.get_connections(ConnectionQuery(user_id="7"))
    backend.is_online("7")
    backend.online_user_ids()
    backend.goodbye("b")
    list(backend.check())
    used = set(calls_of(redis_server))
    assert {"evalsha", "sscan"} <= used
    for name in used:
        assert name not in {"keys", "scan", "randomkey", "dbsize"}
        assert not name.startswith(("incr", "decr", "hincr", "zincr"))


@pytest.mark.slow
def test_hundred_thousand_connections_take_a_bounded_number_of_commands(
    make_redis, redis_server, worker
):
    backend = make_redis(redis_server)
    held = [worker.open(user=str(n % 5000), at=1e9 + n) for n in range(100_000)]
    with recorded(redis_server) as sent:
        first_piece = worker.full(held[:1000], complete=False)
        # The reporter counts everything before it tells anything.
        counts = {"call": len(held)}
        assert backend.report(dataclasses.replace(first_piece, counts=counts))
        for first in range(1000, 100_000, 1000):
            piece = held[first : first + 1000]
            last = first + 1000 == 100_000
            assert backend.report(worker.change(*piece, complete=last))
    # A look whether there were reports before, and the connection's own.
    assert len(sent) <= 110
    with recorded(redis_server) as sent:
        assert backend.report(worker.change())
    assert len(sent) == 1
    with recorded(redis_server) as sent:
        page = backend.get_connections(ConnectionQuery(limit=100))
    assert page.total == 100_000
    assert len(sent) <= 4 + 64
    with recorded(redis_server) as sent:
        assert len(backend.get_connections(ConnectionQuery(user_id="77"))) == 20
    # About one bucket in twenty looks as if it held that user.
    assert len(sent) < 400
    with recorded(redis_server) as sent:
        assert len(backend.online_user_ids()) == 5000
    # One for each part of them.
    assert len(sent) <= 1 + 32
    # A bucket for 64 connections, and the parts of their users.
    assert len(keys_of(redis_server, backend._keys.prefix)) < 1563 + 32 + 10
