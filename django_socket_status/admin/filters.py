"""The filters of the lists, in the URL of a page.

One set of parameters for open, closed and rejected connections. What a parameter means
is decided here, also what is wrong with it: a page with a wrong filter says so, and
lists nothing, so that a mistake never looks like an answer.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from django.http import QueryDict
from django.utils.translation import gettext as _

from django_socket_status.admin.parameters import (
    LABEL_PREFIX,
    SHOWN,
    STATES_OF,
    FilterError,
    seconds_of,
    split,
    verify,
)
from django_socket_status.cli.subcommands.users import UnknownUserError, user_key
from django_socket_status.endings import Cause
from django_socket_status.limits import MAX_LABELS
from django_socket_status.records import ConnectionQuery
from django_socket_status.status.answers import WorkerRecord
from django_socket_status.status.arguments import query_of
from django_socket_status.status.list_types import State
from django_socket_status.status.search import Search
from django_socket_status.status.search.criteria import instant_ago, worker_ids_of

__all__ = ["LABEL_PREFIX", "STATES_OF", "Filter", "FilterError"]


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
        values, labels = split(query, problems)
        for name, value in values.items():
            try:
                verify(name, value, state)
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
                % {"name": text[:SHOWN]}
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
        get, is_open = self.values.get, self.state == "open"
        release = get("release") if is_open else None
        return worker_ids_of(
            workers, worker=get("worker"), host=get("host"), release=release
        )

    def _at(self, name: str, now: datetime.datetime) -> datetime.datetime | None:
        text = self.values.get(name)
        return None if text is None else instant_ago(seconds_of(text), now)


@dataclasses.dataclass(frozen=True, slots=True)
class _Keyed:
    """A user that is known by the key: any text may be one."""

    pk: str
    is_authenticated: bool = True
