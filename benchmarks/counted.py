"""Drives so many connections with one contestant: what callgrind looks at.

``python -m benchmarks.counted BASE WAY CONTESTANT COUNT``
"""

from __future__ import annotations

import sys

import django

#: About how much slower everything is under callgrind. Our clock has to be, too, or the
#: reporter would look as many times more often, for each connection.
SLOWER = 50


def main(base_name: str, way: str, name: str, count: str) -> None:
    """Drive connections."""
    # Not before: they need the settings.
    from benchmarks.contestants import bases, contestants, settle
    from benchmarks.drivers import without_thread_hops

    slower = {
        "REPORT_INTERVAL_SECONDS": 0.05 * SLOWER,
        "HEARTBEAT_SECONDS": 1.0 * SLOWER,
        "LEASE_SECONDS": 5.0 * SLOWER,
    }
    (base,) = (base for base in bases() if base.name == base_name)
    competing = contestants(base, "memory", "sqlite")
    (contestant,) = (it for it in competing if it.name == name)
    with contestant.measured(**slower), without_thread_hops():
        # What the first connection alone costs would not cancel out if it came in one
        # of two processes only.
        base.driver.hold(contestant.app, 2, settle)
        wait = settle if way == "hold" else _go_on
        getattr(base.driver, way)(contestant.app, int(count), wait)


def _go_on() -> None:
    """Do not wait: in churn there is next to nothing to report."""


if __name__ == "__main__":
    django.setup()
    main(*sys.argv[1:])
