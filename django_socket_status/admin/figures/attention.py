"""What needs attention: a list that is empty when all is well."""

from __future__ import annotations

import datetime
import statistics
from collections.abc import Iterator
from typing import NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_socket_status.admin.figures.facts import Facts
from django_socket_status.admin.figures.words import ABNORMAL, cause_text
from django_socket_status.admin.page import Page
from django_socket_status.conf import get_settings
from django_socket_status.limits import bounded_text
from django_socket_status.status.answers import WorkerRecord
from django_socket_status.wording import number_text

__all__ = ["Item", "attention_to"]

#: The fewest events of which a share is judged, and the share that is unusual.
ENOUGH, UNUSUAL = 20, 0.25
#: The longest name in DNS (RFC 1035, section 2.3.4).
MAX_HOST = 255
#: A minute is a storm if it opens this many times the median of all minutes.
STORM = 5


class Item(NamedTuple):
    """One thing to look at."""

    text: str
    url: str = ""
    """The list of what it is about; empty if the user may not see it."""
    at: datetime.datetime | None = None
    """When it happened."""


def attention_to(page: Page, facts: Facts) -> list[Item]:
    """Return what needs attention, the most urgent first."""
    return [
        *_late_workers(facts),
        *_lost_workers(page, facts),
        *_slow_workers(facts),
        *_storm(page, facts),
        *_abnormal(page, facts),
        *_rejected(page, facts),
        *_uncounted(facts),
    ]


def _late_workers(facts: Facts) -> Iterator[Item]:
    if late := sum(it.is_late for it in facts.workers):
        yield Item(
            ngettext(
                "%(count)s worker missed a report.",
                "%(count)s workers missed a report.",
                late,
            )
            % {"count": number_text(late)},
            "#workers",
        )


def _lost_workers(page: Page, facts: Facts) -> Iterator[Item]:
    events = facts.hour.events if facts.hour else ()
    lost = [it for it in events if it.kind == "worker_lost"]
    if lost:
        yield Item(
            ngettext(
                "%(count)s worker was lost in the last hour.",
                "%(count)s workers were lost in the last hour.",
                len(lost),
            )
            % {"count": number_text(len(lost))},
            page.link("closed", cause="worker_lost"),
            lost[-1].at,
        )


def _slow_workers(facts: Facts) -> Iterator[Item]:
    limit = get_settings().slow_seconds
    for worker in facts.workers:
        condition = worker.condition
        if condition is None:
            continue
        if (condition.max_loop_lag_seconds or 0) >= limit:
            yield Item(_slow(name_of(worker), condition.loop_runs), "#workers")
        if (condition.sync_thread_wait_seconds or 0) >= limit:
            yield Item(_busy(name_of(worker), condition.sync_thread_runs), "#workers")


def _slow(worker: str, function: str | None) -> str:
    if function is None:
        return _("The event loop of %s is slow.") % worker
    text = _("The event loop of %(worker)s is slow: it ran %(function)s")
    return text % {"worker": worker, "function": function}


def _busy(worker: str, function: str | None) -> str:
    if function is None:
        text = _("The thread of sync consumers of %s is busy. Its log names the call.")
        return text % worker
    text = _("The thread of sync consumers of %(worker)s is busy: it runs %(function)s")
    return text % {"worker": worker, "function": function}


def name_of(worker: WorkerRecord) -> str:
    """Return the name of a worker for people: its host and process id.

    A sentence cannot isolate it, so it holds nothing that changes a direction.
    """
    return f"{bounded_text(worker.host, MAX_HOST)}:{worker.pid}"


def _storm(page: Page, facts: Facts) -> Iterator[Item]:
    minute = facts.last_minute
    if minute is None or facts.hour is None or minute.opened < ENOUGH:
        return
    before = [it.opened for it in facts.hour.buckets[:-2] if it.opened is not None]
    if len(before) >= 5 and minute.opened >= STORM * statistics.median(before):
        text = _("Many clients reconnect: %(opened)s connections opened in a minute.")
        yield Item(text % {"opened": number_text(minute.opened)}, page.link("open"))


def _abnormal(page: Page, facts: Facts) -> Iterator[Item]:
    flow = facts.last_hour
    if flow is None or flow.closed_total < ENOUGH:
        return
    if (share := flow.abnormal_share or 0) >= UNUSUAL:
        worst = max(sorted(ABNORMAL), key=lambda it: flow.closed.get(it, 0))
        text = _(
            "%(percent)s %% of the connections that closed in the last hour ended "
            "abnormally, most often: %(cause)s."
        )
        percent = number_text(_percent(share))
        yield Item(
            text % {"percent": percent, "cause": cause_text(worst)},
            page.link("closed", cause=worst),
        )


def _rejected(page: Page, facts: Facts) -> Iterator[Item]:
    flow = facts.last_hour
    if flow is None or flow.rejected < ENOUGH:
        return
    share = flow.rejected / (flow.rejected + flow.opened)
    if share >= UNUSUAL:
        text = _("%(percent)s %% of the handshakes in the last hour were rejected.")
        percent = number_text(_percent(share))
        yield Item(text % {"percent": percent}, page.link("rejected"))


def _percent(share: float) -> int:
    """Return a share in steps of five, so that the page seldom changes."""
    return 5 * round(20 * share)


def _uncounted(facts: Facts) -> Iterator[Item]:
    if count := len(facts.summary.uncounted_endpoints):
        yield Item(
            ngettext(
                "The connections of %(count)s endpoint are not counted.",
                "The connections of %(count)s endpoints are not counted.",
                count,
            )
            % {"count": number_text(count)},
            "#endpoints",
        )
