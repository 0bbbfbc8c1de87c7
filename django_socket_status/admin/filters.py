"""The filters of the lists, in the URL of a page.

One set of parameters for open, closed and rejected connections. What a parameter means
is decided here, also what is wrong with it: a page with a wrong filter says so, and
lists nothing, so that a mistake never looks like an answer.
"""

from __future__ import annotations

import dataclasses
import datetime
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from django.http import QueryDict
from django.utils.translation import gettext as _

from django_socket_status.cli.subcommands.users import UnknownUserError, user_key
from django_socket_status.endings import CAUSES, Cause
from django_socket_status.limits import MAX_LABELS, bounded_labels
from django_socket_status.records import ConnectionQuery
from django_socket_status.status.answers import WorkerRecord
from django_socket_status.status.arguments import MAX_CODE, query_of
from django_socket_status.status.list_types import STATES, State
from django_socket_status.status.search import Search

__all__ = ["LABEL_PREFIX", "PAGE_PARAMETERS", "Filter", "FilterError", "seconds_of"]

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

UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
_AGE = re.compile(r"([0-9]{1,9}) ?(s|min|h|d)")

#: The most characters of a wrong value that a sentence repeats.
_SHOWN = 60


class FilterError(ValueError):
    """A parameter of the URL has an impossible value; the text says which."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What the parameters of a page select."""

    state: State = "open"
    """Which list."""
    values: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """The parameters of ``STATES_OF`` that are set, as they stand in the URL."""
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """The labels, by name."""
    problems: Sequence[str] = ()
    """What is wrong, a sentence each. With any, nothing may be listed."""

    @classmethod
    def of(cls, query: QueryDict, state: State) -> Filter:
        """Return the filter of a URL's query; see :attr:`problems`."""
        problems: list[str] = []
        values, labels = _split(query, problems)
        for name, value in values.items():
            try:
                _verify(name, value, state)
            except FilterError as error:
                problems.append(str(error))
        if "user" in values and "anonymous" in values:
            problems.append(_("A user and “anonymous” exclude each other."))
        if len(labels) > MAX_LABELS:
            problems.append(
                _("A connection has at most %(count)d labels.") % {"count": MAX_LABELS}
            )
        return cls(state=state, values=values, labels=labels, problems=tuple(problems))

    @property
    def is_empty(self) -> bool:
        """Return whether everything is selected."""
        return not self.values and not self.labels

    def query(self, **others: str | None) -> str:
        """Return the query of a URL with this filter and other parameters.

        Args:
            **others: Parameters to add or to replace; ``None`` leaves one out.
        """
        return self._encoded({**self.parameters, **others})

    def without(self, name: str, **others: str | None) -> str:
        """Return the query of a URL with this filter but for one parameter."""
        return self._encoded({**self.parameters, name: None, **others})

    @property
    def parameters(self) -> Mapping[str, str]:
        """Return the parameters of a URL that make this filter."""
        labels = {f"{LABEL_PREFIX}{name}": it for name, it in self.labels.items()}
        return {**self.values, **labels}

    def _encoded(self, parameters: Mapping[str, str | None]) -> str:
        found = QueryDict(mutable=True)
        for name, value in parameters.items():
            if value is not None:
                found[name] = value
        return found.urlencode(safe="/:~,")

    def of_state(self, state: State) -> Filter:
        """Return this filter for another list, without what that list has not."""
        values = {
            name: it for name, it in self.values.items() if state in STATES_OF[name]
        }
        return Filter(state=state, values=values, labels=self.labels)

    def user_id(self) -> str | None:
        """Return the primary key of the user that is selected. May run a query.

        Raises:
            FilterError: no user has this name.
        """
        text = self.values.get("user")
        if text is None:
            return None
        try:
            return user_key(text)
        except UnknownUserError:
            raise FilterError(
                _("No user has the name “%(name)s”. Give a name or a primary key.")
                % {"name": text[:_SHOWN]}
            ) from None

    def search(
        self, workers: Callable[[], Sequence[WorkerRecord]], now: datetime.datetime
    ) -> Search:
        """Return the search for what this filter selects. May run a query.

        Args:
            workers: Returns the workers that report; called if the filter needs them.
            now: The time that ages are counted from.

        Raises:
            FilterError: the filter is wrong.
        """
        if self.problems:
            raise FilterError(self.problems[0])
        get, user_id = self.values.get, self.user_id()
        query = query_of(
            type=get("type"),
            user=None if user_id is None else _Keyed(user_id),
            labels=self.labels,
            anonymous="anonymous" in self.values,
            limit=ConnectionQuery().limit,
        )
        code = get("code")
        return Search(
            state=self.state,
            query=dataclasses.replace(query, worker_ids=self._worker_ids(workers)),
            endpoint=get("endpoint"),
            release=None if self.state == "open" else get("release"),
            until_at=self._at("older", now),
            from_at=self._at("younger", now),
            cause=cast("Cause | None", get("cause")),
            code=None if code is None else int(code),
        )

    def _worker_ids(
        self, workers: Callable[[], Sequence[WorkerRecord]]
    ) -> frozenset[str] | None:
        """Return the workers that are selected, ``None`` for any.

        Ended connections know the release of their worker, also after it ended.
        """
        worker, host = self.values.get("worker"), self.values.get("host")
        release = self.values.get("release") if self.state == "open" else None
        if host is None and release is None:
            return None if worker is None else frozenset({worker})
        return frozenset(
            it.worker_id
            for it in workers()
            if worker in (None, it.worker_id)
            and host in (None, it.host)
            and release in (None, it.condition.release if it.condition else "")
        )

    def _at(self, name: str, now: datetime.datetime) -> datetime.datetime | None:
        text = self.values.get(name)
        if text is None:
            return None
        try:
            return now - datetime.timedelta(seconds=seconds_of(text))
        except OverflowError:
            return datetime.datetime.min.replace(tzinfo=datetime.timezone.utc)


