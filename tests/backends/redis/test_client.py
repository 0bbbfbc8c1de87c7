"""How Redis is spoken to, and what is told when it goes wrong: never a password."""

from __future__ import annotations

import contextlib
import gc
import logging
import re
import subprocess
import sys
import threading
import traceback

import pytest
import redis

from django_socket_status.backends.redis import RedisBackend
from django_socket_status.backends.redis import client as redis_client
from django_socket_status.backends.redis.client import digest
from django_socket_status.exceptions import BackendError, BackendUnusableError
from django_socket_status.registry.registry import registry
from django_socket_status.reporter.thread import Reporter
from tests.support.redis_fixtures import PATIENT_SECONDS
from tests.support.redis_servers.cluster import OPTIONS, patient_cluster
from tests.support.redis_servers.proxy import Network, Proxy
from tests.support.redis_servers.sentinel import SERVICE, config_of, sentinels
from tests.support.redis_servers.server import RedisServer, free_port, wait_until

pytestmark = pytest.mark.redis

SECRET = "marked-secret"
WRONG = "marked-wrong-secret"

#: To the garbage collector, when it cannot connect: ``told_by`` calls that.
redis_py_leaves_sockets = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


@pytest.fixture
def report(make_redis, worker):
    """Return what makes a backend and reports to it, once."""

    def report(**options):
        given = {"clock": None, "timeout_seconds": PATIENT_SECONDS, **options}
        return make_redis(**given).report(worker.full([worker.open()]))

    return report


def told_by(call) -> BackendError:
    """Return what a call raises, and see that nothing of it shows a password."""
    with pytest.raises(BackendError) as raised:
        call()
    error = raised.value
    text = "".join(traceback.format_exception(error))
    for shown in (str(error), repr(error), repr(error.args), text):
        assert "marked" not in shown
    del raised
    error.__traceback__ = error.__context__ = None
    gc.collect()
    return error


def with_password(server: RedisServer, password: str = SECRET, user: str = "") -> str:
    return f"redis://{user}:{password}@127.0.0.1:{server.port}/0"


# Whom it refuses.


@pytest.fixture
def guarded():
    with RedisServer("--requirepass", SECRET) as server:
        yield server


def test_password_lets_in(guarded, report):
    assert report(url=with_password(guarded))
    assert report(url=guarded.url, client_options={"password": SECRET})
    assert report(url=f"{guarded.url}?password={SECRET}")
    assert report(url=f"unix://:{SECRET}@{guarded.socket_path}?db=0")


@pytest.mark.parametrize("password", [WRONG, ""])
@pytest.mark.parametrize("way", ["url", "query", "options", "unix"])
def test_wrong_password_makes_redis_unusable(guarded, report, way, password):
    if way == "unix":
        options = {"url": f"unix://:{password}@{guarded.socket_path}?db=0"}
    elif way == "query":
        options = {"url": f"{guarded.url}?password={password}"}
    elif way == "options":
        options = {"url": guarded.url, "client_options": {"password": password}}
    else:
        options = {"url": with_password(guarded, password)}
    error = told_by(lambda: report(**options))
    assert isinstance(error, BackendUnusableError)
    assert "refuses the user or the password" in str(error)


def test_password_that_is_wanted_at_run_time_makes_redis_unusable(
    make_redis, redis_server, worker
):
    backend = make_redis(redis_server)
    assert backend.report(worker.full())
    redis_server.admin.config_set("requirepass", SECRET)
    redis_server.admin.client_kill_filter(_type="normal", skipme=True)
    wait_until(lambda: isinstance(refused(backend), BackendUnusableError))


def refused(backend) -> BackendError | None:
    try:
        backend.read()
    except BackendError as error:
        return error
    return None


ACL = "on >{} ~{{*}}* &* "


@pytest.mark.parametrize(
    ("rules", "can_report"),
    [
        ("+@scripting +@read +@write +time", True),
        ("+@all -@scripting", False),
        ("+@all -set", False),
        ("+@all -time", False),
        ("-@all", False),
    ],
)
def test_user_needs_what_the_message_says(
    redis_server, report, rules, can_report, make_redis
):
    words = ACL.format(SECRET).split() + rules.split()
    redis_server.admin.execute_command("ACL", "SETUSER", "me", *words)
    url = with_password(redis_server, SECRET, "me")
    if can_report:
        assert report(url=url)
        backend = make_redis(url=url, clock=None)
        assert backend.read().workers
        assert backend.online_user_ids() == set()
        assert [*backend.check()] == []
        return
    error = told_by(lambda: report(url=url))
    assert isinstance(error, BackendUnusableError)
    assert "+@scripting, +@read, +@write and +time" in str(error)


