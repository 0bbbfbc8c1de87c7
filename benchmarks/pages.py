"""Pages of a list of connections: the thousandth against the first.

Both are asked for at the backend, alone and by type, in turns. Page 1,000 comes after
the cursor of page 999; for contrast it is also found by its offset.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator
from time import perf_counter_ns as wall

from benchmarks.options import Options
from benchmarks.redis_server import started
from benchmarks.results import Goal, Row
from benchmarks.rounds import Comparison, take_turns
from benchmarks.settings import DIRECTORY
from benchmarks.synthetic import TYPES, load
from django_socket_status.backends.base import BaseBackend
from django_socket_status.backends.redis import RedisBackend
from django_socket_status.backends.sqlite import SqliteBackend
from django_socket_status.records import ConnectionPage, ConnectionQuery

__all__ = ["run"]

WORKERS = 8
LIMIT = 100
GOAL = Goal(1.2)

FIRST, AGAIN = "page 1", "page 1 again"

QUERIES = {
    "all": ConnectionQuery(limit=LIMIT),
    "of a type": ConnectionQuery(type=TYPES[0], limit=LIMIT),
}


def run(options: Options) -> Iterator[Row]:
    """Compare pages in SQLite and in Redis."""
    size, page = (1_600, 5) if options.quick else (400_000, 1_000)
    sqlite = SqliteBackend(path=DIRECTORY / "pages", max_bytes=2**30)
    yield from _of_backend("sqlite", sqlite, size, page, options)
    with started("pages") as server:
        if server is not None:
            redis = RedisBackend(url=server.url, timeout_seconds=60.0)
            yield from _of_backend("redis", redis, size, page, options)


def _of_backend(
    name: str, backend: BaseBackend, size: int, page: int, options: Options
) -> Iterator[Row]:
    load(backend, WORKERS, size)
    repeat = options.size(10, 2)
    for kind, query in QUERIES.items():
        skipped = (page - 1) * LIMIT
        deep = _after(backend, query, skipped)
        by_offset = dataclasses.replace(query, offset=skipped)
        questions = {
            FIRST: query,
            AGAIN: query,
            f"page {page:,}": deep,
            f"page {page:,}, by offset": by_offset,
        }
        measures: dict[str, Callable[[], float]] = {
            contestant: functools.partial(
                _time, backend, asked, 1 if asked.offset else repeat
            )
            for contestant, asked in questions.items()
        }
        samples = take_turns(measures, options.rounds)
        comparison = Comparison(samples, FIRST)
        for contestant, asked in questions.items():
            ratio = 1 + comparison.ratio(contestant)
            lower, upper = comparison.spread(contestant)
            yield Row(
                benchmark="pages",
                setting=f"{name}, {size:,} connections, {kind}",
                contestant=contestant,
                value=ratio * comparison.unit / 1000,
                unit="µs",
                ratio=ratio,
                spread=(1 + lower, 1 + upper),
                to=FIRST,
                goal=GOAL if asked.after is not None else None,
            )
    backend.close()


def _after(
    backend: BaseBackend, query: ConnectionQuery, skipped: int
) -> ConnectionQuery:
    """Return a query that continues after so many connections."""
    while skipped:
        limit = min(1_000, skipped)
        page = _ask(backend, dataclasses.replace(query, limit=limit))
        query = dataclasses.replace(query, after=page.next_cursor)
        skipped -= limit
    return query


def _ask(backend: BaseBackend, query: ConnectionQuery) -> ConnectionPage:
    page = backend.get_connections(query)
    if len(page) != query.limit or page.next_cursor is None or not page.complete:
        raise RuntimeError(f"Not what was reported: {len(page)} connections")
    return page


def _time(backend: BaseBackend, query: ConnectionQuery, repeat: int) -> float:
    """Return the least of some answers: what is above it, the machine does meanwhile.

    Wall time, since Redis is another process.
    """
    took = []
    for _ in range(repeat):
        began = wall()
        _ask(backend, query)
        took.append(wall() - began)
    return min(took)
