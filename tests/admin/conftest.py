"""Users with permissions of the admin page, and clients that are signed in."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from django_socket_status.activity.buckets import RINGS, Sample
from django_socket_status.activity.conditions import Condition
from django_socket_status.activity.history import Recorder
from django_socket_status.activity.stored import Activity, CountTotals
from django_socket_status.activity.totals import Totals
from django_socket_status.backends import get_backend
from django_socket_status.endings import CAUSES
from django_socket_status.records import OpenedConnection
from django_socket_status.testing import FakeWorker, isolated_socket_status

SignIn = Callable[..., Client]


def staff(name: str, permissions: Sequence[str]) -> User:
    """Return a user of the staff with permissions of ours."""
    user = User.objects.create_user(name, password="pw", is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(
            content_type__app_label="django_socket_status", codename__in=permissions
        )
    )
    return user


@pytest.fixture
def sign_in(db: None) -> SignIn:
    """Sign in as staff with some permissions: ``sign_in("view_status")``."""

    def sign_in(*permissions: str) -> Client:
        client = Client()
        client.force_login(staff("staff", permissions))
        return client

    return sign_in


@pytest.fixture
def superuser(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root", password="pw"))
    return client


class Deployment:
    """A store with one worker, of which a test says what it reports."""

    def __init__(self) -> None:
        self.worker = FakeWorker("0123456789abcdef", lease_seconds=3600)
        self.totals = Totals()
        self.count_is_new = True

    def report(self, *opened: OpenedConnection, **condition: Any) -> None:
        """Report connections; the worker does as ``condition`` says."""
        for connection in opened:
            kind = connection.type
            self.totals.opened[kind] = self.totals.opened.get(kind, 0) + 1
        count = CountTotals(1, is_new=self.count_is_new, text=self.totals.to_text())
        self.count_is_new = False
        given = {**CONDITION, **condition}
        activity = Activity(totals=count, condition=Condition(**given).to_text())
        held = [*self.worker.connections.values(), *opened]
        report = self.worker.full(held, activity=activity)
        assert get_backend().exchange(report).is_taken

    def sample(self, **more: Any) -> float:
        """Take a sample of what is reported; return its time."""
        stored = get_backend().read_totals()
        assert stored is not None
        recorder = Recorder(stored.carry)
        sample = Sample(
            at=stored.now,
            open=self.worker.counts,
            users=len(self.worker.users),
            workers=1,
            stale=False,
            epoch=stored.epoch,
            totals=self.totals,
        )
        buckets = recorder.add(dataclasses.replace(sample, **more))
        recorder.add_release(stored.now, "v7")
        events = recorder.take_events()
        get_backend().write_buckets([*buckets, *events], recorder.carry())
        return stored.now

    def fill(self, kinds: Sequence[str]) -> None:
        """Take two samples of each bucket of every span, with uneven numbers."""
        stored = get_backend().read_totals()
        assert stored is not None
        recorder = Recorder(stored.carry)
        spans = [ring.seconds for ring in RINGS.values()]
        back = {step * number / 2 for step in spans for number in range(120)}
        totals = Totals()
        for number, seconds in enumerate(sorted(back, reverse=True)):
            counts = {it: 1000 + 37 * number % 211 + i for i, it in enumerate(kinds)}
            for kind in kinds:
                totals.opened[kind] = totals.opened.get(kind, 0) + 7 * number % 53
                closed = totals.closed.setdefault(kind, {})
                for index, cause in enumerate(CAUSES):
                    more = 11 * number % (29 + index)
                    closed[cause] = closed.get(cause, 0) + more
            sample = Sample(
                at=stored.now - seconds,
                open=counts,
                users=9,
                workers=1,
                stale=False,
                epoch=stored.epoch,
                totals=totals.copy(),
            )
            get_backend().write_buckets(recorder.add(sample), recorder.carry())


CONDITION: dict[str, Any] = {
    "release": "v7",
    "versions": {},
    "loop_lag_seconds": [0.01],
    "sync_thread_wait_seconds": 0.0,
    "sync_thread_queue": 0,
    "sync_thread_runs": None,
    "loop_runs": None,
}


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    memory = "django_socket_status.backends.memory.MemoryBackend"
    with isolated_socket_status(
        BACKEND=memory, HEARTBEAT_SECONDS=600, LEASE_SECONDS=3600, CACHE_SECONDS=0
    ):
        yield Deployment()
