"""A Cluster, and a master behind Sentinels, answer everything as one server does.

The other tests of the contract are about what is stored. That is the same everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from django_socket_status.activity.stored import (
    Activity,
    Bucket,
    Command,
    CountTotals,
    Entries,
    Rewritten,
)
from django_socket_status.backends.redis import RedisBackend, scripts
from django_socket_status.records import ConnectionQuery
from django_socket_status.testing import Clock, FakeWorker
from django_socket_status.testing.contract.lifecycle import LifecycleContract
from django_socket_status.testing.contract.reports import ReportsContract
from tests.support.redis_fixtures import PATIENT_SECONDS, new_prefix
from tests.support.redis_servers.sentinel import SERVICE

pytestmark = pytest.mark.redis

#: Scripts that run only after a loss or damage.
REPAIRS = {"DROP_DAMAGED", "FORGET_FUTURE", "NOTE_LOSS"}

SCRIPTS = {getattr(scripts, name): name for name in scripts.__all__ if name.isupper()}


def make(request: pytest.FixtureRequest, kind: str, **options: Any) -> RedisBackend:
    prefix = options.setdefault("prefix", new_prefix())
    where: dict[str, Any]
    if kind == "cluster":
        cluster = request.getfixturevalue("shared_cluster")
        # The node that is asked first is another one.
        where = {"url": cluster.not_serving(f"{{{prefix}}}").url, "cluster": True}
    elif kind == "sentinels":
        found = request.getfixturevalue("shared_sentinels")
        where = {"sentinels": found.addresses, "sentinel_service": SERVICE}
    else:
        where = {"url": request.getfixturevalue("shared_redis").url}
    return RedisBackend(timeout_seconds=PATIENT_SECONDS, **where, **options)


@pytest.mark.parametrize("kind", ["cluster", "sentinels"])
class TestContract(ReportsContract, LifecycleContract):
    @pytest.fixture(autouse=True)
    def server(self, request: pytest.FixtureRequest, kind: str) -> None:
        self.make_backend = lambda clock: make(  # type: ignore[method-assign]
            request, kind, prefix=prefix, clock=clock
        )
        prefix = new_prefix()


def activity(text: str, *, new: bool) -> Activity:
    return Activity(
        totals=CountTotals(1, new, text),
        closed=Entries(text, 1),
        rejected=Entries(text, 1),
        condition="fine",
        results={"one": "done"},
        can_sample=True,
    )


def answers(backend: RedisBackend, clock: Clock) -> Iterator[Any]:
    """Ask for everything, and yield the answers."""
    stays, dies = FakeWorker("stays", lease_seconds=60.0), FakeWorker("dies")
    for worker in (stays, dies):
        held = [worker.open(user=str(it), labels={"room": "b"}) for it in range(150)]
        yield backend.exchange(worker.full(held, activity=activity("1", new=True)))
    yield backend.give_command(Command("one", "text", 60.0))
    report = stays.change(
        stays.open(user="new"), closed=held[:100], activity=activity("2", new=False)
    )
    yield backend.exchange(report)
    yield backend.report(dies.change(dies.open()))
    yield backend.read()
    for query in (
        ConnectionQuery(limit=10),
        ConnectionQuery(user_id="7", limit=10),
        ConnectionQuery(labels={"room": "b"}, limit=5, offset=5),
    ):
        yield backend.get_connections(query)
    yield backend.is_online("7"), backend.is_online("unknown")
    yield sorted(backend.online_user_ids())
    yield backend.report_endpoints("endpoints", 5.0), backend.read_endpoints()
    yield backend.keep_ended("closed", Entries("lost", 1))
    yield backend.rewrite_ended("closed", lambda it: Rewritten(f"{it} again", 1))
    yield backend.read_ended("closed"), backend.read_ended("rejected")
    yield backend.write_buckets([Bucket("1h", 5, "b", 9), Bucket("6h", 1, "c", 9)], "d")
    yield backend.read_buckets({"1h": 0, "6h": 0})
    yield backend.read_conditions(), backend.read_commands()
    clock.advance(6)
    yield backend.lost_connections("dies", 3)
    stored = backend.read_totals()
    assert stored is not None
    yield stored._replace(counts=sorted(stored.counts))
    dead = [it for it in stored.counts if not it.is_live]
    assert dead
    yield backend.fold(dead, stored.base, "base")
    yield backend.goodbye("stays")
    yield backend.read()


@pytest.mark.parametrize("kind", ["cluster", "sentinels"])
def test_everything_is_answered_as_by_one_server(request, kind, monkeypatch):
    found, ran = [], set()
    for where in ("alone", kind):
        clock = Clock()
        backend = make(request, where, clock=clock)
        for name in ("run", "run_with"):
            call = getattr(backend._client, name)

            def note(script, *given, call=call):
                ran.add(SCRIPTS.get(script))
                return call(script, *given)

            monkeypatch.setattr(backend._client, name, note)
        found.append(list(answers(backend, clock)))
        backend.close()
    assert found[0] == found[1]
    assert set(SCRIPTS.values()) - ran <= REPAIRS
