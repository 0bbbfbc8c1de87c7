"""What a caller gets for a disconnect."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from django_socket_status.control.texts import Outcome

__all__ = ["DisconnectResult", "WorkerDisconnects", "result_of"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WorkerDisconnects:
    """What became of the connections of one worker that matched."""

    worker_id: str
    """The ``worker_id`` of its process."""
    matched: int
    """How many matched; the sum of the five numbers below."""
    closed: int
    """The server took our close, and the application has since received
    ``websocket.disconnect``, or has ended."""
    sent: int
    """The server took our close, and neither was seen yet."""
    unsent: int
    """The server raised, or has not taken our close yet. With ``dry_run``: all."""
    gone: int
    """The connection ended by itself before the server took our close."""
    unanswered: int
    """The worker was lost, or did not answer."""
    codes: Mapping[int, int]
    """How many closes the server took, by the code that was sent."""

    @property
    def complete(self) -> bool:
        """Return whether each connection that matched has ended."""
        return self.closed + self.gone == self.matched


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DisconnectResult:
    """What became of each connection that matched."""

    command_id: str
    """For :meth:`get_command` and :meth:`stop_command`."""
    matched: int
    """How many matched; the sum of the five numbers below."""
    closed: int
    """The sum of :attr:`WorkerDisconnects.closed`."""
    sent: int
    """The sum of :attr:`WorkerDisconnects.sent`."""
    unsent: int
    """The sum of :attr:`WorkerDisconnects.unsent`."""
    gone: int
    """The sum of :attr:`WorkerDisconnects.gone`."""
    unanswered: int
    """The sum of :attr:`WorkerDisconnects.unanswered`."""
    by_worker: Mapping[str, WorkerDisconnects]
    """The same for each worker with a match, and for each that did not answer."""
    codes: Mapping[int, int]
    """How many closes the servers took, by the code that was sent."""
    unknown_workers: Sequence[str] = ()
    """Workers that did not answer, and whose matches cannot be counted: they are in
    none of the numbers."""
    dry_run: bool = False
    """Whether nothing was to be closed."""

    @property
    def complete(self) -> bool:
        """Return whether each connection that matched has ended.

        False if there is a worker of which that is not known.
        """
        return self.closed + self.gone == self.matched and not self.unknown_workers

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as JSON has them, and ``complete``."""
        body = dataclasses.asdict(self)
        return {**body, "unknown_workers": list(self.unknown_workers)} | {
            "complete": self.complete
        }


def result_of(
    command_id: str,
    outcomes: Mapping[str, Outcome],
    *,
    lost: Mapping[str, int | None],
    dry_run: bool,
) -> DisconnectResult:
    """Return the result of a command.

    Args:
        command_id: Its id.
        outcomes: What workers have answered, by their ids.
        lost: Workers that do not answer any more, each with the number of its matches
            if it never did; ``None`` if that number is not known.
        dry_run: Whether nothing was to be closed.
    """
    by_worker = {
        worker_id: _answered(worker_id, outcome, is_lost=worker_id in lost)
        for worker_id, outcome in outcomes.items()
        if outcome.matched
    }
    for worker_id, matched in lost.items():
        if matched and worker_id not in outcomes:
            by_worker[worker_id] = _silent(worker_id, matched)
    codes: collections.Counter[int] = collections.Counter()
    for it in by_worker.values():
        codes.update(it.codes)
    return DisconnectResult(
        command_id=command_id,
        matched=sum(it.matched for it in by_worker.values()),
        closed=sum(it.closed for it in by_worker.values()),
        sent=sum(it.sent for it in by_worker.values()),
        unsent=sum(it.unsent for it in by_worker.values()),
        gone=sum(it.gone for it in by_worker.values()),
        unanswered=sum(it.unanswered for it in by_worker.values()),
        by_worker=by_worker,
        codes=dict(codes),
        unknown_workers=tuple(
            it for it, matched in lost.items() if matched is None and it not in outcomes
        ),
        dry_run=dry_run,
    )


def _answered(worker_id: str, outcome: Outcome, *, is_lost: bool) -> WorkerDisconnects:
    # It will not send what it had not sent when it was heard last.
    lost = outcome.unsent if is_lost and not outcome.is_final else 0
    return WorkerDisconnects(
        worker_id=worker_id,
        matched=outcome.matched,
        closed=outcome.closed,
        sent=outcome.sent,
        unsent=outcome.unsent - lost,
        gone=outcome.gone,
        unanswered=lost,
        codes=dict(outcome.codes),
    )


def _silent(worker_id: str, matched: int) -> WorkerDisconnects:
    return WorkerDisconnects(
        worker_id=worker_id,
        matched=matched,
        closed=0,
        sent=0,
        unsent=0,
        gone=0,
        unanswered=matched,
        codes={},
    )
