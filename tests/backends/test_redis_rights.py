"""The rights that the documentation gives to the user of the backend are enough."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from django_socket_status.backends.redis import RedisBackend
from django_socket_status.backends.redis_users import QUICK_USERS
from django_socket_status.records import ConnectionQuery, OpenedConnection
from django_socket_status.testing import FakeWorker
from tests.backends.redis_fixtures import PATIENT_SECONDS
from tests.redis_servers.cluster import Cluster
from tests.redis_servers.server import RedisServer, wait_until
from tests.source import ROOT

pytestmark = pytest.mark.redis

PAGE = ROOT / "docs" / "how-to" / "several-hosts.md"

USERS = QUICK_USERS


def documented() -> str:
    """Return the rule for the default prefix, of a user with a password."""
    (rule,) = re.findall(r"^ACL SETUSER .*$", PAGE.read_text(encoding="utf-8"), re.M)
    return str(rule)


def rules() -> Iterator[str]:
    """Yield the documented rule, and the documented shorter one."""
    yield documented()
    (shorter,) = re.findall(r"`(-@all \+@read .*?)`", PAGE.read_text(encoding="utf-8"))
    yield f"{documented().partition('-@all')[0]}{shorter}"


def connections() -> list[OpenedConnection]:
    return [
        OpenedConnection(number, "call", "/call/", str(number), {"room": "a"}, number)
        for number in range(USERS)
    ]


def do_all(backend: RedisBackend) -> None:
    """Do everything that a backend is ever asked to."""
    one, other = (FakeWorker(it, lease_seconds=600.0) for it in ("one", "other"))
    opened = connections()
    # Of a server of which nobody knows how long it has been there.
    assert not backend.read().workers
    # Of so few that they are counted at once, and of so many that they are not.
    for count in (10, USERS):
        for worker in (one, other):
            assert backend.report(worker.full(opened[:count]))
        assert backend.read().unique_users == count
    assert backend.report(one.change(closed=opened[:100]))
    assert backend.report(one.change(*opened[:1]))
    assert backend.report(one.full())
    assert backend.is_online("5")
    assert len(backend.online_user_ids()) == USERS
    query = ConnectionQuery(labels={"room": "a"})
    assert backend.get_connections(query).total == 2 * USERS - 99
    for worker_id in ("one", "other"):
        backend.goodbye(worker_id)
    late = FakeWorker("late", lease_seconds=0.5)
    assert backend.report(late.full())
    wait_until(lambda: not backend.read().workers)
    assert backend.report(late.full())
    assert not list(backend.check())


def denied(server: RedisServer) -> set[str]:
    """Return which commands the user was not allowed, without their subcommands."""
    return {it["object"].partition("|")[0] for it in server.admin.acl_log()}


@pytest.mark.parametrize("rule", list(rules()), ids=["exact", "shorter"])
def test_documented_rights_are_enough(redis_server, rule):
    redis_server.admin.execute_command(*rule.split())
    url = f"redis://status:secret@127.0.0.1:{redis_server.port}"
    backend = RedisBackend(url=url, timeout_seconds=PATIENT_SECONDS)
    do_all(backend)
    backend.close()
    # It asks for the one, and the driver tells its name by the other, and does without.
    assert denied(redis_server) <= {"config", "client"}


def test_documented_rights_are_all_needed(redis_server):
    rule = documented()
    redis_server.admin.execute_command(*rule.split())
    redis_server.admin.config_resetstat()
    url = f"redis://status:secret@127.0.0.1:{redis_server.port}"
    backend = RedisBackend(url=url, timeout_seconds=PATIENT_SECONDS)
    do_all(backend)
    backend.close()
    stats = redis_server.admin.info("commandstats")
    used = {name.removeprefix("cmdstat_").partition("|")[0] for name in stats}
    granted = {name.partition("|")[0] for name in re.findall(r"\+(\S+)", rule)}
    assert sorted(granted - used) == []


def test_documented_rights_and_some_are_enough_for_a_cluster(
    steady_cluster: Cluster,
):
    (more,) = re.findall(r"`(.*?)` for a Cluster", PAGE.read_text(encoding="utf-8"))
    for node in steady_cluster.nodes:
        node.admin.execute_command(*documented().split(), *more.split())
    url = f"redis://status:secret@127.0.0.1:{steady_cluster.nodes[0].port}"
    backend = RedisBackend(url=url, cluster=True, timeout_seconds=PATIENT_SECONDS)
    do_all(backend)
    backend.close()


def test_other_database_needs_one_right_more(redis_server):
    (more,) = re.findall(r"`(.*?)` if the URL names", PAGE.read_text(encoding="utf-8"))
    redis_server.admin.execute_command(*documented().split(), more)
    url = f"redis://status:secret@127.0.0.1:{redis_server.port}/1"
    backend = RedisBackend(url=url, timeout_seconds=PATIENT_SECONDS)
    do_all(backend)
    backend.close()
