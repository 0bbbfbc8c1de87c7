"""The page that asks before connections are disconnected, and then begins it."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib import messages
from django.http import HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils.translation import gettext, ngettext

from django_socket_status.admin.actions.disconnect_form import DisconnectForm
from django_socket_status.admin.actions.log import action_id, note
from django_socket_status.admin.actions.target_of_request import (
    BadTargetError,
    target_of,
)
from django_socket_status.admin.actions.targets import (
    MAX_IDS,
    Target,
    TooManyError,
    Who,
    selectors_of,
    who_of,
)
from django_socket_status.admin.lists.people import people_of
from django_socket_status.admin.page import Page
from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.operations.starting import start_disconnect
from django_socket_status.wording import number_text

__all__ = ["disconnect"]


def disconnect(page: Page) -> HttpResponseBase:
    """Ask whether to disconnect, and with which code; begin it if that is confirmed."""
    try:
        target = target_of(page.request)
    except BadTargetError as problem:
        messages.error(page.request, str(problem))
        return HttpResponseRedirect(_list_url(page))
    if "confirm" not in page.request.POST:
        return _ask(page, target, DisconnectForm())
    form = DisconnectForm(page.request.POST)
    if not form.is_valid():
        return _ask(page, target, form)
    try:
        return _begin(page, target, form)
    except TooManyError:
        form.add_error(None, _too_many())
    except ValueError as problem:
        # For example, the labels do not fit into a command.
        form.add_error(None, str(problem))
    return _ask(page, target, form)


def _ask(page: Page, target: Target, form: DisconnectForm) -> HttpResponseBase:
    who = who_of(target)
    people = people_of(page, [it.user_id for it in who.records])
    return page.render(
        "disconnect.html",
        _title(target, who),
        target=target,
        who=who,
        rows=[(it, people.get(it.user_id or "")) for it in who.records],
        form=form,
        back=_list_url(page),
    )


def _begin(page: Page, target: Target, form: DisconnectForm) -> HttpResponseBase:
    who = who_of(target)
    selectors = selectors_of(target)
    if not selectors or (not who.count and who.is_exact):
        messages.warning(page.request, gettext("No connection matches any more."))
        return HttpResponseRedirect(_list_url(page))
    code, reason = form.cleaned_data["code"], form.cleaned_data["reason"]
    begun: list[str] = []
    try:
        for selector in selectors:
            begun.append(
                start_disconnect(
                    selector,
                    code=code,
                    reason=reason,
                    requested_by=page.request.user.get_username(),
                )
            )
    except StatusUnavailableError:
        # Workers may have received some of the commands.
        _note(page, target, who, form, begun, is_whole=False)
        raise
    _note(page, target, who, form, begun, is_whole=True)
    return HttpResponseRedirect(page.url("command", action_id(begun)))


def _note(
    page: Page,
    target: Target,
    who: Who,
    form: DisconnectForm,
    begun: Sequence[str],
    *,
    is_whole: bool,
) -> None:
    action = action_id(begun)
    said = {**form.cleaned_data, "count": _count(who), "action": action}
    parts = [
        gettext("Disconnected with code %(code)s and reason “%(reason)s”.") % said
        if said["reason"]
        else gettext("Disconnected with code %(code)s.") % said,
        gettext("Open connections that matched: %(count)s.") % said,
    ]
    if not is_whole:
        parts.append(gettext("The backend failed, so some may not be closed."))
    if action:
        parts.append(gettext("Action %(action)s.") % said)
    if len(target.ids) > 1:
        parts.append(gettext("Connections:") + " " + " ".join(target.ids))
    object_id = target.ids[0] if len(target.ids) == 1 else action
    note(page.request.user, object_id, target.words, " ".join(parts))


def _title(target: Target, who: Who) -> str:
    if target.is_everything:
        return gettext("Disconnect every connection?")
    if not who.is_known:
        return gettext("Disconnect all that match?")
    text = ngettext(
        "Disconnect %(count)s connection?",
        "Disconnect %(count)s connections?",
        who.count,
    )
    return text % {"count": _count(who)}


def _count(who: Who) -> str:
    number = number_text(who.count)
    if not who.is_known:
        return gettext("not known")
    if who.is_exact:
        return number
    return gettext("at least %(number)s") % {"number": number}


def _too_many() -> str:
    return gettext(
        "More than %(most)s connections match, and this filter needs the id of each. "
        "Narrow it, or filter only by type, user, label, worker, host and release."
    ) % {"most": number_text(MAX_IDS)}


def _list_url(page: Page) -> str:
    """Return the URL of the list, with the filter from which the viewer came."""
    query = page.request.GET.copy()
    query.pop("connection_id", None)
    path = page.url("open")
    return f"{path}?{query.urlencode()}" if query else path
