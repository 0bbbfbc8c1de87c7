from __future__ import annotations

import dataclasses
import gc
import inspect
import time
from typing import Any

import pytest

from django_socket_status.activity.stored import ReportAnswer
from django_socket_status.backends import get_backend
from django_socket_status.backends.redis import RedisBackend
from django_socket_status.backends.redis import ledger as redis_report
from django_socket_status.backends.redis import writer as redis_writer
from django_socket_status.exceptions import BackendError
from django_socket_status.records import ConnectionQuery, Report
from django_socket_status.testing import (
    BackendContract,
    Clock,
    FakeWorker,
    isolated_socket_status,
)
from django_socket_status.testing.contract.exchanges import ExchangesContract
from django_socket_status.testing.contract.harness import Harness, in_fork
from django_socket_status.testing.contract.leases import LeasesContract
from django_socket_status.testing.contract.lifecycle import LifecycleContract
from django_socket_status.testing.contract.reports import ReportsContract
from django_socket_status.testing.contract.searches import SearchesContract
from tests.support.aging import AgingClock
from tests.support.model import run_model
from tests.support.redis_fixtures import PATIENT_SECONDS, new_prefix

pytestmark = pytest.mark.redis

BACKEND = "django_socket_status.backends.redis.RedisBackend"
PATIENT: dict[str, Any] = {"timeout_seconds": PATIENT_SECONDS}


class OnAMovedClock(Harness):
    """A test moves the clock, and the keys expire by it."""

    @pytest.fixture(autouse=True)
    def server(self, shared_redis, redis_prefix):
        self.options = {"url": shared_redis.url, "prefix": redis_prefix}
        self.aging = AgingClock(shared_redis, redis_prefix)

    def make_backend(self, clock: Clock) -> RedisBackend:
        self.clock = self.aging
        return RedisBackend(**PATIENT, **self.options, clock=self.aging)


class TestRedisBackend(OnAMovedClock, BackendContract):
    pass


def lets_time_pass(test: Any) -> bool:
    names = inspect.unwrap(test).__code__.co_names
    return not {"pass_time", "end_lease", "lose"}.isdisjoint(names)


class TestOnTheServersClock(BackendContract):
    """Over a Unix socket, and with real seconds: only tests that let some pass."""

    lease_seconds = 2.5

    @pytest.fixture(autouse=True)
    def server(self, shared_redis, redis_prefix):
        self.options = {"url": shared_redis.socket_url, "prefix": redis_prefix}

    def make_backend(self, clock: Clock) -> RedisBackend:
        return RedisBackend(**PATIENT, **self.options)

    def pass_time(self, seconds: float) -> None:
        time.sleep(seconds)

    def exchange(
        self, worker: FakeWorker, *, full: bool = False, **content: Any
    ) -> ReportAnswer:
        """As a worker: what a busy machine delays beyond the lease is sent again."""
        try:
            return super().exchange(worker, full=full, **content)
        except AssertionError:
            return super().exchange(worker, full=True, **content)


for _name, _test in inspect.getmembers(TestOnTheServersClock, inspect.isfunction):
    if _name.startswith("test_") and not lets_time_pass(_test):
        setattr(TestOnTheServersClock, _name, None)


@pytest.fixture
def users_in_parts(monkeypatch):
    """Divide the users of every worker, however few."""
    divided = "{}.3".format
    monkeypatch.setattr(redis_writer, "name_generation", lambda it, users: divided(it))
    monkeypatch.setattr(redis_report, "outgrows", lambda users, parts: False)


@pytest.mark.usefixtures("users_in_parts")
class TestWithUsersInParts(
    OnAMovedClock,
    ReportsContract,
    LeasesContract,
    SearchesContract,
    LifecycleContract,
    ExchangesContract,
):
    """The tests that are about users."""


@pytest.mark.parametrize("parts", [False, True])
def test_backend_agrees_with_the_model(shared_redis, request, parts):
    if parts:
        request.getfixturevalue("users_in_parts")

    def make_backend(clock):
        return RedisBackend(
            **PATIENT, url=shared_redis.url, prefix=new_prefix(), clock=clock
        )

    run_model(make_backend, examples=15)


# Who shares a Redis.


@pytest.mark.parametrize("name", ["other", "te:st", "te*st", "t[e]st", "caf\xe9", " "])
def test_prefixes_do_not_meet(make_redis, redis_prefix, worker, name):
    backend = make_redis()
    another = make_redis(prefix=f"{redis_prefix}{name}")
    assert backend.report(worker.full([worker.open(user="7")]))
    assert not another.read().workers
    assert another.report(FakeWorker("b").full())
    another.goodbye("a")
    assert [it.worker.worker_id for it in backend.read().workers] == ["a"]
    assert backend.report(worker.change())


def test_databases_do_not_meet(make_redis, shared_redis, worker):
    backend = make_redis()
    another = make_redis(url=shared_redis.url.replace("/0", "/1"))
    assert backend.report(worker.full([worker.open(user="7")]))
    assert not another.read().workers
    another.goodbye("a")
    assert backend.report(worker.change())
    assert backend.is_online("7")


# Counts alone.

