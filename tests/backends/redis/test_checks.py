"""What ``manage.py check`` says of a Redis, and what happens with it at run time."""

from __future__ import annotations

import pytest
from django.core.checks import run_checks

from django_socket_status.backends import get_backend
from django_socket_status.backends.redis import checks as redis_checks
from django_socket_status.backends.redis import client as redis_client
from django_socket_status.backends.sqlite.deployment import this_project
from django_socket_status.exceptions import (
    BackendError,
    BackendUnusableError,
    StatusUnavailableError,
)
from django_socket_status.records import ConnectionQuery
from django_socket_status.reporter.thread import reporter
from django_socket_status.services import SocketStatusService
from django_socket_status.testing import FakeWorker
from tests.support.redis_fixtures import PATIENT_SECONDS
from tests.support.redis_servers.server import RedisServer, free_port

pytestmark = pytest.mark.redis

SECRET = "marked-secret"
BACKEND = "django_socket_status.backends.redis.RedisBackend"


@pytest.fixture
def ids_of(settings, redis_prefix):
    """Return what gives the ids of the checks that say something about options."""

    def ids_of(**options):
        given = {
            "prefix": redis_prefix,
            "timeout_seconds": PATIENT_SECONDS,
            **options,
        }
        settings.SOCKET_STATUS = {"BACKEND": BACKEND, "OPTIONS": given}
        found = [it for it in run_checks() if it.id.startswith("django_socket_status")]
        # Of consumers there may be odd ones, from other tests.
        found = [it for it in found if not it.id.endswith((".E014", ".W003"))]
        text = "".join(f"{it} {it!r} {it.hint}" for it in found)
        assert "marked" not in text
        return {it.id.rpartition(".")[2]: f"{it.msg} {it.hint}" for it in found}

    return ids_of


def test_healthy_server_is_passed_in_silence(ids_of, shared_redis, make_redis, worker):
    assert ids_of(url=shared_redis.url) == {}
    assert make_redis().report(worker.full([worker.open(user="7")]))
    assert ids_of(url=shared_redis.url) == {}
    assert make_redis(details=False).report(FakeWorker("b").full())
    assert ids_of(url=shared_redis.url, details=False) == {}


def test_healthy_cluster_and_service_are_passed_in_silence(
    ids_of, shared_cluster, shared_sentinels
):
    assert ids_of(url=shared_cluster.url, cluster=True) == {}
    addresses = shared_sentinels.addresses
    assert ids_of(sentinels=addresses, sentinel_service="main") == {}


def test_check_leaves_no_key_behind(ids_of, redis_server):
    assert ids_of(url=redis_server.url) == {}
    ends = {redis_server.admin.pttl(key) for key in redis_server.admin.scan_iter()}
    # One that is gone meanwhile has -2, and one that stays has -1.
    assert all(it == -2 or 0 <= it <= 1000 for it in ends)


@pytest.mark.parametrize(
    "options",
    [
        {"url": f"redis://:{SECRET}/@host/0"},
        {"url": f"http://:{SECRET}@host/0"},
        {"prefix": ""},
        {"no_such_option": SECRET},
        {"timeout_seconds": -1, "url": f"redis://:{SECRET}@host"},
        {},
    ],
)
def test_options_that_are_not_taken_are_errors(ids_of, options):
    found = ids_of(**options)
    assert [*found] == ["E009"]
    assert "timeout_seconds" in found["E009"]


def test_driver_that_is_missing_is_an_error(ids_of, shared_redis, monkeypatch):
    monkeypatch.setattr(redis_client, "HAS_DRIVER", False)
    monkeypatch.setattr(redis_checks, "HAS_DRIVER", False)
    found = ids_of(url=shared_redis.url)
    assert [*found] == ["E015"]
    assert "pip install 'django-socket-status[redis]'" in found["E015"]
    with pytest.raises(BackendUnusableError):
        get_backend().read()


def test_port_without_a_server_is_a_warning(ids_of):
    found = ids_of(url=f"redis://me:{SECRET}@127.0.0.1:{free_port()}/0")
    assert [*found] == ["W011"]
    is_out_of_reach()


def test_replica_is_a_warning(ids_of, shared_sentinels):
    found = ids_of(url=shared_sentinels.replica.url)
    assert [*found] == ["W011"]
    assert "takes writes" in found["W011"]
    worker = FakeWorker()
    with pytest.raises(BackendError):
        get_backend().report(worker.full())


def test_password_that_is_missing_or_wrong_is_a_warning(ids_of):
    with RedisServer("--requirepass", SECRET) as server:
        for url in (server.url, f"redis://:marked-wrong@127.0.0.1:{server.port}/0"):
            found = ids_of(url=url)
            assert [*found] == ["W012"]
            assert "password" in found["W012"]
            is_unusable()


def test_user_who_may_run_no_scripts_is_a_warning(ids_of, redis_server):
    words = f"on >{SECRET} ~* &* +@all -@scripting".split()
    redis_server.admin.execute_command("ACL", "SETUSER", "me", *words)
    found = ids_of(url=f"redis://me:{SECRET}@127.0.0.1:{redis_server.port}/0")
    assert [*found] == ["W012"]
    assert "+@scripting" in found["W012"]
    is_unusable()


