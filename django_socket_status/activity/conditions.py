"""How a worker does: its release, its event loops, and the thread of sync consumers."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

from django_socket_status.activity.bodies import ConditionBody
from django_socket_status.exceptions import BackendError
from django_socket_status.validation import (
    damaged,
    valid_count,
    valid_seconds,
    valid_text,
)

__all__ = ["Condition"]

#: The most event loops of one worker.
MAX_LOOPS = 16


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """How one worker does, as of its last report. Seconds are rounded to 0.01."""

    release: str
    """What the setting ``RELEASE`` or the environment calls the code; may be empty."""
    versions: Mapping[str, str]
    """The versions of ``python``, ``django``, ``channels`` and this package
    (``django_socket_status``)."""
    loop_lag_seconds: Sequence[float]
    """How long each event loop with sockets let a callback wait."""
    sync_thread_wait_seconds: float | None
    """How long a caller waits for the one thread that ``sync_to_async`` shares.
    ``None`` while there is no such thread, or it cannot be observed."""
    sync_thread_queue: int | None
    """How many calls wait for that thread; ``None`` as above."""
    sync_thread_runs: str | None = None
    """The function that this thread runs while the wait is at least ``SLOW_SECONDS``,
    without its arguments. ``None`` otherwise, and if it cannot be named."""
    loop_runs: str | None = None
    """The function that the slowest event loop ran when its lag reached
    ``SLOW_SECONDS``; ``None`` as above."""
    is_draining: bool = False
    """Whether it is about to close its connections, because it was asked to drain."""

    @property
    def max_loop_lag_seconds(self) -> float | None:
        """Return the lag of the slowest event loop, ``None`` without one."""
        return max(self.loop_lag_seconds, default=None)

    def as_dict(self) -> ConditionBody:
        """Return the measurements as JSON has them; a worker's JSON has the rest."""
        return {
            "release": self.release,
            "versions": dict(self.versions),
            "loop_lag_seconds": list(self.loop_lag_seconds),
            "sync_thread_wait_seconds": self.sync_thread_wait_seconds,
            "sync_thread_queue": self.sync_thread_queue,
            "sync_thread_runs": self.sync_thread_runs,
            "loop_runs": self.loop_runs,
        }

    def to_text(self) -> str:
        """Return the condition as JSON, ASCII."""
        body: dict[str, Any] = {**self.as_dict()}
        if self.is_draining:
            body["is_draining"] = True
        return json.dumps(body, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> Condition:
        """Return the condition of a text; what a newer version added is ignored.

        Raises:
            BackendError: the text is damaged.
        """
        try:
            body = json.loads(text)
            wait, waiting = body["sync_thread_wait_seconds"], body["sync_thread_queue"]
            # An older version has none of these, nor ``is_draining``.
            runs, loop_runs = body.get("sync_thread_runs"), body.get("loop_runs")
            return cls(
                release=valid_text(body["release"]),
                versions={
                    valid_text(name): valid_text(version)
                    for name, version in body["versions"].items()
                },
                loop_lag_seconds=[
                    valid_seconds(lag) for lag in body["loop_lag_seconds"][:MAX_LOOPS]
                ],
                sync_thread_wait_seconds=None if wait is None else valid_seconds(wait),
                sync_thread_queue=None if waiting is None else valid_count(waiting),
                sync_thread_runs=None if runs is None else valid_text(runs),
                loop_runs=None if loop_runs is None else valid_text(loop_runs),
                is_draining=body.get("is_draining") is True,
            )
        except (
            BackendError,
            ValueError,
            TypeError,
            KeyError,
            AttributeError,
            RecursionError,
        ):
            raise damaged("the condition of a worker") from None
