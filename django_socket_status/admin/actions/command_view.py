"""The page that follows the result of an action, and its Stop button."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import NamedTuple

from django.contrib import messages
from django.contrib.admin.models import LogEntry
from django.http import Http404, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext

from django_socket_status.admin.actions.log import command_ids, entries_of, note
from django_socket_status.admin.actions.progress import Progress, read_progress
from django_socket_status.admin.page import Page
from django_socket_status.services import SocketStatusService

__all__ = ["command", "stop"]


class _Action(NamedTuple):
    """One action: its commands, and what the log has of it."""

    action: str
    ids: Sequence[str]
    begun: LogEntry | None
    stopped: LogEntry | None


def command(page: Page, command_id: str) -> HttpResponseBase:
    """Answer with what has become of an action, or with the part that changes."""
    found = _action(command_id)
    progress = _progress(found)
    if progress.state == "forgotten":
        # The log has one kind of link for both kinds of actions.
        if SocketStatusService.get_drain(found.ids[0]) is not None:
            return HttpResponseRedirect(page.url("drained", command_id))
        if found.begun is None:
            raise Http404
    now = timezone.now()
    if "live" in page.request.GET:
        return page.live("command_progress.html", {"progress": progress}, now)
    return page.render(
        "command.html",
        gettext("Disconnect: the result"),
        progress=progress,
        as_of=now,
        **found._asdict(),
    )


def stop(page: Page, command_id: str) -> HttpResponseBase:
    """Stop what is not done of an action."""
    found = _action(command_id)
    for it in found.ids:
        SocketStatusService.stop_command(it)
    begun = found.begun
    note(
        page.request.user,
        (begun and begun.object_id) or found.action,
        begun.object_repr if begun else gettext("WebSocket connections"),
        gettext("Stopped the action %(action)s.") % {"action": found.action},
    )
    messages.success(page.request, gettext("Closes that have not begun are stopped."))
    return HttpResponseRedirect(page.url("command", command_id))


def _action(action: str) -> _Action:
    ids = command_ids(action)
    if not ids:
        raise Http404
    entries = list(entries_of(action)[:2])
    begun, stopped = (*entries, None, None)[:2]
    return _Action(action, ids, begun, stopped)


def _progress(found: _Action) -> Progress:
    return read_progress(
        found.ids,
        began_at=_at(found.begun),
        stopped_at=_at(found.stopped),
        now=timezone.now(),
    )


def _at(entry: LogEntry | None) -> datetime.datetime | None:
    if entry is None:
        return None
    at: datetime.datetime = entry.action_time
    return at if timezone.is_aware(at) else timezone.make_aware(at)
