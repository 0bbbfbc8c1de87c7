"""The rights that the documentation gives to the user of the backend are enough."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from django_socket_status.activity.stored import (
    Activity,
    Bucket,
    Command,
    CountTotals,
    Entries,
)
from django_socket_status.backends.redis import RedisBackend
from django_socket_status.backends.redis.rights import PROBES
from django_socket_status.backends.redis.user_union import QUICK_USERS
from django_socket_status.exceptions import BackendUnusableError
from django_socket_status.records import ConnectionQuery, OpenedConnection
from django_socket_status.testing import FakeWorker
from tests.support.redis_fixtures import PATIENT_SECONDS
from tests.support.redis_servers.cluster import Cluster
from tests.support.redis_servers.server import RedisServer, wait_until
from tests.support.redis_tools import keys_of
from tests.support.source import ROOT

pytestmark = pytest.mark.redis

PAGE = ROOT / "docs" / "how-to" / "several-hosts.md"

USERS = QUICK_USERS

#: What is needed besides, without a key.
OF_SCRIPTS = {"EVAL", "EVALSHA", "SCRIPT", "TIME"}


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


def do_all(backend: RedisBackend, *, checks: bool = True) -> None:
    """Do everything that a backend is ever asked to."""
    one, other = (FakeWorker(it, lease_seconds=600.0) for it in ("one", "other"))
    opened = connections()
    # A server with an unknown uptime.
    assert not backend.read().workers
    do_all_of_activity(backend)
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
    if checks:
        assert not list(backend.check())


def do_all_of_activity(backend: RedisBackend) -> None:
    """Do everything that a backend is ever asked to about activity."""
    worker = FakeWorker("active", lease_seconds=0.5)
    backend.give_command(Command("one", "text", 60.0))
    for is_new in (True, False):
        activity = Activity(
            totals=CountTotals(1, is_new, "T"),
            closed=Entries("c", 1),
            rejected=Entries("r", 1),
            condition="fine",
            results={"one": "done"},
            can_sample=True,
        )
        assert backend.exchange(worker.full(connections()[:5], activity=activity))
    assert backend.read_conditions()
    assert backend.read_commands()
    assert backend.read_ended("closed")
    backend.keep_ended("closed", Entries("d", 10_000))
    for number in (1, 1, 2):
        backend.write_buckets([Bucket("total", number, "text", 1)], "carry")
    assert backend.read_buckets({"total": 0})
    wait_until(lambda: len(backend.lost_connections("active", 5)) == 5)
    totals = backend.read_totals()
    assert totals is not None
    assert backend.fold(totals.counts, "", "base")
    assert backend.exchange(worker.full(activity=activity)).folded == 2
    assert backend.exchange(worker.full(activity=Activity(stops=True))).is_taken


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


#: What the driver sends by itself, and what this package can do without.
OTHERS = {"auth", "client", "config", "hello", "info", "select"}


def test_check_tries_every_command_that_is_used(redis_server):
    backend = RedisBackend(url=redis_server.url, timeout_seconds=PATIENT_SECONDS)
    redis_server.admin.config_resetstat()
    do_all(backend, checks=False)
    backend.close()
    stats = redis_server.admin.info("commandstats")
    used = {name.removeprefix("cmdstat_") for name in stats} - OTHERS
    used -= {it for it in used if it.partition("|")[0] in OTHERS}
    assert {name.partition("|")[0].upper() for name in used} == {*PROBES, *OF_SCRIPTS}


@pytest.mark.parametrize("command", [*PROBES, "EVAL", "EVALSHA", "TIME", "SCRIPT"])
def test_check_names_a_command_that_is_denied(shared_redis, redis_prefix, command):
    rule = f"on >secret ~* &* +@all -{command.lower()}"
    user = f"without-{command}"
    shared_redis.admin.execute_command("ACL", "SETUSER", user, *rule.split())
    backend = RedisBackend(
        url=f"redis://{user}:secret@127.0.0.1:{shared_redis.port}",
        prefix=redis_prefix,
        timeout_seconds=PATIENT_SECONDS,
    )
    (message,) = backend.check()
    backend.close()
    assert message.id == "django_socket_status.W012"
    assert re.search(rf"\b{command}\b", message.msg)
    assert f"+{command.lower()}" in message.hint
    assert not keys_that_stay(shared_redis, redis_prefix)


def keys_that_stay(server: RedisServer, prefix: str) -> list[str]:
    return [it for it in keys_of(server, prefix) if server.admin.pttl(it) == -1]


@pytest.mark.parametrize("command", ["SCRIPT", "EVALSHA", "SADD", "TIME", "UNLINK"])
def test_check_names_a_command_that_was_renamed(command):
    with RedisServer("--rename-command", command, "") as server:
        backend = RedisBackend(url=server.url, timeout_seconds=PATIENT_SECONDS)
        (message,) = backend.check()
        assert message.id == "django_socket_status.W012"
        assert command in message.msg
        # It will not work later, either.
        worker = FakeWorker()
        with pytest.raises(BackendUnusableError) as raised:
            for report in (worker.full([worker.open(user="7")]), worker.full()):
                backend.report(report)
            backend.read()
        assert "rename-command" in str(raised.value)
        backend.close()


def test_check_names_keys_that_are_denied(shared_redis, redis_prefix):
    rule = "on >secret ~other:* &* +@all"
    shared_redis.admin.execute_command("ACL", "SETUSER", "elsewhere", *rule.split())
    backend = RedisBackend(
        url=f"redis://elsewhere:secret@127.0.0.1:{shared_redis.port}",
        prefix=redis_prefix,
        timeout_seconds=PATIENT_SECONDS,
    )
    (message,) = backend.check()
    backend.close()
    assert message.id == "django_socket_status.W012"
    assert "on the keys" in message.hint


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
