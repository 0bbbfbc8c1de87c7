"""The events of a history, in words."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_socket_status.status.history_records import HistoryEvent
from django_socket_status.wording import duration_text, number_text

__all__ = ["Event", "events_of"]

#: The most events that the page lists, the newest ones.
MOST = 20


class Event(NamedTuple):
    """Something that happened to the deployment."""

    at: datetime.datetime
    text: str


def events_of(events: Sequence[HistoryEvent]) -> list[Event]:
    """Return the newest events, newest first."""
    return list(_events(reversed(events[-MOST:])))


def _events(events: Iterator[HistoryEvent]) -> Iterator[Event]:
    for event in events:
        yield Event(event.at, _text(event.kind, event.facts))


def _text(kind: str, facts: Mapping[str, Any]) -> str:
    number = facts.get("number")
    count = number if isinstance(number, int) else 0
    if kind == "release":
        text = _("Release %(release)s seen for the first time")
        return text % {"release": facts.get("release", "")}
    if kind == "worker_lost":
        text = ngettext(
            "A worker with %(count)s connection was lost",
            "A worker with %(count)s connections was lost",
            count,
        )
        return text % {"count": number_text(count)}
    if kind == "disconnected":
        text = ngettext(
            "%(count)s connection was disconnected",
            "%(count)s connections were disconnected",
            count,
        )
        return text % {"count": number_text(count)}
    if kind == "outage":
        seconds = facts.get("seconds")
        known = float(seconds) if isinstance(seconds, int | float) else 0.0
        text = _("The backend was not reachable for %(duration)s")
        return text % {"duration": duration_text(known)}
    return kind
