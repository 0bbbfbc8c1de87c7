"""Workers that are made up: what they hold, what ended, and what they remember."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import math
import time
from collections.abc import Mapping, Sequence

from django.contrib.auth.models import User

from django_socket_status.activity.buckets import Sample
from django_socket_status.activity.entries import (
    EndedConnection,
    RejectedHandshake,
    closed_text,
    rejected_text,
)
from django_socket_status.activity.history import Recorder
from django_socket_status.activity.stored import Entries
from django_socket_status.backends import get_backend
from django_socket_status.endings import CAUSES
from django_socket_status.records import OpenedConnection
from django_socket_status.testing import FakeWorker, isolated_socket_status
from tests.admin.conftest import Deployment

BACKEND = "tests.browser.states.backend.StatesBackend"
ROUTES = {
    "call": "/ws/call/<str:room>/",
    "stt": "/ws/stt/",
    "stt_room": "/ws/stt/room/",
    "stt_sales": "/ws/stt/sales/",
}
ROOMS = ("blue", "red", "green")
PEOPLE = ("chloe", "dev", "émile", "grace", "linus", "mariam", "noor", "zoë")
#: Made-up workers live on: nothing reports for them.
LONG = {"HEARTBEAT_SECONDS": 600, "LEASE_SECONDS": 3600, "STALE_SECONDS": 3600}


@dataclasses.dataclass
class Current:
    """What was brought about last."""

    name: str = ""
    deployments: list[Deployment] = dataclasses.field(default_factory=list)
    isolation: contextlib.ExitStack = dataclasses.field(
        default_factory=contextlib.ExitStack
    )

    def begin(self, **settings: object) -> None:
        """Forget what was before."""
        self.isolation.close()
        self.deployments = []
        self.isolation.enter_context(
            isolated_socket_status(BACKEND=BACKEND, RELEASE="v8", **settings)
        )


current = Current()


def deployment(number: int, *, server: str = "uvicorn") -> Deployment:
    """Return another worker of the deployment."""
    made = Deployment()
    made.worker = FakeWorker(f"{number:016x}", lease_seconds=3600)
    made.worker.worker = dataclasses.replace(
        made.worker.worker,
        host=f"web-{number}",
        pid=4710 + number,
        server=server,
        started_at=_ago(86_400 * 3 + 7_200 * number),
    )
    current.deployments.append(made)
    return made


def _ago(seconds: float) -> datetime.datetime:
    at = time.time() - seconds
    return datetime.datetime.fromtimestamp(at, tz=datetime.timezone.utc)


def opened(made: Deployment, count: int, *, first: int = 0) -> list[OpenedConnection]:
    """Return connections of several types, users, rooms and ages."""
    users = [str(it) for it in User.objects.values_list("pk", flat=True)]
    kinds, now = list(ROUTES), time.time()
    return [
        made.worker.open(
            kinds[number * number % 7 % len(kinds)],
            user=users[number * 5 % len(users)] if number % 3 else None,
            labels={"room": ROOMS[number % len(ROOMS)]} if number % 4 else {},
            at=now - 5 - 37.0 * number**1.5,
            endpoint=ROUTES[kinds[number * number % 7 % len(kinds)]],
        )
        for number in range(first, first + count)
    ]


def ended(count: int) -> None:
    """Keep connections that ended for every cause, and rejected handshakes."""
    users = [str(it) for it in User.objects.values_list("pk", flat=True)]
    kinds, now = list(ROUTES), time.time()

    def record(number: int) -> OpenedConnection:
        kind = kinds[number % len(kinds)]
        user = users[number % len(users)] if number % 3 else None
        at = now - 400 - 60 * number
        return OpenedConnection(
            9000 + number, kind, ROUTES[kind], user, {"room": ROOMS[number % 3]}, at
        )

    closed = [
        EndedConnection(
            record(number),
            now - 20 * number,
            CAUSES[number % len(CAUSES)],
            (1000, 1001, 1006, 1012, 4001)[number % 5],
            "enough" if number % 5 == 4 else "",
        )
        for number in range(count)
    ]
    rejected = [
        RejectedHandshake(
            record(number)._replace(number=0), ("403", "404", "gone")[number % 3]
        )
        for number in range(count // 2)
    ]
    keep("0" * 15 + "1", "v8", closed, rejected)


def keep(
    worker_id: str,
    release: str,
    closed: Sequence[EndedConnection],
    rejected: Sequence[RejectedHandshake],
) -> None:
    """Keep what ended."""
    text = closed_text(worker_id, release, closed, 0)
    get_backend().keep_ended("closed", Entries(text, len(closed)))
    text = rejected_text(worker_id, release, rejected)
    get_backend().keep_ended("rejected", Entries(text, len(rejected)))


def remember(made: Deployment, kinds: Mapping[str, int], *, steps: int = 360) -> None:
    """Take samples of so many connections by type, but for some minutes."""
    stored = get_backend().read_totals()
    assert stored is not None
    recorder, totals = Recorder(stored.carry), made.totals
    for step in range(steps, 0, -1):
        if 130 < step < 155:
            continue
        for number, kind in enumerate(kinds):
            totals.opened[kind] = totals.opened.get(kind, 0) + step * 7 % (2 + number)
            closed = totals.closed.setdefault(kind, {})
            cause = CAUSES[1 if step % 9 == 0 else 2 if step % 31 == 0 else 0]
            closed[cause] = closed.get(cause, 0) + (step + 1) * 7 % (2 + number)
        wave = 1 + math.sin(step / 45) / 5
        sample = Sample(
            at=stored.now - 10 * step,
            open={kind: round(count * wave) for kind, count in kinds.items()},
            users=7,
            workers=3,
            stale=False,
            epoch=stored.epoch,
            totals=totals.copy(),
        )
        get_backend().write_buckets(recorder.add(sample), recorder.carry())
    totals.codes.update({"1000": 211, "1001": 97, "1006": 31, "4001": 4})
    totals.rejected["call"] = {"403": 17, "gone": 2}
