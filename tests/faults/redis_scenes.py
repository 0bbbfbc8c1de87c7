"""Where each fault happens: a server behind a proxy, a Cluster, Sentinels, a clock."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.faults.redis_faults import FAULTS, PAST, PREFIX, Deleted, Fault
from tests.support.redis_servers.cluster import cluster
from tests.support.redis_servers.proxy import Proxy
from tests.support.redis_servers.sentinel import FAILOVER_MS, SERVICE, sentinels
from tests.support.redis_servers.server import RedisServer, wait_until

KEY = f"{{{PREFIX}}}:workers"

#: Workers sample the history once a second, as a fault lasts but for some.
OFTEN = "tests.servers.project.often"


def nothing() -> None:
    """Do nothing, as where a fault is there from the start or ends by itself."""


class Nothing(Fault):
    """All is well, which tells what is noise."""

    def begin(self, server: RedisServer, proxy: Proxy) -> None:
        pass


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A Redis that runs, and what is going to happen to it."""

    #: Of the backend.
    options: Mapping[str, Any]
    begin: Callable[[], object] = nothing
    end: Callable[[], object] = nothing
    #: Of the process that serves the sockets.
    environment: Mapping[str, str] = dataclasses.field(
        default_factory=lambda: {"PROJECT_IMPORTS": OFTEN}
    )


Stage = Callable[[], contextlib.AbstractContextManager[Scene]]


@contextlib.contextmanager
def on_a_server(fault: Fault) -> Iterator[Scene]:
    with RedisServer(*fault.options) as server, Proxy(server.port) as proxy:
        yield Scene(
            options={"url": proxy.url},
            begin=lambda: fault.begin(server, proxy),
            end=lambda: fault.end(server, proxy),
        )


@contextlib.contextmanager
def in_a_cluster(*, own: bool) -> Iterator[Scene]:
    with cluster(3, "--cluster-require-full-coverage", "no") as nodes:
        node = nodes.serving(KEY) if own else nodes.not_serving(KEY)
        options = {"url": nodes.url, "cluster": True}

        def restart() -> None:
            # A master that comes back takes no writes for two seconds.
            node.start()
            wait_until(nodes.is_whole)

        yield Scene(options=options, begin=node.kill, end=restart)


@contextlib.contextmanager
def under_sentinels() -> Iterator[Scene]:
    with sentinels(down_after_ms=FAILOVER_MS) as service:
        yield Scene(
            options={"sentinels": service.addresses, "sentinel_service": SERVICE},
            begin=service.master.kill,
            end=service.wait_for_failover,
        )


@contextlib.contextmanager
def with_a_wrong_clock(seconds: float) -> Iterator[Scene]:
    environment = {
        "PROJECT_IMPORTS": f"{OFTEN},tests.servers.project.wrong_clock",
        "PROJECT_CLOCK": str(seconds),
    }
    with RedisServer() as server:
        yield Scene(options={"url": server.url}, environment=environment)


STAGES: dict[str, Stage] = {
    "none": functools.partial(on_a_server, Nothing()),
    **{
        name: functools.partial(on_a_server, fault)
        for name, fault in FAULTS.items()
        # No user is signed in here.
        if name != "users deleted"
    },
    **{
        f"{kind} deleted": functools.partial(on_a_server, Deleted(pattern))
        for kind, pattern in PAST.items()
    },
    "another master of the Cluster down": functools.partial(in_a_cluster, own=False),
    "its own master of the Cluster down": functools.partial(in_a_cluster, own=True),
    "failover by Sentinel": under_sentinels,
    "workers ten minutes ahead": functools.partial(with_a_wrong_clock, 600.0),
    "workers ten minutes behind": functools.partial(with_a_wrong_clock, -600.0),
}