@dataclasses.dataclass(frozen=True, slots=True)
class _Keyed:
    """A user that is known by the key: any text may be one."""

    pk: str
    is_authenticated: bool = True


def seconds_of(text: str) -> int:
    """Return an age such as ``30s``, ``10min``, ``2h`` or ``1d`` in seconds.

    Raises:
        FilterError: it is no age.
    """
    match = _AGE.fullmatch(text)
    if match is None:
        raise FilterError(
            _("“%(text)s” is no age: write 30s, 10min, 2h or 1d.")
            % {"text": text[:_SHOWN]}
        )
    return int(match[1]) * UNITS[match[2]]


def _split(
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
                _("There is no filter “%(name)s”.") % {"name": name[:_SHOWN]}
            )
    if values.get("anonymous") in ("0", "false"):
        del values["anonymous"]
    return values, _labels_of(labels, problems)


def _label_of(text: str, problems: list[str]) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name.strip() and equals):
        problems.append(
            _("Write a label as name=value, not “%(text)s”.") % {"text": text[:_SHOWN]}
        )
    return name.strip(), value.strip()


def _labels_of(given: Sequence[tuple[str, str]], problems: list[str]) -> dict[str, str]:
    labels: dict[str, str] = {}
    for name, value in given:
        if labels.setdefault(name, value) != value:
            problems.append(
                _("The label “%(name)s” cannot have two values.")
                % {"name": name[:_SHOWN]}
            )
    return bounded_labels(labels) if len(labels) <= MAX_LABELS else labels


def _verify(name: str, value: str, state: State) -> None:
    """Verify the value of a parameter.

    Raises:
        FilterError: it is wrong.
    """
    shown = {"name": name, "value": value[:_SHOWN]}
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


def as_filter(given: Mapping[str, Any], state: State) -> Filter:
    """Return the filter of some parameters, for tests and links."""
    query = QueryDict(mutable=True)
    query.update(given)
    return Filter.of(query, state)
