"""What a caller gets for a drain."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from django_socket_status.control.texts import Outcome

__all__ = ["DrainResult", "WorkerDrain", "drain_result_of"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WorkerDrain:
    """How far one worker has come."""

    worker_id: str
    """The ``worker_id`` of its process."""
    matched: int
    """How many connections were open, or have opened since; the sum of the six numbers
    below."""
    waiting: int
    """How many wait for their moment."""
    closed: int
    """The server took our close, and the application has since received
    ``websocket.disconnect``, or has ended."""
    sent: int
    """The server took our close, and neither was seen yet."""
    unsent: int
    """The server raised, or has not taken our close; or the drain was stopped before
    the moment of the connection."""
    gone: int
    """The connection ended by itself before the server took our close."""
    unanswered: int
    """The worker was lost, or did not answer."""
    remaining: int
    """How many connections it holds now."""
    codes: Mapping[int, int]
    """How many closes the server took, by the code that was sent."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DrainResult:
    """How far the workers have come that were asked to drain."""

    command_id: str
    """For :meth:`get_drain` and :meth:`stop_command`."""
    matched: int
    """The sum of :attr:`WorkerDrain.matched`."""
    waiting: int
    """The sum of :attr:`WorkerDrain.waiting`."""
    closed: int
    """The sum of :attr:`WorkerDrain.closed`."""
    sent: int
    """The sum of :attr:`WorkerDrain.sent`."""
    unsent: int
    """The sum of :attr:`WorkerDrain.unsent`."""
    gone: int
    """The sum of :attr:`WorkerDrain.gone`."""
    unanswered: int
    """The sum of :attr:`WorkerDrain.unanswered`."""
    remaining: int
    """How many connections those workers hold now."""
    by_worker: Mapping[str, WorkerDrain]
    """The same for each worker that was meant."""
    codes: Mapping[int, int]
    """How many closes the servers took, by the code that was sent."""
    silent_workers: Sequence[str] = ()
    """Workers that report and have not answered: of an earlier version, or busy."""

    @property
    def complete(self) -> bool:
        """Return whether no connection is left on those workers."""
        return not self.remaining

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as JSON has them, and ``complete``."""
        body = dataclasses.asdict(self)
        return {**body, "silent_workers": list(self.silent_workers)} | {
            "complete": self.complete
        }


def drain_result_of(
    command_id: str,
    outcomes: Mapping[str, Outcome],
    *,
    silent: Mapping[str, int],
    held: Mapping[str, int],
) -> DrainResult:
    """Return the result of a drain.

    Args:
        command_id: The id of the command.
        outcomes: What the workers have answered that drain, by their ids.
        silent: How many connections each worker held that has not answered.
        held: How many connections each worker holds that reports now.
    """
    by_worker = {
        worker_id: _answered(worker_id, outcome, held.get(worker_id))
        for worker_id, outcome in outcomes.items()
    }
    for worker_id, matched in silent.items():
        by_worker[worker_id] = _silent(worker_id, matched, held.get(worker_id, 0))
    codes: collections.Counter[int] = collections.Counter()
    for it in by_worker.values():
        codes.update(it.codes)
    sums = {
        name: sum(getattr(it, name) for it in by_worker.values()) for name in _NUMBERS
    }
    return DrainResult(
        command_id=command_id,
        by_worker=by_worker,
        codes=dict(codes),
        silent_workers=tuple(it for it in silent if it in held),
        **sums,
    )


_NUMBERS = (
    "matched",
    "waiting",
    "closed",
    "sent",
    "unsent",
    "gone",
    "unanswered",
    "remaining",
)


def _answered(worker_id: str, outcome: Outcome, held: int | None) -> WorkerDrain:
    waiting = outcome.waiting or 0
    # A worker that reports no more will not send what it had not sent.
    is_lost = held is None and not outcome.is_final
    lost = waiting + outcome.unsent if is_lost else 0
    return WorkerDrain(
        worker_id=worker_id,
        matched=outcome.matched,
        waiting=0 if is_lost else waiting,
        closed=outcome.closed,
        sent=outcome.sent,
        unsent=0 if is_lost else outcome.unsent,
        gone=outcome.gone,
        unanswered=lost,
        remaining=held or 0,
        codes=dict(outcome.codes),
    )


def _silent(worker_id: str, matched: int, held: int) -> WorkerDrain:
    return WorkerDrain(
        worker_id=worker_id,
        matched=matched,
        waiting=0,
        closed=0,
        sent=0,
        unsent=0,
        gone=0,
        unanswered=matched,
        remaining=held,
        codes={},
    )
