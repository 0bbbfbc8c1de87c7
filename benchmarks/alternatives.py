"""What people build to answer the same question, beside ours.

Over Channels as it is shipped, because that is where they build it, and because their
own trips to a thread are of the same kind as its.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

from django.core.cache import cache
from django.core.management import call_command
from django.db import connection

from benchmarks.applications import CACHE_KEY, CacheConsumer, RowConsumer
from benchmarks.contestants import BARE, Base, Contestant, bases, contestants, settle
from benchmarks.models import OpenSocket
from benchmarks.options import Options
from benchmarks.results import Row
from benchmarks.rounds import Comparison, take_turns

__all__ = ["run"]

ROW, CACHE = "a database row", "a counter in the cache"


def run(options: Options) -> Iterator[Row]:
    """Compare churn with ours, the default backend reporting."""
    call_command("migrate", verbosity=0, run_syncdb=True)
    # The best that a file can do, without waiting for the disk.
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode=WAL")
    cache.set(CACHE_KEY, 0, timeout=None)
    _, base = bases()
    competing = [
        *contestants(base, "sqlite"),
        Contestant(name=CACHE, app=CacheConsumer.as_asgi()),
        Contestant(name=ROW, app=RowConsumer.as_asgi()),
    ]
    count = options.size(200, 5)
    samples = take_turns(
        {it.name: functools.partial(_measure, it, base, count) for it in competing},
        options.rounds,
    )
    if OpenSocket.objects.exists() or cache.get(CACHE_KEY):
        raise RuntimeError("A contestant did not count down.")
    comparison = Comparison(samples, BARE)
    for name in samples:
        lower, upper = comparison.spread(name)
        yield Row(
            benchmark="alternatives",
            setting="channels as shipped, churn",
            contestant=name,
            value=comparison.added(name) / 1000,
            unit="µs added",
            ratio=1 + comparison.ratio(name),
            spread=(1 + lower, 1 + upper),
            to="bare",
        )


def _measure(contestant: Contestant, base: Base, count: int) -> float:
    with contestant.measured():
        contestant.warm_up(base.driver)
        return base.driver.churn(contestant.app, count, settle)
