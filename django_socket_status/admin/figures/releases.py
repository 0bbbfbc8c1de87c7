"""Why the connections of each release closed, as far as its workers still report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from django_socket_status.admin.figures.facts import Facts, Flow
from django_socket_status.admin.figures.words import cause_text
from django_socket_status.admin.page import Page
from django_socket_status.endings import CAUSES

__all__ = ["ReleaseRow", "closed_by_release"]


class ReleaseRow(NamedTuple):
    """A release that runs, and how its connections ended."""

    name: str
    url: str
    """The closed connections of this release; empty if they cannot be listed."""
    workers: int
    closed: int
    abnormal: int | None
    """The share of abnormal closes in percent; ``None`` if none closed."""
    cause: str
    """The most frequent cause; empty if none closed."""
    cause_url: str
    """Those with this cause."""


def closed_by_release(page: Page, facts: Facts) -> list[ReleaseRow]:
    """Return the releases that run; empty if the workers name none.

    Only workers that report now are counted: once a worker has ended, its counters
    are part of a sum that has no releases.
    """
    workers: dict[str, int] = {}
    closed: dict[str, dict[str, int]] = {}
    for worker in facts.workers:
        release = worker.condition.release if worker.condition else ""
        workers[release] = workers.get(release, 0) + 1
        counts = closed.setdefault(release, {})
        for cause, count in facts.closed_by_worker.get(worker.worker_id, {}).items():
            counts[cause] = counts.get(cause, 0) + count
    if facts.totals is None or not any(workers):
        return []
    return [_row(page, it, workers[it], closed[it]) for it in sorted(workers)]


def _row(
    page: Page, release: str, workers: int, closed: Mapping[str, int]
) -> ReleaseRow:
    flow = Flow(0, closed, 0)
    share = flow.abnormal_share
    # Of several, the first by name: the page changes only if the numbers do.
    cause = max(sorted(closed), key=lambda it: closed[it], default="")
    url = page.link("closed", release=release) if release else ""
    is_listed = bool(url) and cause in CAUSES
    return ReleaseRow(
        name=release,
        url=url,
        workers=workers,
        closed=flow.closed_total,
        abnormal=None if share is None else round(100 * share),
        cause=cause_text(cause) if cause else "",
        cause_url=page.link("closed", release=release, cause=cause)
        if is_listed
        else "",
    )
