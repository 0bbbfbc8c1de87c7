"""``python -m benchmarks.admin_site``: ask for the parts of the admin page.

Its arguments are the backend and how often to ask; standard input has the options of
the backend, and how many connections are open.
"""

from __future__ import annotations

import html
import json
import re
import sys
import time
from typing import Any

import django
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import path

BACKENDS = {
    "sqlite": "django_socket_status.backends.sqlite.SqliteBackend",
    "redis": "django_socket_status.backends.redis.RedisBackend",
}

BASE = "/admin/django_socket_status/socketstatus/"

PAGES = {
    "empty": "/empty/",
    # Of a page that is open beside others, which have asked for the history.
    "another now": f"{BASE}now/?another",
    "overview": BASE,
    "now": f"{BASE}now/",
    "plots": f"{BASE}plots/",
}

#: Pages of the lists. The second page of a list is asked for at the place that the
#: first one names.
LISTS = {
    "open": f"{BASE}open/",
    "open, of a type": f"{BASE}open/?type=call",
    "open, of a user": f"{BASE}open/?user=pk:1",
    "open, with a label": f"{BASE}open/?label.room=7",
    "open, no such endpoint": f"{BASE}open/?endpoint=/none/",
    "closed": f"{BASE}closed/",
    "closed, of a user": f"{BASE}closed/?user=pk:1",
}

WORKERS = 4


def empty(request: HttpRequest) -> HttpResponse:
    """Answer with nothing, to staff."""
    return HttpResponse()


def forget() -> None:
    """Forget the history and the users that other pages have asked for."""
    from django_socket_status.admin.figures import details, shared

    shared._last.clear()
    details._last.clear()


def fill(backend: Any, buckets: int) -> None:
    """Write a history: so many buckets of each span have a sample of each type."""
    from benchmarks.synthetic import TYPES
    from django_socket_status.activity.buckets import RINGS, Sample
    from django_socket_status.activity.history import Recorder
    from django_socket_status.activity.stored import Activity, CountTotals
    from django_socket_status.activity.totals import Totals
    from django_socket_status.endings import CAUSES
    from django_socket_status.testing import FakeWorker

    totals = Totals()
    count = CountTotals(1, is_new=True, text=totals.to_text())
    worker = FakeWorker("f" * 16, lease_seconds=3600)
    backend.exchange(worker.full(activity=Activity(totals=count)))
    now = time.time()
    recorder = Recorder(backend.read_totals().carry)
    steps = [ring.seconds for ring in RINGS.values()]
    back = {step * number / 2 for step in steps for number in range(buckets)}
    for number, seconds in enumerate(sorted(back, reverse=True)):
        for kind in TYPES:
            totals.opened[kind] = totals.opened.get(kind, 0) + 7 * number % 53
            closed = totals.closed.setdefault(kind, {})
            for index, cause in enumerate(CAUSES):
                closed[cause] = closed.get(cause, 0) + 11 * number % (29 + index)
        sample = Sample(
            at=now - seconds,
            open=dict.fromkeys(TYPES, 30000 + 37 * number % 2000),
            users=50_000,
            workers=WORKERS,
            stale=False,
            epoch=backend.read_totals().epoch,
            totals=totals.copy(),
        )
        backend.write_buckets(recorder.add(sample), recorder.carry())


def end(backend: Any, size: int) -> None:
    """Write so many closed connections, ten a second until now."""
    from django_socket_status.activity.entries import EndedConnection, closed_text
    from django_socket_status.activity.stored import Entries
    from django_socket_status.records import OpenedConnection

    now = time.time()
    for first in range(0, size, 100):
        numbers = range(first, min(first + 100, size))
        ended = [
            EndedConnection(
                OpenedConnection(it, "call", "/ws/", str(it % 500), {}, now - size),
                now - (size - it) / 10,
                "client_closed",
                1000,
                "",
            )
            for it in numbers
        ]
        text = closed_text("e" * 16, "v1", ended)
        backend.keep_ended("closed", Entries(text, len(ended), 0))


def later(client: Any, url: str, pages: int) -> str:
    """Return the URL of a later page of a list."""
    for _ in range(pages):
        text = client.get(url).content.decode()
        found = re.search(r'href="([^"]+)" rel="next"', text)
        if found is None:
            break
        url = html.unescape(found[1])
    return url


def searched(query: dict[str, Any], repeat: int) -> dict[str, float]:
    """Return the least time of a search for one connection."""
    from django_socket_status.records import ConnectionQuery
    from django_socket_status.status.search import Search, search

    wanted, walls = Search(query=ConnectionQuery(**query)), []
    for _ in range(repeat):
        began = time.perf_counter()
        found = search(wanted, 100)
        walls.append(time.perf_counter() - began)
        if len(found.records) != 1:
            raise RuntimeError(f"{query} found {len(found.records)} connections")
    return {"wall_ms": 1000 * min(walls)}


def measured(client: Any, url: str, repeat: int) -> dict[str, float]:
    """Return the least times of some answers, and the size of one."""
    walls, cpus, size = [], [], 0
    for _ in range(repeat):
        if not url.endswith("another"):
            forget()
        wall, cpu = time.perf_counter(), time.process_time()
        answer = client.get(url)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
        if answer.status_code != 200:
            raise RuntimeError(f"{url} answered {answer.status_code}")
        size = len(answer.content)
    least = {"wall_ms": 1000 * min(walls), "cpu_ms": 1000 * min(cpus)}
    return {**least, "bytes": size}


def main(name: str, repeat: int, given: dict[str, Any]) -> None:
    """Load the backend, and print what was measured as JSON."""
    size, buckets = given.pop("size"), given.pop("buckets")
    settings.SOCKET_STATUS = {
        "BACKEND": BACKENDS[name],
        "OPTIONS": given,
        "CACHE_SECONDS": 0,
    }
    django.setup()
    from django.contrib import admin
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.test import Client

    from benchmarks.synthetic import load
    from django_socket_status.backends import get_backend

    call_command("migrate", verbosity=0)
    urlpatterns.append(path("admin/", admin.site.urls))
    urlpatterns.append(path("empty/", admin.site.admin_view(empty)))
    load(get_backend(), WORKERS, size)
    fill(get_backend(), buckets)
    end(get_backend(), min(size // 10, 10_000))
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    found = {key: measured(client, url, repeat) for key, url in PAGES.items()}
    found |= {key: measured(client, url, repeat) for key, url in LISTS.items()}
    for key in ("open", "closed"):
        url = later(client, LISTS[key], 5)
        found[f"{key}, a later page"] = measured(client, url, repeat)
    one = {"worker_ids": frozenset({"0" * 16}), "number": 1}
    found["exact id"] = searched(one, repeat)
    found["exact user"] = searched({"user_id": "1"}, repeat)
    print(json.dumps(found))


urlpatterns: list[Any] = []

if __name__ == "__main__":
    # The URLs are those of the module with its name.
    from benchmarks import admin_site

    admin_site.main(sys.argv[1], int(sys.argv[2]), json.load(sys.stdin))