QUESTIONS = [
    pytest.param(lambda it: it.get_connections(ConnectionQuery()), id="connections"),
    pytest.param(lambda it: it.is_online("7"), id="online"),
    pytest.param(lambda it: it.online_user_ids(), id="users"),
]


def counted(worker: FakeWorker) -> Report:
    """Return the report of a worker that is asked for counts alone."""
    details = {"opened": (), "users_joined": ()}
    return dataclasses.replace(worker.full(), **details)


@pytest.fixture
def counting(make_redis, worker) -> RedisBackend:
    """Return a backend that keeps counts alone, reported to by a worker."""
    worker.full([worker.open(user="7"), worker.open("chat")])
    backend = make_redis(details=False)
    assert backend.report(counted(worker))
    return backend


def test_counts_alone_are_what_a_summary_needs(counting, worker):
    (status,) = counting.read().workers
    assert status.worker == worker.worker
    assert (status.counts, status.anonymous) == ({"call": 1, "chat": 1}, 1)
    assert counting.report(worker.change())
    assert counting.read().unique_users is None


def test_counts_alone_take_nothing_for_a_connection(
    counting, redis_prefix, shared_redis
):
    assert len(shared_redis.admin.keys(f"{{{redis_prefix}}}:*")) == 4


@pytest.mark.parametrize("ask", QUESTIONS)
@pytest.mark.parametrize("details", [True, False])
def test_question_about_details_names_the_setting(counting, make_redis, ask, details):
    with pytest.raises(BackendError, match=r"\['OPTIONS'\]\['details'\]"):
        ask(make_redis(details=details))


@pytest.mark.parametrize("ask", QUESTIONS)
def test_query_for_details_that_are_not_kept_names_the_setting(make_redis, ask):
    with pytest.raises(BackendError, match="details"):
        ask(make_redis(details=False))


def test_workers_with_and_without_details_are_added_up(counting, make_redis):
    detailed = make_redis()
    other = FakeWorker("b")
    assert detailed.report(other.full([other.open(user="8")]))
    snapshot = detailed.read()
    assert sum(it.total_sockets for it in snapshot.workers) == 3
    assert snapshot.unique_users is None
    assert detailed.is_online("8")
    for ask in (lambda: detailed.is_online("7"), detailed.online_user_ids):
        with pytest.raises(BackendError, match="details"):
            ask()
    counting.goodbye("a")
    assert not detailed.is_online("7")
    assert set(detailed.online_user_ids()) == {"8"}


def test_summary_without_details_is_null_where_users_would_be(
    shared_redis, redis_prefix, worker, client
):
    where = {"url": shared_redis.url, "prefix": redis_prefix}
    options = {**PATIENT, **where, "details": False}
    with isolated_socket_status(BACKEND=BACKEND, OPTIONS=options):
        worker.full([worker.open(user="7")])
        assert get_backend().report(counted(worker))
        answer = client.get("/socket-status/").json()
    assert answer["total_sockets"] == 1
    assert answer["unique_users"] is None
    assert answer["coverage"] == "cluster"


# What the whole of a backend says and does.


def test_options_that_make_no_sense_are_an_error(make_redis):
    for options, told in (
        ({"prefix": ""}, "prefix"),
        ({"prefix": "a{b}"}, "prefix"),
        ({"timeout_seconds": 0}, "timeout_seconds"),
        ({"timeout_seconds": float("nan")}, "timeout_seconds"),
        ({"client_options": "abc"}, "client_options"),
        ({"url": "http://localhost"}, "redis://"),
    ):
        with pytest.raises(ValueError, match=told):
            make_redis(**options)


def test_repr_has_the_address_and_no_password():
    backend = RedisBackend(url="redis://me:secret@host.example:7/1?password=secret")
    assert repr(backend) == (
        "RedisBackend('redis://host.example:7/1', prefix='socket_status')"
    )


def test_making_a_backend_takes_no_connection():
    RedisBackend(url="redis://127.0.0.1:1/0").close()


def child_leaves_the_connection_alone(backend: RedisBackend) -> None:
    """Assert that a forked child uses another one, and does not end its parent's."""
    worker = FakeWorker("parent")
    assert backend.report(worker.full([worker.open(user="7")]))
    connection = connection_id(backend)

    def serve():
        backend.forget_after_fork()
        gc.collect()
        assert connection_id(backend) != connection
        child = FakeWorker("child")
        assert backend.report(child.full())
        assert len(backend.read().workers) == 2
        backend.goodbye("child")

    assert in_fork(serve)
    assert connection_id(backend) == connection
    assert backend.report(worker.change(worker.open(user="8")))
    assert set(backend.online_user_ids()) == {"7", "8"}


def connection_id(backend: RedisBackend) -> int:
    (found,) = backend._client.pipeline([("CLIENT", "ID")])
    return found


def test_forked_child_leaves_the_connection_of_its_parent_alone(make_redis):
    child_leaves_the_connection_alone(make_redis())


@pytest.mark.slow
def test_forked_child_leaves_the_tls_connection_of_its_parent_alone(
    make_redis, tls_redis
):
    options = {"ssl_ca_certs": tls_redis.authority}
    child_leaves_the_connection_alone(
        make_redis(url=tls_redis.url, client_options=options)
    )
