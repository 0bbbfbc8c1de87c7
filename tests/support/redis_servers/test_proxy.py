from __future__ import annotations

import contextlib
import socket

import pytest

from tests.support.redis_servers.proxy import Network, Proxy
from tests.support.redis_servers.server import RedisServer, wait_until

pytestmark = pytest.mark.redis

PING = b"PING\r\n"
PONG = b"+PONG\r\n"

#: Nothing comes in the time that everything takes otherwise.
SHORT_SECONDS = 0.1


@pytest.fixture
def client(proxy: Proxy):
    with contextlib.closing(connected(proxy)) as client:
        assert answer(client, PING) == PONG
        yield client


def connected(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=10)


def answer(client: socket.socket, request: bytes) -> bytes:
    client.sendall(request)
    return client.recv(100)


def hears_nothing(client: socket.socket) -> bool:
    client.settimeout(SHORT_SECONDS)
    with contextlib.suppress(TimeoutError):
        return not client.recv(100)
    client.settimeout(10)
    return True


def works(proxy: Proxy) -> bool:
    with contextlib.closing(connected(proxy)) as client:
        return answer(client, PING) == PONG


def test_network_that_refuses_keeps_no_connection(proxy, client):
    proxy.network = Network.REFUSES
    assert client.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        connected(proxy)
    wait_until(lambda: not proxy.connections)
    proxy.network = Network.WORKS
    assert works(proxy)


def test_network_that_resets_resets_old_and_new(proxy, client):
    proxy.network = Network.RESETS
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    with pytest.raises(OSError, match=r"reset|pipe"), connected(proxy) as new:
        answer(new, PING)
        answer(new, PING)
    proxy.network = Network.WORKS
    assert works(proxy)


def test_what_is_swallowed_arrives_in_the_end(
    proxy: Proxy, client, redis_server: RedisServer
):
    proxy.network = Network.SWALLOWS
    client.sendall(b"SET number 1\r\n")
    assert hears_nothing(client)
    client.close()
    assert redis_server.admin.get("number") is None
    proxy.network = Network.WORKS
    wait_until(lambda: redis_server.admin.get("number") == "1")
    assert works(proxy)


def test_delayed_reply_arrives(proxy, client):
    proxy.delay_seconds = SHORT_SECONDS
    proxy.network = Network.DELAYS
    assert answer(client, PING) == PONG


def test_request_whose_reply_is_dropped_is_carried_out(
    proxy: Proxy, client, redis_server: RedisServer
):
    proxy.network = Network.DROPS_REPLIES
    client.sendall(b"INCR number\r\n")
    wait_until(lambda: redis_server.admin.get("number") == "1")
    assert hears_nothing(client)
    proxy.network = Network.WORKS
    assert answer(client, PING) == PONG


def test_half_a_reply_is_the_end(proxy, client):
    proxy.network = Network.CUTS_REPLIES
    assert answer(client, PING) == PONG[: len(PONG) // 2]
    assert client.recv(100) == b""
    proxy.network = Network.WORKS
    assert works(proxy)


def test_server_that_is_down_is_a_reset(proxy, client, redis_server: RedisServer):
    redis_server.kill()
    assert client.recv(1) == b""
    with pytest.raises(OSError, match=r"reset|pipe"), connected(proxy) as new:
        answer(new, PING)
        answer(new, PING)


def test_proxy_ends_in_the_middle_of_everything(redis_server: RedisServer):
    with Proxy(redis_server.port) as proxy:
        client = connected(proxy)
        assert answer(client, PING) == PONG
        proxy.network = Network.SWALLOWS
        client.sendall(PING)
    assert not proxy.connections
    client.close()
