"""The page that follows a drain, and its Stop button."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from django.contrib import messages
from django.http import Http404, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext

from django_socket_status.admin.actions.log import command_ids, entries_of, note
from django_socket_status.admin.page import Page
from django_socket_status.operations.kept_commands import CommandRecord, read_commands
from django_socket_status.services import SocketStatusService

__all__ = ["drained", "stop_drain"]

#: The numbers of a worker, in the order of the table.
NUMBERS = (
    *("matched", "waiting", "closed", "sent", "unsent", "gone", "unanswered"),
    "remaining",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Row:
    """How far one worker has come."""

    name: str
    numbers: Sequence[int]


def drained(page: Page, command_id: str) -> HttpResponseBase:
    """Answer with how far a drain has come, or with the part that changes."""
    record = _record(command_id)
    entries = list(entries_of(command_id)[:1])
    if record is None and not entries:
        raise Http404
    now = timezone.now()
    rows = () if record is None else _rows(record)
    if "live" in page.request.GET:
        context = {"record": record, "rows": rows}
        return page.live("drain_progress.html", context, now)
    return page.render(
        "drained.html",
        gettext("Drain: the result"),
        action=command_id,
        entry=entries[0] if entries else None,
        as_of=now,
        record=record,
        rows=rows,
    )


def stop_drain(page: Page, command_id: str) -> HttpResponseBase:
    """Stop a drain: what is not closed stays open."""
    if not command_ids(command_id):
        raise Http404
    SocketStatusService.stop_command(command_id)
    text = gettext("Stopped the action %(action)s.") % {"action": command_id}
    note(page.request.user, command_id, gettext("Workers"), text)
    messages.success(page.request, gettext("Closes that have not begun are stopped."))
    return HttpResponseRedirect(page.url("drained", command_id))


def _record(command_id: str) -> CommandRecord | None:
    if not command_ids(command_id):
        raise Http404
    for it in read_commands():
        if it.command_id == command_id and it.kind == "drain":
            return it
    return None


def _rows(record: CommandRecord) -> Sequence[_Row]:
    """Return the rows of the workers, by name."""
    if record.result is None:
        return ()
    names = {
        it.worker_id: f"{it.host}:{it.pid}" for it in SocketStatusService.get_workers()
    }
    rows = [
        _Row(
            name=names.get(worker_id, worker_id),
            numbers=[getattr(it, name) for name in NUMBERS],
        )
        for worker_id, it in record.result.by_worker.items()
    ]
    return sorted(rows, key=lambda row: row.name)