def test_wrong_password_of_a_cluster_makes_it_unusable(report):
    with RedisServer(*OPTIONS, "--requirepass", SECRET) as server:
        with server.client(password=SECRET) as admin:
            admin.execute_command("CLUSTER", "ADDSLOTS", *range(16_384))
            wait_until(lambda: is_whole(admin))
        url = with_password(server)
        assert report(url=url, cluster=True)
        for wrong in (with_password(server, WRONG), server.url):
            error = told_by(lambda wrong=wrong: report(url=wrong, cluster=True))
            assert isinstance(error, BackendUnusableError)
            assert "refuses the user or the password" in str(error)


def is_whole(admin) -> bool:
    found = admin.execute_command("CLUSTER INFO")
    return re.search("cluster_state['\": ]+ok", str(found)) is not None


@pytest.fixture
def guarded_sentinel(guarded):
    """Run a Sentinel for a master that wants a password."""
    config = config_of(guarded.port, 1)
    config += f"sentinel auth-pass {SERVICE} {SECRET}\n"
    with RedisServer("--sentinel", config=config) as sentinel:
        yield sentinel


@pytest.mark.parametrize(
    "options", [{"password": WRONG}, {"password": ""}], ids=["wrong", "none"]
)
def test_wrong_password_of_a_master_makes_it_unusable(
    guarded_sentinel, report, options
):
    given = {
        "sentinels": [("127.0.0.1", guarded_sentinel.port)],
        "sentinel_service": SERVICE,
    }
    assert report(**given, client_options={"password": SECRET})
    error = told_by(lambda: report(**given, client_options=options))
    assert isinstance(error, BackendUnusableError)


def test_password_of_a_sentinel_is_not_shown(shared_sentinels, report):
    given = {
        "sentinels": shared_sentinels.addresses,
        "sentinel_service": SERVICE,
    }
    assert report(**given)
    # It has none, and is given one.
    secret = {"sentinel_kwargs": {"username": "me", "password": SECRET}}
    told_by(lambda: report(**given, client_options=secret))
    nobody = {**given, "sentinels": [("127.0.0.1", free_port())]}
    told_by(lambda: report(**nobody, client_options=secret))


# What else it may say.


def test_server_that_repeats_a_password_is_not_repeated(report):
    with RedisServer("--rename-command", "AUTH", "") as server:
        error = told_by(lambda: report(url=with_password(server)))
        assert "unknown command" in str(error)


@redis_py_leaves_sockets
def test_wrong_options_of_the_driver_are_an_error(report, shared_redis):
    for options in (
        {"no_such_option": 1},
        {"ssl": True, "ssl_cert_reqs": "perhaps"},
        {"socket_timeout": "long"},
        {"db": SECRET},
    ):
        given = {**options, "password": SECRET}
        told_by(lambda given=given: report(client_options=given))
    for query in ("db=x", "socket_timeout=long", "no_such_option=1"):
        url = f"{with_password(shared_redis)}?{query}&password={SECRET}"
        told_by(lambda url=url: report(url=url))


@redis_py_leaves_sockets
@pytest.mark.parametrize("cause", ["refused", "no socket", "no host", "no cluster"])
def test_error_of_an_absent_server_has_no_password(report, tmp_path, cause):
    port = free_port()
    url = {
        "refused": f"redis://me:{SECRET}@127.0.0.1:{port}/0",
        "no socket": f"unix://me:{SECRET}@{tmp_path}/none",
        "no host": f"redis://me:{SECRET}@host.invalid:{port}/0",
        "no cluster": f"redis://me:{SECRET}@127.0.0.1:{port}/0",
    }[cause]
    error = told_by(lambda: report(url=url, cluster=cause == "no cluster"))
    assert not isinstance(error, BackendUnusableError)
    assert "cannot be used" in str(error)


@pytest.mark.parametrize("network", [Network.SWALLOWS, Network.DROPS_REPLIES])
def test_timeout_is_an_error_without_a_password(report, proxy, network):
    proxy.network = network
    url = proxy.url.replace("redis://", f"redis://me:{SECRET}@")
    error = told_by(lambda: report(url=url, timeout_seconds=0.05))
    assert not isinstance(error, BackendUnusableError)


