"""How handshakes and connections turned out, in the words that are exported."""

from __future__ import annotations

from collections.abc import Mapping

from django_socket_status.activity.totals import OTHER
from django_socket_status.endings import CAUSES, Cause
from django_socket_status.status.totals import TotalsRecord

__all__ = ["ABNORMAL", "RESULTS", "causes_of", "results_of"]

#: How a handshake may end.
RESULTS = ("accepted", "403", "4xx", "5xx", "gone", "error", OTHER)

#: The causes that are a failure of something.
ABNORMAL: frozenset[Cause] = frozenset(
    ("client_lost", "worker_lost", "app_error", "send_failed")
)


def causes_of(totals: TotalsRecord) -> Mapping[str, Mapping[str, int]]:
    """Return how many connections each cause ended, by type: every cause of each."""
    zero: dict[str, int] = dict.fromkeys(CAUSES, 0)
    return {kind: {**zero, **totals.closed.get(kind, {})} for kind in totals.opened}


def results_of(totals: TotalsRecord) -> Mapping[str, Mapping[str, int]]:
    """Return how many handshakes had each result, by type: every result of each."""
    kinds = {**totals.opened, **totals.rejected}
    results = {kind: dict.fromkeys(RESULTS, 0) for kind in kinds}
    for kind, count in totals.opened.items():
        results[kind]["accepted"] = count
    for kind, statuses in totals.rejected.items():
        for status, count in statuses.items():
            results[kind][_result_of(status)] += count
    return results


def _result_of(status: str) -> str:
    if status in ("403", "gone", "error"):
        return status
    first = status[:1]
    return f"{first}xx" if status.isdigit() and first in "45" else OTHER
