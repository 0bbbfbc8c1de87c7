"""Clients have one timeout and no retry, whatever redis-py's defaults are."""

from __future__ import annotations

import pytest

from django_socket_status.backends.redis.address import Address
from django_socket_status.backends.redis.driver import close, connect

URL = Address(kind="url", url="redis://host.example:7/3?retry_on_timeout=1&db=2")
SENTINEL = Address(
    kind="sentinel", sentinels=[("host.example", 26379)], service="service"
)
HOST = Address(kind="url", options={"host": "host.example", "port": 7})


def options_of(client) -> dict[str, object]:
    return client.connection_pool.connection_kwargs


@pytest.mark.parametrize("address", [URL, SENTINEL, HOST])
def test_client_has_one_timeout_and_no_retry(address):
    client = connect(address, 0.25)
    try:
        options = options_of(client)
        assert options["socket_timeout"] == 0.25
        assert options["socket_connect_timeout"] == 0.25
        assert options["protocol"] == 2
        assert options["decode_responses"] is False
        assert options["retry"]._retries == 0
        assert not options.get("retry_on_timeout")
    finally:
        close(client)


def test_url_keeps_its_other_parameters():
    client = connect(URL, 1.0)
    assert options_of(client)["db"] == 2
    close(client)


def test_options_of_the_project_win_over_the_timeout():
    options = {"socket_timeout": 9.0, "decode_responses": True}
    client = connect(Address(kind="url", options=options), 1.0)
    assert options_of(client)["socket_timeout"] == 9.0
    assert options_of(client)["decode_responses"] is False
    close(client)
