from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys

import pytest
import redis

from tests.support.redis_servers.cluster import Cluster
from tests.support.redis_servers.sentinel import SERVICE, Sentinels
from tests.support.redis_servers.server import RedisServer, is_free, wait_until
from tests.support.source import ROOT

pytestmark = pytest.mark.redis


@pytest.fixture
def by_port(redis_server: RedisServer):
    """Return a client that is refused as others are."""
    with strict(redis_server.url) as client:
        yield client


def strict(url: str, seconds: float = 10.0) -> redis.Redis:
    """Return a client that tries once."""
    retry = redis.retry.Retry(redis.backoff.NoBackoff(), 0)
    timeouts = {"socket_timeout": seconds, "socket_connect_timeout": seconds}
    return redis.Redis.from_url(url, retry=retry, **timeouts)


def test_server_is_there_at_both_addresses(redis_server, by_port):
    by_port.set("number", 1)
    with contextlib.closing(redis.Redis.from_url(redis_server.socket_url)) as client:
        assert client.get("number") == b"1"
    assert "ready" in redis_server.log.lower()


def test_restarted_server_is_empty_and_where_it_was(redis_server, by_port):
    by_port.set("number", 1)
    redis_server.restart()
    with strict(redis_server.url) as client:
        assert client.get("number") is None


def test_server_with_persistence_keeps_its_data():
    options = ("--appendonly", "yes", "--appendfsync", "always")
    with RedisServer(*options) as server:
        server.admin.set("number", 1)
        server.restart()
        wait_until(lambda: server.admin.get("number") == "1")


SERVE = """
import os, signal, sys, time
from tests.support.redis_servers.server import RedisServer
with RedisServer() as stopped, RedisServer() as server:
    stopped.kill()
    print(server.port, flush=True)
    if {signal}:
        os.kill(os.getpid(), {signal})
        time.sleep(60)
    os._exit(1)
"""


@pytest.mark.parametrize(
    "number", [0, signal.SIGTERM, signal.SIGKILL], ids=["exit", "SIGTERM", "SIGKILL"]
)
def test_server_ends_with_the_run_that_is_interrupted(number: int) -> None:
    run = subprocess.run(
        [sys.executable, "-c", SERVE.format(signal=int(number))],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    port = int(run.stdout)
    wait_until(lambda: is_free(port))


def test_killed_server_refuses(redis_server, by_port):
    redis_server.kill()
    assert redis_server.is_ended
    with pytest.raises(redis.ConnectionError):
        by_port.ping()


def test_frozen_server_answers_when_it_goes_on(redis_server):
    redis_server.freeze()
    with strict(redis_server.url, 0.1) as client, pytest.raises(redis.TimeoutError):
        client.ping()
    redis_server.thaw()
    assert redis_server.admin.ping()


def test_frozen_server_ends_with_its_block():
    with RedisServer() as server:
        server.freeze()
    assert server.is_ended
    assert not server.directory.exists()


def test_server_that_wants_a_password_starts():
    with RedisServer("--requirepass", "secret") as server:
        with pytest.raises(redis.AuthenticationError):
            server.admin.ping()
        with contextlib.closing(server.client(password="secret")) as client:
            assert client.ping()


def test_server_finds_another_port_when_its_own_is_taken(redis_server):
    server = RedisServer()
    server.port = redis_server.port
    with server:
        assert server.port != redis_server.port
        assert server.admin.info("server")["process_id"] != os.getpid()


def test_cluster_shares_the_slots_and_goes_on_without_one(redis_cluster: Cluster):
    key = "{project}:workers"
    with redis.RedisCluster.from_url(redis_cluster.url) as client:
        client.set(key, 1)
        assert redis_cluster.serving(key).admin.get(key) == "1"
        redis_cluster.not_serving(key).kill()
        assert client.get(key) == b"1"
        # Some versions of redis-py leave them open at the end of the block.
        client.disconnect_connection_pools()


def test_sentinel_puts_the_replica_in_the_place_of_the_master(
    redis_sentinels: Sentinels,
):
    finder = redis.sentinel.Sentinel(redis_sentinels.addresses)
    assert finder.discover_master(SERVICE)[1] == redis_sentinels.master.port
    redis_sentinels.master.kill()
    redis_sentinels.wait_for_failover()
    assert finder.discover_master(SERVICE)[1] == redis_sentinels.replica.port
    for sentinel in finder.sentinels:
        sentinel.close()