def test_warnings_of_a_reporter_show_no_password(
    settings, caplog, monkeypatch, redis_server, redis_prefix
):
    # A reporter takes it for itself.
    monkeypatch.setattr(registry.intake, "wake", registry.intake.wake)
    caplog.set_level(logging.DEBUG)
    for url in (
        with_password(redis_server, SECRET, "me"),
        f"redis://me:{SECRET}@127.0.0.1:{free_port()}/0",
    ):
        settings.SOCKET_STATUS = {
            "BACKEND": "django_socket_status.backends.redis.RedisBackend",
            "OPTIONS": {"url": url, "prefix": redis_prefix},
        }
        reporter = Reporter(registry)
        reporter.sender._owes_all = True
        registry.counts["call"] = 1
        assert not reporter.flush()
        assert reporter.failure is not None
    assert len(caplog.records) == 2
    assert "marked" not in caplog.text


def test_options_may_not_change_what_replies_are_made_of(report, make_redis, worker):
    backend = make_redis(client_options={"decode_responses": True, "protocol": 3})
    assert backend.report(worker.full([worker.open(user="7")]))
    assert backend.read().workers[0].counts == {"call": 1}
    assert set(backend.online_user_ids()) == {"7"}


# TLS.


@pytest.mark.slow
def test_server_is_reached_by_tls(report, tls_redis):
    trust = {"ssl_ca_certs": tls_redis.authority}
    assert report(url=tls_redis.url, client_options=trust)
    assert report(url=f"{tls_redis.url}?ssl_ca_certs={tls_redis.authority}")


@pytest.mark.slow
@redis_py_leaves_sockets
def test_untrusted_certificate_is_an_error(report, tls_redis):
    url = tls_redis.url.replace("rediss://", f"rediss://me:{SECRET}@")
    assert "certificate" in str(told_by(lambda: report(url=url))).lower()
    plain = url.replace("rediss://", "redis://")
    told_by(lambda: report(url=plain))


# Scripts and connections.


@pytest.fixture
def client(shared_redis, make_redis):
    return make_redis()._client


def test_script_is_known_by_its_digest(client, shared_redis):
    script = "return redis.sha1hex(ARGV[1])"
    assert client.run(script, (), (script,)).decode() == digest(script)


def test_script_is_known_once_it_has_run(client, redis_prefix):
    script = f"return '{redis_prefix}'"
    assert not client.knows(script, "key")
    client.run(script, ("key",), ())
    assert client.knows(script, "key")


def test_script_is_known_where_its_key_is(shared_cluster, redis_prefix, make_redis):
    client = make_redis(url=shared_cluster.url, cluster=True)._client
    script = f"return '{redis_prefix}'"
    client.run(script, ("here",), ())
    assert client.knows(script, "here")
    elsewhere = (f"key{number}" for number in range(100))
    other = next(
        key
        for key in elsewhere
        if shared_cluster.serving(key) is not shared_cluster.serving("here")
    )
    assert not client.knows(script, other)


def test_configuration_is_read(client, shared_cluster, make_redis):
    names = ["maxmemory", "maxmemory-policy"]
    expected = {"maxmemory": "0", "maxmemory-policy": "noeviction"}
    assert client.config(names) == expected
    nodes = make_redis(url=shared_cluster.url, cluster=True)._client
    assert nodes.config(names) == expected


def test_threads_that_come_first_share_a_client(make_redis, monkeypatch):
    client = make_redis()._client
    connect = redis_client.connect
    both = threading.Barrier(2)

    def connect_together(*arguments):
        made = connect(*arguments)
        both.wait(60)
        return made

    monkeypatch.setattr(redis_client, "connect", connect_together)
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(client._connected()))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] is found[1] is client._client


@pytest.mark.parametrize("kind", ["url", "sentinel"])
def test_close_leaves_no_connection(kind, make_redis, proxy, redis_server, worker):
    options = {"url": proxy.url}
    with contextlib.ExitStack() as stack:
        watched = proxy
        if kind == "sentinel":
            config = config_of(redis_server.port, 1)
            sentinel = stack.enter_context(RedisServer("--sentinel", config=config))
            watched = stack.enter_context(Proxy(sentinel.port))
            options = {
                "sentinels": [("127.0.0.1", watched.port)],
                "sentinel_service": SERVICE,
            }
        backend = make_redis(**options)
        assert backend.report(worker.full())
        gc.disable()
        try:
            backend.close()
            wait_until(lambda: watched.connections == 0)
        finally:
            gc.enable()
        assert backend.report(worker.full())


