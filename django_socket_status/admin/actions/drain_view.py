"""The pages that ask which workers to drain and how, and then begin it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.contrib import messages
from django.http import HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils.translation import gettext, ngettext

from django_socket_status.admin.actions.drain_form import DrainForm
from django_socket_status.admin.actions.log import note
from django_socket_status.admin.page import Page
from django_socket_status.control.drain_orders import DrainOrder, DrainSelector
from django_socket_status.operations.starting_drain import start_drain
from django_socket_status.services import SocketStatusService
from django_socket_status.status.answers import WorkerRecord
from django_socket_status.wording import number_text

__all__ = ["drain"]


def drain(page: Page) -> HttpResponseBase:
    """Ask which workers to drain and how; begin it if that is confirmed."""
    workers = SocketStatusService.get_workers()
    target = _target_of(page)
    if target is None:
        return _choose(page, workers)
    meant = [it for it in workers if _is_meant(target, it)]
    if not meant:
        messages.warning(page.request, gettext("No such worker reports now."))
        return HttpResponseRedirect(page.url("drain"))
    form = DrainForm(page.request.POST if "confirm" in page.request.POST else None)
    if form.is_valid():
        return _begin(page, target, meant, form)
    return page.render(
        "drain.html",
        _title(meant),
        workers=meant,
        words=_words(target),
        open_count=sum(it.total_sockets for it in meant),
        form=form,
    )


def _choose(page: Page, workers: Sequence[WorkerRecord]) -> HttpResponseBase:
    releases = {release for it in workers if (release := _release(it))}
    return page.render(
        "drain_choose.html",
        gettext("Drain workers"),
        workers=workers,
        hosts=sorted({it.host for it in workers}),
        releases=sorted(releases),
    )


def _target_of(page: Page) -> DrainSelector | None:
    """Return which workers the URL names; ``None`` if it names none."""
    names = ("worker", "host", "release")
    given = {name: it for name in names if (it := page.request.GET.get(name))}
    return DrainSelector(**given) if given else None


def _is_meant(target: DrainSelector, worker: WorkerRecord) -> bool:
    return target.means(worker.worker_id, worker.host, _release(worker))


def _release(worker: WorkerRecord) -> str:
    return worker.condition.release if worker.condition else ""


def _words(target: DrainSelector) -> str:
    return " ".join(f"{name}={it}" for name, it in target.as_dict().items())


def _title(meant: Sequence[WorkerRecord]) -> str:
    text = ngettext("Drain %(count)s worker?", "Drain %(count)s workers?", len(meant))
    return text % {"count": number_text(len(meant))}


def _begin(
    page: Page, target: DrainSelector, meant: Sequence[WorkerRecord], form: DrainForm
) -> HttpResponseBase:
    how = form.cleaned_data
    order = DrainOrder(
        selector=target,
        over_seconds=float(how["over_seconds"]),
        grace_seconds=float(how["grace_seconds"]),
        code=how["code"],
        reason=how["reason"],
        requested_by=page.request.user.get_username(),
    )
    command_id = ""
    try:
        command_id = start_drain(order)
    finally:
        # Also after an error: workers may have received the command.
        _note(page, target, meant, how, command_id)
    return HttpResponseRedirect(page.url("drained", command_id))


def _note(
    page: Page,
    target: DrainSelector,
    meant: Sequence[WorkerRecord],
    how: Mapping[str, object],
    command_id: str,
) -> None:
    said = {
        **how,
        "workers": number_text(len(meant)),
        "count": number_text(sum(it.total_sockets for it in meant)),
        "action": command_id,
    }
    parts = [
        gettext("Drained over %(over_seconds)s s after a grace of %(grace_seconds)s s.")
        % said,
        gettext("Code %(code)s and reason “%(reason)s”.") % said
        if how["reason"]
        else gettext("Code %(code)s.") % said,
        gettext("Workers: %(workers)s. Open connections: %(count)s.") % said,
        gettext("Action %(action)s.") % said
        if command_id
        else gettext("The backend failed, so some may not be closed."),
    ]
    what = gettext("Workers with %(filter)s") % {"filter": _words(target)}
    note(page.request.user, command_id, what, " ".join(parts))
