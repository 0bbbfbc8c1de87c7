"""A client that vanishes without a word is gone when its server says so."""

from __future__ import annotations

import pytest

from tests.servers.servers import wait_until

pytestmark = pytest.mark.server

#: Servers ping, and close a connection without an answer.
SERVERS = {
    "daphne": ("--ping-interval=1", "--ping-timeout=10"),
    "uvicorn-sansio": ("--ws-ping-interval=0.5", "--ws-ping-timeout=5"),
}


@pytest.mark.parametrize("server", SERVERS)
def test_silent_client_is_gone_and_one_that_answers_pings_is_not(serve, server):
    site = serve(server, *SERVERS[server])
    with site.open("async/there/"), site.open_raw("async/silent/"):
        site.eventually_holds(2)
        site.eventually_holds(1)
        # Signals are sent off the path of a socket, and may come after the count.
        wait_until(lambda: len(site.diary("silent")) >= 2)
        assert len(site.diary("there")) == 1
        (_, closed) = site.diary("silent")
        assert closed["ended_by"] == "client"
    site.eventually_holds(0)
