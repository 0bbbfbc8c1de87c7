"""How far the numbers of the overview can be trusted, in sentences."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import NamedTuple

from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_socket_status.admin.figures.facts import Facts

__all__ = ["Note", "notes_of"]

#: Older counts were not read for this answer.
OLD = datetime.timedelta(seconds=2)

CHECK = "python manage.py check --tag socket_status"


class Note(NamedTuple):
    """One sentence about the state, with the next step."""

    text: str
    step: str = ""
    command: str = ""
    since: datetime.datetime | None = None
    """Of when the numbers are, if they are old."""
    is_bad: bool = False
    """Whether the numbers are wrong or old."""


def notes_of(facts: Facts, request: HttpRequest) -> list[Note]:
    """Return what limits the numbers; empty if nothing does."""
    return [
        *_freshness(facts),
        *_emptiness(facts, request),
        *_draining(facts),
        *_limits(facts),
    ]


def _freshness(facts: Facts) -> Iterator[Note]:
    if not facts.summary.stale:
        return
    if timezone.now() - facts.as_of > OLD:
        yield Note(
            _("The status cannot be read now: these numbers are old."),
            _("The log of the server names the reason. This command does, too:"),
            CHECK,
            facts.as_of,
            is_bad=True,
        )
        return
    reporting = sum(not it.complete for it in facts.workers)
    yield Note(
        _("These numbers may be too low: not all connections have been reported yet."),
        ngettext(
            "%(count)d worker is still reporting.",
            "%(count)d workers are still reporting.",
            reporting,
        )
        % {"count": reporting}
        if reporting
        else _("Wait a few seconds."),
        is_bad=True,
    )


def _emptiness(facts: Facts, request: HttpRequest) -> Iterator[Note]:
    if facts.summary.total_sockets or facts.summary.stale:
        return
    if facts.workers or (facts.totals is not None and facts.totals.since):
        yield Note(
            _("No connection is open."),
            _("This page shows the next one within seconds."),
        )
    elif isinstance(request, WSGIRequest):
        yield Note(
            _("No process has served a WebSocket yet. This one is WSGI, and cannot."),
            _("Start an ASGI server. Then this command names what is missing:"),
            CHECK,
        )
    else:
        yield Note(
            _("No process has served a WebSocket yet."),
            _(
                "Add SocketStatusMixin to a consumer, or SocketStatusMiddleware to the "
                "application, and open a WebSocket. This command names what is missing:"
            ),
            CHECK,
        )


def _draining(facts: Facts) -> Iterator[Note]:
    draining = [it for it in facts.workers if it.is_draining]
    if not draining:
        return
    text = ngettext(
        "%(count)d worker is draining: it closes its connections, %(left)d are left.",
        "%(count)d workers are draining: they close their connections, %(left)d are "
        "left.",
        len(draining),
    )
    left = sum(it.total_sockets for it in draining)
    yield Note(
        text % {"count": len(draining), "left": left},
        _("Stop the processes when none is left."),
    )


def _limits(facts: Facts) -> Iterator[Note]:
    if facts.summary.coverage == "process":
        yield Note(
            _("These numbers are of this process alone."),
            _("The sqlite backend covers a host, the redis backend every host."),
        )
    if facts.summary.unique_users is None:
        yield Note(
            _("Users and single connections are not known: only counts are kept."),
            _("The backend has the option details=False, or no space for more."),
        )
    if facts.hour is not None and not facts.hour.complete:
        yield Note(_("A part of the history could not be read."), is_bad=True)
