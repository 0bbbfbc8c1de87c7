"""What the result page of an action shows: what became of each connection so far."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from django_socket_status.control.results import DisconnectResult
from django_socket_status.services import SocketStatusService

__all__ = [
    "FOLLOW_SECONDS",
    "Number",
    "Progress",
    "State",
    "WorkerRow",
    "read_progress",
]

#: ``running``: numbers may change. ``done``: every connection has ended. ``stopped``:
#: a user stopped the action. ``over``: some connections have not ended, and workers no
#: longer follow them. ``forgotten``: the backend has removed the numbers.
State = Literal["running", "done", "stopped", "over", "forgotten"]

#: For how long numbers change: workers follow the ends for a minute, and report.
FOLLOW_SECONDS = 75.0
#: For how long the numbers of a stopped action change: until the workers have reported.
STOP_SECONDS = 10.0

Name = Literal["closed", "sent", "unsent", "gone", "unanswered"]
MEANINGS: Mapping[Name, Promise | str] = {
    "closed": _("The server took the close, and the application has ended."),
    "sent": _("The server took the close. The application is still in a handler."),
    "unsent": _(
        "The server has not taken the close: it was not sent yet, the client does not "
        "read, or the event loop is stuck."
    ),
    "gone": _("The connection had ended before."),
    "unanswered": _("The worker was lost, or does not answer."),
}
LABELS: Mapping[Name, Promise | str] = {
    "closed": _("Closed"),
    "sent": _("Sent"),
    "unsent": _("Unsent"),
    "gone": _("Gone"),
    "unanswered": _("Unanswered"),
}


class Number(NamedTuple):
    """One of the numbers, with what it means."""

    name: Name
    label: Promise | str
    connections: int
    meaning: Promise | str


class WorkerRow(NamedTuple):
    """The numbers of one worker."""

    worker_id: str
    name: str
    """Its host and process id; its id if it has ended."""
    matched: int
    counts: Sequence[int]
    """In the order of :attr:`Progress.numbers`."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Progress:
    """What has become of the connections of one action by now."""

    results: Sequence[DisconnectResult]
    """Those of its commands that are still kept."""
    forgotten: int = 0
    """How many of its commands are not kept any more."""
    age_seconds: float | None = None
    """How long ago it began; ``None`` if that is not known."""
    stopped_seconds: float | None = None
    """How long ago it was stopped; ``None`` if it was not."""
    names: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """The names of the live workers by their ids."""

    @property
    def state(self) -> State:
        """Return how far the action has come; see :data:`State`."""
        if not self.results:
            return "forgotten"
        if self.is_complete:
            return "done"
        if self.stopped_seconds is not None:
            return "stopped"
        age = self.age_seconds
        return "running" if age is None or age < FOLLOW_SECONDS else "over"

    @property
    def is_complete(self) -> bool:
        """Return whether every connection that matched has ended."""
        return not self.forgotten and all(it.complete for it in self.results)

    @property
    def is_live(self) -> bool:
        """Return whether the numbers may still change, so that a page asks again."""
        if self.state == "stopped":
            return (self.stopped_seconds or 0.0) < STOP_SECONDS
        return self.state == "running"

    @property
    def can_stop(self) -> bool:
        """Return whether a stop may still prevent closes."""
        return self.state == "running"

    @property
    def matched(self) -> int:
        """Return how many connections matched."""
        return sum(it.matched for it in self.results)

    @property
    def ended(self) -> int:
        """Return how many of them have ended."""
        return sum(it.closed + it.gone for it in self.results)

    @property
    def numbers(self) -> Sequence[Number]:
        """Return the numbers, which sum to :attr:`matched`."""
        return [
            Number(name, LABELS[name], _sum(self.results, name), MEANINGS[name])
            for name in MEANINGS
        ]

    @property
    def codes(self) -> Sequence[tuple[int, int]]:
        """Return the codes that were sent, each with how often."""
        found: dict[int, int] = {}
        for result in self.results:
            for code, count in result.codes.items():
                found[code] = found.get(code, 0) + count
        return sorted(found.items())

    @property
    def unknown_workers(self) -> Sequence[str]:
        """Return the names of workers that have not answered; not in the numbers."""
        ids = dict.fromkeys(
            worker_id for it in self.results for worker_id in it.unknown_workers
        )
        return sorted(self.names.get(it, it) for it in ids)

    @property
    def workers(self) -> Sequence[WorkerRow]:
        """Return the numbers of each worker with a match, by name."""
        ids = dict.fromkeys(it for result in self.results for it in result.by_worker)
        return sorted(map(self._row, ids), key=lambda row: (row.name, row.worker_id))

    def _row(self, worker_id: str) -> WorkerRow:
        parts = [
            it.by_worker[worker_id] for it in self.results if worker_id in it.by_worker
        ]
        return WorkerRow(
            worker_id,
            self.names.get(worker_id, worker_id),
            sum(it.matched for it in parts),
            [sum(getattr(it, name) for it in parts) for name in MEANINGS],
        )


def read_progress(
    ids: Sequence[str],
    *,
    began_at: datetime.datetime | None,
    stopped_at: datetime.datetime | None,
    now: datetime.datetime,
    read: Callable[[str], DisconnectResult | None] = SocketStatusService.get_command,
) -> Progress:
    """Return the progress of an action.

    Args:
        ids: The ids of its commands.
        began_at: When it began, if that is known.
        stopped_at: When it was stopped, if it was.
        now: The instant of the question.
        read: Returns the result of a command.

    Raises:
        StatusUnavailableError: the backend fails or does not answer in time.
        NotKeptError: the backend keeps no commands.
    """
    found = [read(it) for it in ids]
    results = [it for it in found if it is not None]
    return Progress(
        results=results,
        forgotten=len(found) - len(results),
        age_seconds=None if began_at is None else (now - began_at).total_seconds(),
        stopped_seconds=(
            None if stopped_at is None else (now - stopped_at).total_seconds()
        ),
        names=_names(),
    )


def _names() -> Mapping[str, str]:
    workers = SocketStatusService.get_workers()
    return {it.worker_id: f"{it.host}:{it.pid}" for it in workers}


def _sum(results: Sequence[DisconnectResult], name: Name) -> int:
    return sum(getattr(it, name) for it in results)
