"""Drives connections, or messages, with one contestant: what callgrind looks at.

``python -m benchmarks.counted BASE WAY CONTESTANT COUNT``, where the way is ``churn``
or ``hold``, for connections, or ``out`` or ``in``, for messages of one connection.
"""

from __future__ import annotations

import sys

import django

#: About how much slower everything is under callgrind. Our clock has to be, too, or the
#: reporter would look as many times more often, for each connection.
SLOWER = 50


def main(base_name: str, way: str, name: str, count: str) -> None:
    """Drive connections, or pass messages through one."""
    # Not before: they need the settings.
    from benchmarks.contestants import bases, contestants, settle
    from benchmarks.drivers import without_thread_hops
    from benchmarks.messages import one_way

    slower = {
        "REPORT_INTERVAL_SECONDS": 0.05 * SLOWER,
        "HEARTBEAT_SECONDS": 1.0 * SLOWER,
        "LEASE_SECONDS": 5.0 * SLOWER,
    }
    (base,) = (base for base in bases() if base.name == base_name)
    if way in ("out", "in"):
        base, messages = one_way(way, int(count))
    competing = contestants(base, "memory", "sqlite")
    (contestant,) = (it for it in competing if it.name == name)
    with contestant.measured(**slower), without_thread_hops():
        # What the first connection alone costs would not cancel out if it came in one
        # of two processes only.
        base.driver.hold(contestant.app, 2, settle)
        if way in ("out", "in"):
            base.driver.talk(contestant.app, messages)
        else:
            wait = settle if way == "hold" else _go_on
            getattr(base.driver, way)(contestant.app, int(count), wait)


def _go_on() -> None:
    """Do not wait: in churn there is next to nothing to report."""


if __name__ == "__main__":
    django.setup()
    main(*sys.argv[1:])
