"""What the activity of workers costs Redis: reports, and what the sampler does.

A report's cost is the time of its script by the slow log of Redis: the lowest tenth,
since on a busy machine others have their turn meanwhile. How long other clients wait is
the longest command, the least of three times.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from benchmarks.options import Options
from benchmarks.redis_server import (
    KEPT_COMMANDS,
    WATCHING,
    RedisServer,
    longest_ms,
    started,
)
from benchmarks.results import Goal, Row
from django_socket_status.activity.stored import (
    Activity,
    Bucket,
    CountTotals,
    Entries,
    Rewritten,
)
from django_socket_status.activity.totals import Totals
from django_socket_status.backends.redis import RedisBackend
from django_socket_status.backends.redis.client import digest
from django_socket_status.records import Report
from django_socket_status.testing import FakeWorker

__all__ = ["run"]

TYPES, WORKERS = 20, 128
CAUSES = ("client_closed", "client_lost", "server_closed", "worker_stopped", "drained")

#: A lease that outlives the benchmark.
LONG_SECONDS = 86_400.0

#: Bytes of a closed connection with a user and a label in the stored list.
ENTRY = '[123456,"stt_room","/ws/stt/<room>/","1234",{"room":"room-1234"},' + (
    '1764475200.123456,1764475260.123456,"client_closed",1001,""],'
)

#: Microseconds that a report may cost more than one without activity.
REPORT_GOAL, ENTRY_GOAL = 10.0, 1.0
BLOCKING_GOAL = Goal(1.0, of="value")


def run(options: Options) -> Iterator[Row]:
    """Compare reports with and without activity, and time what readers hold up."""
    with started("redis_activity", *WATCHING) as server:
        if server is None:
            return
        yield from _reports(server, options)
    with started("redis_activity", *WATCHING) as server:
        if server is not None:
            yield from _commands(server, options.size(WORKERS, 4))


def totals_text(worker: int) -> str:
    """Return the counters of a worker with twenty types and all that is counted."""
    totals = Totals()
    for number in range(TYPES):
        kind = f"type_{number:02}"
        totals.opened[kind] = 10_000 + worker
        totals.closed[kind] = dict.fromkeys(CAUSES, 1_900 + worker)
        totals.rejected[kind] = {"403": 17}
    totals.codes = {str(code): 1_234 for code in range(1000, 1012)}
    return totals.to_text()


def _reports(server: RedisServer, options: Options) -> Iterator[Row]:
    backend = RedisBackend(url=server.socket_url)
    worker = FakeWorker(lease_seconds=LONG_SECONDS)
    opened = [worker.open(f"type_{number % TYPES:02}") for number in range(100)]
    counts = CountTotals(1, True, totals_text(1))
    backend.exchange(worker.full(opened, activity=Activity(totals=counts)))
    idle = {"condition": '{"release":"1.2.3","lag":0.001}' * 10, "can_sample": True}
    kinds: dict[str, Activity | None] = {
        "no activity": None,
        "nothing changed": Activity(**idle),  # type: ignore[arg-type]
        "counters of 20 types": Activity(totals=counts, **idle),  # type: ignore[arg-type]
        "the same, 1 closed": Activity(
            totals=counts,
            closed=Entries(ENTRY, 1),
            **idle,  # type: ignore[arg-type]
        ),
        "the same, 100 closed": Activity(
            totals=counts,
            closed=Entries(ENTRY * 100, 100),
            **idle,  # type: ignore[arg-type]
        ),
    }
    repeat, rounds = options.size(300, 20), options.size(12, 1)
    found: dict[str, float] = {}
    for _ in range(rounds):
        for name, activity in kinds.items():
            reports = [worker.change(activity=activity) for _ in range(repeat)]
            took = _in_redis(server, backend, reports)
            found[name] = min(found.get(name, float("inf")), took)
    backend.close()
    bare = found["no activity"]
    for name, value in found.items():
        goals = {
            "no activity": None,
            "the same, 1 closed": None,
            "the same, 100 closed": REPORT_GOAL + 100 * ENTRY_GOAL,
        }
        goal = goals.get(name, REPORT_GOAL)
        yield Row(
            benchmark="redis_activity",
            setting="a report, more than without activity",
            contestant=name,
            value=value - bare if goal else value,
            unit="µs of Redis",
            goal=None if goal is None else Goal(goal, of="value"),
        )


def _in_redis(
    server: RedisServer, backend: RedisBackend, reports: Sequence[Report]
) -> float:
    """Return the lowest tenth of what reports took, in microseconds.

    They are sent in one go, since between two commands that come one by one, the
    caches of an idle server belong to others.
    """
    commands: list[tuple[Any, ...]] = []
    now = time.time_ns() // 1_000_000

    def note(script: str, keys: Sequence[str], words: Iterable[Any]) -> int:
        commands.append((digest(script), len(keys), *keys, *words))
        return now

    client = backend._client
    client.run = note  # type: ignore[method-assign]
    for report in reports:
        assert backend.report(report)
    del client.run
    server.admin.slowlog_reset()
    with server.client(decode_responses=False) as sender:
        pipeline = sender.pipeline(transaction=False)
        for command in commands:
            pipeline.evalsha(*command)
        assert all(pipeline.execute())
    entries = server.admin.slowlog_get(KEPT_COMMANDS)
    took = sorted(
        entry["duration"] for entry in entries if "EVALSHA" in str(entry["command"])
    )
    return float(took[len(took) // 10])


def _commands(server: RedisServer, workers: int) -> Iterator[Row]:
    backend = RedisBackend(url=server.socket_url)
    _fill(backend, workers)
    found: dict[str, float] = {}
    for _ in range(3):
        for name, ask in _questions(backend).items():
            server.admin.slowlog_reset()
            ask()
            took = longest_ms(server)
            found[name] = min(found.get(name, float("inf")), took)
    backend.close()
    for name, value in found.items():
        yield Row(
            benchmark="redis_activity",
            setting=f"the longest command, {workers} workers, {TYPES} types",
            contestant=name,
            value=value,
            unit="ms",
            goal=BLOCKING_GOAL,
        )


def _fill(backend: RedisBackend, workers: int) -> None:
    """Have half of the workers die, and fill every list to its limit."""
    for number in range(workers):
        worker = FakeWorker(f"{number:016x}", lease_seconds=LONG_SECONDS)
        activity = Activity(
            totals=CountTotals(1, True, totals_text(number)), condition="{}" * 200
        )
        opened = [worker.open() for _ in range(100)]
        backend.exchange(worker.full(opened, activity=activity))
        if number % 2:
            backend.goodbye(f"{number:016x}")
    lost = Entries(ENTRY * 1_000, 1_000)
    for _ in range(5):
        backend.keep_ended("closed", lost)
    for _ in range(5_000):
        backend.keep_ended("closed", Entries(ENTRY * 5, 1))
    backend.write_buckets(_buckets(0), "{}" * 50_000)


def _buckets(number: int) -> list[Bucket]:
    """Return what one sample writes: a bucket of each ring."""
    rings = [f"{span}:type_{kind:02}" for span in range(4) for kind in range(21)]
    text = '{"average":1.5,"peak":3,"at":1764475200,"opened":17,"closed":{}}'
    return [Bucket(ring, number, text, 60) for ring in ["total", *rings]]


def _without_user(text: str) -> Rewritten:
    """Return the text of some entries with another user in each of them."""
    old, new = ('"1234"', "null") if '"1234"' in text else ("null", '"1234"')
    return Rewritten(text.replace(old, new), text.count(old))


def _questions(backend: RedisBackend) -> dict[str, Callable[[], object]]:
    rings = {it.ring: 0 for it in _buckets(0)}
    numbers = iter(range(1, 1_000))
    lost = Entries(ENTRY * 1_000, 1_000)

    def fold() -> None:
        totals = backend.read_totals()
        assert totals is not None
        dead = [it for it in totals.counts if not it.is_live][:8]
        base = totals_text(10**12)
        assert backend.fold(dead, totals.base, base)

    return {
        "fold 8 of them, read first": fold,
        "read the counters": backend.read_totals,
        "read closed ones, 8 MB": lambda: backend.read_ended("closed"),
        "forget a user of all of them": lambda: backend.rewrite_ended(
            "closed", _without_user
        ),
        "keep 1,000 lost ones": lambda: backend.keep_ended("closed", lost),
        "write a sample": lambda: backend.write_buckets(
            _buckets(next(numbers)), "{}" * 50_000
        ),
        "read the history": lambda: backend.read_buckets(rings),
        "read the conditions": backend.read_conditions,
    }
