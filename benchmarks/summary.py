"""Reading the summary: by number of open sockets, and as a view.

The sockets are those of eight workers, as a backend knows them from their reports.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from time import process_time_ns as cpu
from time import time
from typing import Any, ClassVar

from django.core.asgi import get_asgi_application

from benchmarks.options import Options
from benchmarks.results import Goal, Row
from benchmarks.rounds import Comparison, take_turns
from benchmarks.settings import DIRECTORY
from django_socket_status.backends.base import BaseBackend
from django_socket_status.backends.memory import MemoryBackend
from django_socket_status.backends.sqlite import SqliteBackend
from django_socket_status.records import OpenedConnection, Report, Worker, instant
from django_socket_status.services import SocketStatusService
from django_socket_status.status.reader import status_reader
from django_socket_status.testing import isolated_socket_status

__all__ = ["KeptMemoryBackend", "run"]

WORKERS = 8
TYPES = ("call", "stt_room", "support")
#: Connections in one piece of a report.
PIECE = 5_000

#: The read must not depend on the number of sockets; this is for noise.
READ_GOAL = Goal(1.1)
VIEW_GOAL = Goal(1.1)

EMPTY, EMPTY_AGAIN = "empty JsonResponse", "empty JsonResponse again"

#: What ``SOCKET_STATUS`` holds while a backend is read.
Setting = dict[str, Any]


class KeptMemoryBackend(MemoryBackend):
    """The memory backend, one for each size, kept while others are the current one."""

    kept: ClassVar[dict[int, KeptMemoryBackend]] = {}

    def __new__(cls, *, size: int) -> KeptMemoryBackend:
        """Return the backend of this size."""
        return cls.kept.setdefault(size, super().__new__(cls))

    def __init__(self, *, size: int) -> None:
        if not hasattr(self, "size"):
            super().__init__()
            self.size = size


def run(options: Options) -> Iterator[Row]:
    """Compare reads at different sizes, and the view with an empty one."""
    # On a busy machine a read may be late, and is one all the same.
    status_reader.read_seconds = 60.0
    sizes = (10, 1_000) if options.quick else (10, 1_000, 100_000, 1_000_000)
    for name, make in (("memory", _in_memory), ("sqlite", _in_sqlite)):
        made = {size: make(size) for size in sizes}
        for size, (backend, _) in made.items():
            _fill(backend, size)
        # A million records are nothing for the garbage collector to look at each round.
        gc.freeze()
        given = {size: setting for size, (_, setting) in made.items()}
        yield from _reads(name, given, options)
        if name == "sqlite":
            yield from _views(given[1_000], options)
        for backend, _ in made.values():
            backend.close()
        gc.unfreeze()
    KeptMemoryBackend.kept.clear()


def _in_memory(size: int) -> tuple[BaseBackend, Setting]:
    path = f"{__name__}.{KeptMemoryBackend.__name__}"
    return KeptMemoryBackend(size=size), {"BACKEND": path, "OPTIONS": {"size": size}}


def _in_sqlite(size: int) -> tuple[BaseBackend, Setting]:
    file: Path = DIRECTORY / f"status-{size}"
    path = f"{SqliteBackend.__module__}.{SqliteBackend.__name__}"
    return SqliteBackend(path=file), {"BACKEND": path, "OPTIONS": {"path": file}}


def _fill(backend: BaseBackend, size: int) -> None:
    """Report as many connections, every second one of a separate user."""
    now = time()
    for index in range(WORKERS):
        numbers = range(index, size, WORKERS)
        worker = Worker(
            worker_id=f"worker-{index}",
            host="benchmark",
            pid=index + 1,
            server="",
            started_at=instant(now),
        )
        opened = (
            OpenedConnection(
                number=number,
                type=TYPES[number % len(TYPES)],
                endpoint="/ws/call/<room>/",
                user_id=str(number) if number % 2 else None,
                labels={},
                opened_at=now,
            )
            for number in numbers
        )
        for report in _reports(worker, opened, len(numbers)):
            if not backend.report(report):
                raise RuntimeError("The backend did not take a report.")


def _reports(
    worker: Worker, opened: Iterable[OpenedConnection], total: int
) -> Iterator[Report]:
    counts: dict[str, int] = {}
    anonymous = told = 0
    pieces = iter(lambda: tuple(itertools.islice(opened, PIECE)), ())
    for sequence, piece in enumerate(pieces):
        told += len(piece)
        for connection in piece:
            counts[connection.type] = counts.get(connection.type, 0) + 1
        users = [it.user_id for it in piece if it.user_id is not None]
        anonymous += len(piece) - len(users)
        yield Report(
            worker=worker,
            sequence=sequence,
            # Longer than this takes.
            lease_seconds=24 * 3600,
            counts=dict(counts),
            anonymous=anonymous,
            full=not sequence,
            complete=told == total,
            opened=piece,
            users_joined=users,
        )


def _reads(backend: str, given: dict[int, Setting], options: Options) -> Iterator[Row]:
    count = options.size(200, 3)
    measures: dict[str, Callable[[], float]] = {
        f"{size:,} sockets": functools.partial(_read, setting, size, count)
        for size, setting in given.items()
    }
    base, *_ = measures
    again = f"{base} again"
    measures[again] = measures[base]
    samples = take_turns(measures, options.rounds)
    comparison = Comparison(samples, base)
    for name in samples:
        ratio = 1 + comparison.ratio(name)
        lower, upper = comparison.spread(name)
        yield Row(
            benchmark="summary",
            setting=f"service, {backend}",
            contestant=name,
            value=ratio * comparison.unit / 1000,
            unit="µs",
            ratio=ratio,
            spread=(1 + lower, 1 + upper),
            to=base,
            goal=READ_GOAL if name not in (base, again) else None,
        )


def _read(setting: Setting, size: int, count: int) -> float:
    # Each read is one of the backend: the process keeps no answer.
    with isolated_socket_status(**setting, CACHE_SECONDS=0.0):
        found = SocketStatusService.get_socket_info_summary()
        if found["total_sockets"] != size or found["workers"] != WORKERS:
            raise RuntimeError(f"Not what was reported: {found}")
        began = cpu()
        for _ in range(count):
            SocketStatusService.get_socket_info_summary()
        return (cpu() - began) / count


def _views(setting: Setting, options: Options) -> Iterator[Row]:
    count = options.size(300, 3)
    visits = {
        EMPTY: functools.partial(_visit, "/empty/", setting, count),
        EMPTY_AGAIN: functools.partial(_visit, "/empty/", setting, count),
        "summary": functools.partial(_visit, "/socket-status/", setting, count),
        "summary, not modified": functools.partial(
            _visit, "/socket-status/", setting, count, conditional=True
        ),
    }
    samples = take_turns(visits, options.rounds)
    comparison = Comparison(samples, EMPTY)
    for name in samples:
        ratio = 1 + comparison.ratio(name)
        lower, upper = comparison.spread(name)
        yield Row(
            benchmark="summary",
            setting="view",
            contestant=name,
            value=ratio * comparison.unit / 1000,
            unit="µs",
            ratio=ratio,
            spread=(1 + lower, 1 + upper),
            to="empty",
            goal=VIEW_GOAL if name.startswith("summary") else None,
        )


def _visit(
    path: str, setting: Setting, count: int, *, conditional: bool = False
) -> float:
    with isolated_socket_status(**setting):
        return asyncio.run(_visits(path, count, conditional=conditional))


async def _visits(path: str, count: int, *, conditional: bool) -> float:
    status, headers = await _request(path, [])
    known = [(b"if-none-match", headers[b"etag"])] if conditional else []
    status, _ = await _request(path, known)
    if status != (304 if conditional else 200):
        raise RuntimeError(f"{path} answers {status}")
    began = cpu()
    for _ in range(count):
        await _request(path, known)
    return (cpu() - began) / count


async def _request(
    path: str, headers: list[tuple[bytes, bytes]]
) -> tuple[int, dict[bytes, bytes]]:
    """Return the status and the headers of a response, as a server gets them."""
    sent: list[Any] = []
    served = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if not sent:
            sent.append(None)
            return {"type": "http.request", "body": b"", "more_body": False}
        await served.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 50000),
        "root_path": "",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1:8000"), *headers],
    }
    await _application()(scope, receive, send)
    start = sent[1]
    return start["status"], {name.lower(): value for name, value in start["headers"]}


@functools.cache
def _application() -> Any:
    return get_asgi_application()