def test_close_leaves_no_connection_to_a_node(make_redis, steady_cluster, worker):
    def connections() -> int:
        return sum(
            client["addr"].startswith("127.0.0.1:")
            for node in steady_cluster.nodes
            for client in node.admin.client_list(_type="normal")
        )

    assert not connections()
    backend = make_redis(url=steady_cluster.url, cluster=True)
    assert backend.report(worker.full())
    assert connections()
    gc.disable()
    try:
        backend.close()
        wait_until(lambda: not connections())
    finally:
        gc.enable()
    assert backend.report(worker.full())


# The longest that it takes, in timeouts.


def is_taken(backend, worker) -> bool:
    try:
        return backend.report(worker.full())
    except BackendError:
        return False


@pytest.mark.parametrize("kind", ["url", "cluster", "sentinel"])
def test_everything_that_hangs_is_tried_once(make_redis, worker, kind, monkeypatch):
    waits = []
    connect = redis.connection.AbstractConnection.connect

    def note(connection, *given, **options):
        waits.append("connect")
        return connect(connection, *given, **options)

    with contextlib.ExitStack() as stack:
        servers, options = hanging(kind, stack)
        backend = make_redis(**options, timeout_seconds=0.2)
        # Those who have just started take their time.
        wait_until(lambda: is_taken(backend, worker))
        for server in servers:
            server.freeze()
        monkeypatch.setattr(redis.connection.AbstractConnection, "connect", note)
        monkeypatch.setattr(redis.retry, "sleep", waits.append)
        for report in (worker.change(), worker.full()):
            waits.clear()
            with pytest.raises(BackendError):
                backend.report(report)
            assert waits == ["connect"] * len(waits)
            # A Cluster's client asks every node where the keys are now.
            assert len(waits) <= len(servers) + 1
        again = make_redis(**options, timeout_seconds=0.2)
        waits.clear()
        with pytest.raises(BackendError):
            again.report(worker.full())
        assert waits == ["connect"] * len(waits)
        assert len(waits) <= len(servers) + 1


def hanging(kind, stack):
    if kind == "url":
        server = stack.enter_context(RedisServer())
        return [server], {"url": server.url}
    if kind == "cluster":
        nodes = stack.enter_context(patient_cluster())
        return nodes.nodes, {"url": nodes.url, "cluster": True}
    service = stack.enter_context(sentinels(2))
    options = {"sentinels": service.addresses, "sentinel_service": SERVICE}
    return [service.master, service.replica, *service.watchers], options


# Without a driver.


def test_driver_that_is_missing_makes_redis_unusable(monkeypatch, report):
    monkeypatch.setattr(redis_client, "HAS_DRIVER", False)
    error = told_by(report)
    assert isinstance(error, BackendUnusableError)
    assert "pip install 'django-socket-status[redis]'" in str(error)


WITHOUT = """
import sys
sys.modules[{name!r}] = None
import django
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["django_socket_status"],
    SECRET_KEY="not a secret",
    SOCKET_STATUS={{
        "BACKEND": "django_socket_status.backends.redis.RedisBackend",
        "OPTIONS": {{"url": "redis://127.0.0.1:1/0"}},
    }},
)
django.setup()
from django.core.checks import run_checks
from django_socket_status.backends import get_backend
from django_socket_status.exceptions import BackendUnusableError
found = {{message.id for message in run_checks()}}
assert "django_socket_status.E015" in found, found
from django_socket_status.testing import FakeWorker
backend, worker = get_backend(), FakeWorker()
report = worker.full([worker.open(user="7")])
for use in (backend.read, lambda: backend.report(report)):
    try:
        use()
    except BackendUnusableError as error:
        assert "pip install" in str(error)
    else:
        raise AssertionError("it can be used")
"""


@pytest.mark.parametrize("name", ["redis", "msgpack"])
def test_process_without_the_driver_says_so(name):
    command = [sys.executable, "-W", "error", "-c", WITHOUT.format(name=name)]
    subprocess.run(command, check=True, timeout=60)


def test_backend_without_a_server_is_made_and_shown():
    backend = RedisBackend(url=f"redis://me:{SECRET}@127.0.0.1:1/0")
    assert "marked" not in repr(backend)
    assert "marked" not in repr(backend._client.address)
