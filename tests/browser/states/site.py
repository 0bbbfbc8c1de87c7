"""Brings about a state of the deployment, with workers that are made up."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Mapping

from django.contrib.auth import login
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client

from django_socket_status.activity.entries import (
    EndedConnection,
    RejectedHandshake,
)
from django_socket_status.backends import get_backend
from django_socket_status.endpoints.loaded import own_endpoints
from django_socket_status.limits import (
    MAX_LABEL_NAME,
    MAX_LABEL_VALUE,
    MAX_PATH,
    MAX_TYPE,
    MAX_USER_ID,
    bounded_text,
)
from django_socket_status.registry.entry_list import MAX_REASON
from django_socket_status.reporter.condition import MAX_RELEASE
from django_socket_status.services import SocketStatusService
from tests.browser.states.made_up import (
    LONG,
    PEOPLE,
    current,
    deployment,
    ended,
    keep,
    opened,
    remember,
)
from tests.browser.states.pages import ADMIN


def new() -> None:
    current.begin(**LONG)


def idle() -> None:
    current.begin(**LONG)
    deployment(1).report()


def busy(*, details: bool = True) -> None:
    """Three workers with connections and a history; one has a slow event loop."""
    current.begin(OPTIONS={"details": details}, **LONG)
    own = own_endpoints()
    assert own is not None
    get_backend().report_endpoints(own.to_text(), 0.0)
    for number, server in enumerate(("uvicorn", "daphne", "uvicorn"), start=1):
        made = deployment(number, server=server)
        made.report(
            *opened(made, 11 - 2 * number, first=7 * number - 7),
            loop_lag_seconds=[1.74 if server == "daphne" else 0.01],
            loop_runs="shop.consumers.Chat.receive" if server == "daphne" else None,
            release="v7" if number == 1 else "v8",
        )
    first = current.deployments[0]
    counts = Counter[str]()
    for made in current.deployments:
        counts.update(made.worker.counts)
    remember(first, counts)
    first.report()
    first.sample()
    ended(12)


def counts() -> None:
    busy(details=False)


def partial() -> None:
    busy()
    made = current.deployments[2]
    get_backend().exchange(made.worker.full(complete=False))


def stale() -> None:
    """The backend fails, and what was read before is shown."""
    busy()
    SocketStatusService.get_socket_info_summary()
    get_backend().is_down = True


def unreadable() -> None:
    current.begin(**LONG)
    get_backend().is_down = True


def draining() -> None:
    busy()
    made = current.deployments[1]
    made.report(is_draining=True, loop_lag_seconds=[0.01], release="v8")


def many() -> None:
    """A hundred thousand connections, on twenty workers."""
    busy()
    for number in range(4, 24):
        made = deployment(number)
        made.report(*opened(made, 5_000))


def hostile() -> None:
    """Everything that a client, a user or a setting names is a payload."""
    current.begin(**LONG)
    for number, text in enumerate(HOSTILE, start=1):
        user, _is_new = User.objects.get_or_create(username=text[:150])
        made = deployment(number, server=text[:64])
        worker = made.worker.worker
        made.worker.worker = dataclasses.replace(worker, host=text[:255])
        kind, label = bounded_text(text, MAX_TYPE), bounded_text(text, MAX_LABEL_VALUE)
        labels = {bounded_text(text, MAX_LABEL_NAME): label}
        opened = [
            made.worker.open(kind, user=it, labels=labels, endpoint=text[:MAX_PATH])
            for it in (str(user.pk), bounded_text(text, MAX_USER_ID))
        ]
        release = bounded_text(text, MAX_RELEASE)
        made.report(*opened, release=release, loop_lag_seconds=[9.0])
        made.totals.rejected[kind] = {label[:64]: 7}
        made.totals.closed[kind] = {"app_error": 70}
        remember(made, made.worker.counts, steps=6)
        made.report(release=release, loop_lag_seconds=[9.0])
        made.sample()
        reason, now = bounded_text(text, MAX_REASON), time.time()
        keep(
            worker.worker_id,
            release,
            [EndedConnection(it, now, "app_error", 4001, reason) for it in opened],
            [RejectedHandshake(it._replace(number=0), "403") for it in opened],
        )


def live() -> None:
    """Nothing is made up: this process reports the WebSockets that it serves."""
    current.begin()


#: What begins an action of each kind, which no made-up worker carries out.
ACTIONS = {"command": "disconnect/", "drain": "drain/?worker={worker}"}
FORM = {
    "confirm": "1",
    "all_matching": "1",
    "code": "4001",
    "reason": "enough",
    "grace_seconds": "5",
    "over_seconds": "600",
}

#: Markup, a direction and a kilobyte; and all at once, as far as there is room.
MARKUP = '"><img src=x onerror=alert(1)><script>alert(1)</script>'
HOSTILE = (MARKUP, "\u202eevil\u2066" + MARKUP, "x" * 1024, MARKUP * 20)

STATES: Mapping[str, Callable[[], None]] = {
    "new": new,
    "idle": idle,
    "busy": busy,
    "unreadable": unreadable,
    "stale": stale,
    "partial": partial,
    "counts": counts,
    "wsgi": new,
    "many": many,
    "draining": draining,
    "live": live,
    "hostile": hostile,
}


def bring_about(request: HttpRequest, name: str) -> HttpResponse:
    """Bring a state about, or leave it with "again"; sign a superuser in."""
    for person in PEOPLE:
        User.objects.get_or_create(username=person)
    if name != "again":
        current.name = ""
        STATES[name]()
        current.name = name
    if not request.user.is_authenticated:
        login(
            request,
            User.objects.get(username="ada"),
            backend="django.contrib.auth.backends.ModelBackend",
        )
    return JsonResponse(names_of(begin_actions=name in ("busy", "hostile")))


def names_of(*, begin_actions: bool) -> dict[str, str]:
    """Return what the URLs of pages name; ``pages.py`` has them."""
    if not current.deployments:
        return {}
    worker = current.deployments[-1].worker
    worker_id = worker.worker.worker_id
    number = max(worker.connections, default=0)
    names = {"worker": worker_id, "connection": f"{worker_id}-{number:x}"}
    if begin_actions:
        client = Client(headers={"host": "127.0.0.1"})
        client.force_login(User.objects.get(username="ada"))
        for name, path in ACTIONS.items():
            answer = client.post(ADMIN + path.format(**names), FORM)
            assert answer.status_code == 302, answer.content
            names[name] = answer.headers["Location"].rstrip("/").rpartition("/")[2]
    return names