def is_unusable() -> None:
    """Assert that this process then answers for its own sockets alone."""
    reporter.sender.is_used = True
    assert SocketStatusService.get_socket_info_summary()["coverage"] == "process"
    with pytest.raises(BackendUnusableError):
        get_backend().read()


def is_out_of_reach() -> None:
    """Assert that this process then says that there is no answer for all."""
    with pytest.raises(BackendError) as raised:
        get_backend().read()
    assert not isinstance(raised.value, BackendUnusableError)
    assert "marked" not in str(raised.value)
    with pytest.raises(StatusUnavailableError):
        SocketStatusService.get_socket_info_summary()


def test_server_that_evicts_is_a_warning(ids_of):
    limits = ("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    with RedisServer(*limits) as server:
        found = ids_of(url=server.url)
        assert [*found] == ["W013"]
        assert "allkeys-lru" in found["W013"]
        get_backend().read()


@pytest.mark.parametrize(
    "limits",
    [
        ("--maxmemory", "100mb", "--maxmemory-policy", "noeviction"),
        ("--maxmemory", "0", "--maxmemory-policy", "allkeys-lru"),
    ],
)
def test_server_that_evicts_nothing_is_passed_in_silence(ids_of, limits):
    with RedisServer(*limits) as server:
        assert ids_of(url=server.url) == {}


def test_server_that_keeps_its_configuration_to_itself_is_passed_in_silence(ids_of):
    with RedisServer("--rename-command", "CONFIG", "") as server:
        assert ids_of(url=server.url) == {}


def test_project_with_the_same_prefix_is_a_warning(
    ids_of, settings, shared_redis, make_redis, worker
):
    ours, settings.SECRET_KEY = settings.SECRET_KEY, "another"
    assert make_redis(clock=None).report(worker.full())
    settings.SECRET_KEY = ours
    found = ids_of(url=shared_redis.url)
    assert [*found] == ["W014"]
    assert worker.worker.host in found["W014"]
    make_redis(clock=None).goodbye("a")
    assert ids_of(url=shared_redis.url) == {}


def test_project_whose_key_is_rotated_is_the_same(
    ids_of, settings, shared_redis, make_redis, worker
):
    """A new release has a new key, and the workers of the old one still report."""
    ours = settings.SECRET_KEY
    assert make_redis(clock=None).report(worker.full())
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", [ours]
    assert ids_of(url=shared_redis.url) == {}
    make_redis(clock=None).goodbye("a")


def test_project_that_makes_its_key_in_each_process_has_a_name(
    settings, shared_redis, redis_prefix, make_redis, worker
):
    settings.SOCKET_STATUS = {"DEPLOYMENT": "shop"}
    assert make_redis(clock=None).report(worker.full())
    settings.SECRET_KEY = "another"
    backend = make_redis(clock=None)
    assert not list(backend.check())
    settings.SOCKET_STATUS = {"DEPLOYMENT": "shop staging"}
    (message,) = backend.check()
    assert message.id == "django_socket_status.W014"
    assert "DEPLOYMENT" in message.hint
    backend.goodbye("a")


def test_something_else_under_the_prefix_is_a_warning(
    ids_of, redis_server, redis_prefix
):
    key = f"{{{redis_prefix}}}:workers"
    redis_server.admin.set(key, "something else")
    assert [*ids_of(url=redis_server.url)] == ["W011"]
    redis_server.admin.delete(key)
    redis_server.admin.zadd(key, {"a": 1e15, b"\xff": 1e15})
    redis_server.admin.hset(f"{{{redis_prefix}}}:a:who", "w", "7")
    assert [*ids_of(url=redis_server.url)] == ["W011"]


def test_project_is_known_by_no_secret(settings):
    settings.SECRET_KEY = "marked-secret-key"
    first = this_project()
    assert "marked" not in first
    settings.SECRET_KEY = "another"
    assert this_project() != first
    assert len(first) == 16


@pytest.mark.parametrize(
    "query",
    [
        "decode_responses=True",
        "retry_on_timeout=True",
        "retry=3&retry_on_error=x",
        "decode_responses=1&socket_timeout=20",
    ],
)
def test_parameters_of_the_url_override_nothing_that_has_to_be(
    ids_of, shared_redis, query
):
    assert ids_of(url=f"{shared_redis.url}?{query}") == {}
    worker = FakeWorker()
    backend = get_backend()
    assert backend.report(worker.full([worker.open(user="7")]))
    assert backend.read().unique_users == 1
    assert len(backend.get_connections(ConnectionQuery())) == 1
    assert set(backend.online_user_ids()) == {"7"}


@pytest.mark.parametrize("query", ["socket_timeout=soon", "no_such_parameter=1"])
def test_parameters_of_the_url_that_can_never_work_are_named(
    ids_of, shared_redis, query
):
    found = ids_of(url=f"{shared_redis.url}?{query}")
    assert [*found] == ["W012"]
    assert query.partition("=")[0] in found["W012"]
    is_unusable()


@pytest.mark.parametrize(
    "host",
    [
        {"connection_class": object, "path": "/run/redis.sock"},
        {"path": "/run/redis.sock"},
        {"connection_pool": None},
    ],
)
def test_host_of_a_channel_layer_that_cannot_be_used_is_named(ids_of, settings, host):
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            "CONFIG": {"hosts": [host]},
        }
    }
    found = ids_of()
    assert [*found] == ["E009"]
    assert "give OPTIONS['url']" in found["E009"]
