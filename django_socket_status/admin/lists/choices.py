"""What the form of filters offers: the types, workers and releases that are known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from django_socket_status.admin.figures.words import cause_text
from django_socket_status.admin.filters import STATES_OF, Filter
from django_socket_status.endings import CAUSES
from django_socket_status.services import SocketStatusService
from django_socket_status.status.answers import WorkerRecord

__all__ = ["TITLES", "Choice", "Field", "fields_of"]

TITLES = {
    "type": pgettext_lazy("WebSocket", "Type"),
    "user": gettext_lazy("User"),
    "anonymous": gettext_lazy("Without a user"),
    "label": gettext_lazy("Label"),
    "endpoint": gettext_lazy("Endpoint"),
    "worker": gettext_lazy("Worker"),
    "host": gettext_lazy("Host"),
    "release": gettext_lazy("Release"),
    "older": gettext_lazy("Older than"),
    "younger": gettext_lazy("Younger than"),
    "cause": gettext_lazy("Cause"),
    "code": gettext_lazy("Code"),
}

AGES = ("1min", "10min", "1h", "1d")


class Choice(NamedTuple):
    """One value that a filter may have."""

    value: str
    text: str


class Field(NamedTuple):
    """One filter in the form."""

    name: str
    title: str
    value: str
    choices: Sequence[Choice]
    kind: str
    """``select``, ``text``, or ``flag`` for a box to tick."""
    hint: str


def fields_of(filter_: Filter, workers: Mapping[str, WorkerRecord]) -> Sequence[Field]:
    """Return the fields of the form for a list. Reads the summary that is cached."""
    known = _known(workers)
    fields = []
    for name, states in STATES_OF.items():
        if filter_.state in states:
            fields.append(_field(name, filter_.values.get(name, ""), known))
        if name == "user":
            fields.append(_labels(filter_))
    return fields


def _field(name: str, value: str, known: Mapping[str, Sequence[Choice]]) -> Field:
    choices = known.get(name, ())
    kind = "select" if name in _SELECTS else "text"
    if name == "anonymous":
        kind = "flag"
    if kind == "select" and value and value not in {it.value for it in choices}:
        choices = [*choices, Choice(value, value)]
    return Field(name, str(TITLES[name]), value, choices, kind, _hint(name))


_SELECTS = ("type", "worker", "host", "release", "cause")


def _hint(name: str) -> str:
    return {
        "user": _("name or key"),
        "older": _("such as 10min"),
        "younger": _("such as 10min"),
    }.get(name, "")


def _labels(filter_: Filter) -> Field:
    labels = [f"{name}={value}" for name, value in filter_.labels.items()]
    # An empty field for one more label.
    choices = [Choice(it, it) for it in [*labels, ""]]
    return Field("label", str(TITLES["label"]), "", choices, "labels", _("name=value"))


def _known(workers: Mapping[str, WorkerRecord]) -> Mapping[str, Sequence[Choice]]:
    summary = SocketStatusService.get_summary()
    records = workers.values()
    releases = (it.condition.release for it in records if it.condition)
    return {
        "type": _plain([*summary.sockets_by_type, *summary.ws_endpoints]),
        "endpoint": _plain(summary.ws_endpoints.values()),
        "worker": sorted(
            (Choice(it.worker_id, f"{it.host}:{it.pid}") for it in records),
            key=lambda it: it.text,
        ),
        "host": _plain(it.host for it in records),
        "release": _plain(releases),
        "cause": [Choice(it, cause_text(it)) for it in CAUSES],
        "older": _plain(AGES, is_sorted=True),
        "younger": _plain(AGES, is_sorted=True),
    }


def _plain(values: Iterable[str], *, is_sorted: bool = False) -> Sequence[Choice]:
    found = dict.fromkeys(it for it in values if it)
    return [Choice(it, it) for it in (found if is_sorted else sorted(found))]
