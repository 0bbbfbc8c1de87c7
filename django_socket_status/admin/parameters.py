"""The parameters of a list's URL: what each may be, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.http import QueryDict
from django.utils.translation import gettext as _

from django_socket_status.endings import CAUSES
from django_socket_status.limits import MAX_LABELS, bounded_labels
from django_socket_status.status.arguments import MAX_CODE
from django_socket_status.status.list_types import STATES, State
from django_socket_status.status.search.criteria import age_in_text

__all__ = [
    "LABEL_PREFIX",
    "PAGE_PARAMETERS",
    "SHOWN",
    "STATES_OF",
    "FilterError",
    "seconds_of",
    "split",
    "verify",
]

LABEL_PREFIX = "label."

#: Parameters of a page that select no connection.
PAGE_PARAMETERS = frozenset(
    {"after", "seen", "since", "newer", "cols", "col", "format", "apply", "state"}
)

#: The parameters that select, in the order in which they are shown, with their states.
STATES_OF: Mapping[str, Sequence[State]] = {
    "type": STATES,
    "user": STATES,
    "anonymous": STATES,
    "endpoint": STATES,
    "worker": STATES,
    "host": STATES,
    "release": STATES,
    "older": STATES,
    "younger": STATES,
    "cause": ("closed",),
    "code": ("closed", "rejected"),
}

#: The most characters of a wrong value that a sentence repeats.
SHOWN = 60


class FilterError(ValueError):
    """A parameter of the URL has an impossible value; the text says which."""


def seconds_of(text: str) -> int:
    """Return an age such as ``30s``, ``10min``, ``2h`` or ``1d`` in seconds.

    Raises:
        FilterError: it is no age.
    """
    seconds = age_in_text(text)
    if seconds is None:
        raise FilterError(
            _("“%(text)s” is no age: write 30s, 10min, 2h or 1d.")
            % {"text": text[:SHOWN]}
        )
    return seconds


def split(
    query: QueryDict, problems: list[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the parameters that have a value, and the labels."""
    values: dict[str, str] = {}
    labels: list[tuple[str, str]] = []
    for name in query:
        texts = [it.strip() for it in query.getlist(name) if it.strip()]
        if not texts or name in PAGE_PARAMETERS:
            continue
        if name == "label":
            labels += (_label_of(it, problems) for it in texts)
        elif name.startswith(LABEL_PREFIX) and name != LABEL_PREFIX:
            labels += ((name.removeprefix(LABEL_PREFIX), it) for it in texts)
        elif name in STATES_OF:
            values[name] = texts[-1]
        else:
            problems.append(
                _("There is no filter “%(name)s”.") % {"name": name[:SHOWN]}
            )
    if values.get("anonymous") in ("0", "false"):
        del values["anonymous"]
    return values, _labels_of(labels, problems)


def _label_of(text: str, problems: list[str]) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name.strip() and equals):
        problems.append(
            _("Write a label as name=value, not “%(text)s”.") % {"text": text[:SHOWN]}
        )
    return name.strip(), value.strip()


def _labels_of(given: Sequence[tuple[str, str]], problems: list[str]) -> dict[str, str]:
    labels: dict[str, str] = {}
    for name, value in given:
        if labels.setdefault(name, value) != value:
            problems.append(
                _("The label “%(name)s” cannot have two values.")
                % {"name": name[:SHOWN]}
            )
    return bounded_labels(labels) if len(labels) <= MAX_LABELS else labels


def verify(name: str, value: str, state: State) -> None:
    """Verify the value of a parameter.

    Raises:
        FilterError: it is wrong.
    """
    shown = {"name": name, "value": value[:SHOWN]}
    if state not in STATES_OF[name]:
        raise FilterError(_("This list has no filter “%(name)s”.") % shown)
    if name in ("older", "younger"):
        seconds_of(value)
    elif name == "cause" and value not in CAUSES:
        raise FilterError(_("There is no cause “%(value)s”.") % shown)
    elif name == "code" and not _is_code(value):
        raise FilterError(_("“%(value)s” is no code: write a number.") % shown)
    elif name == "anonymous" and value not in ("1", "true", "on"):
        raise FilterError(_("“anonymous” must be 1, not “%(value)s”.") % shown)


def _is_code(text: str) -> bool:
    is_number = text.isascii() and text.isdecimal() and len(text) <= 5
    return is_number and int(text) <= MAX_CODE
