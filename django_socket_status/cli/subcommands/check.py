"""``check``: compare the status with limits, as monitoring plugins do.

The states, exit codes and performance data are those of the Monitoring Plugins
Development Guidelines.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.core.checks import ERROR

from django_socket_status.checks.settings import check_settings
from django_socket_status.cli.columns import UsageError
from django_socket_status.cli.formats import (
    counted,
    duration_text,
    plain_number,
)
from django_socket_status.cli.notes import verify_covered, with_fix
from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.records import Summary
from django_socket_status.services import SocketStatusService
from django_socket_status.status.answers import WorkerRecord

__all__ = ["Limit", "State", "Verdict", "judge", "read"]

NAME = "SOCKETS"


class State(enum.IntEnum):
    """A state of a monitoring plugin: its value is the exit code."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


#: The last state that occurs counts: a certain problem comes before an unknown one.
ORDER = (State.OK, State.WARNING, State.UNKNOWN, State.CRITICAL)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The limits of one value."""

    option: str
    """The option that sets them."""
    is_least: bool
    """Whether the value must be at least, and not at most, the limit."""
    warning: float | None = None
    critical: float | None = None

    @classmethod
    def of(cls, options: Mapping[str, Any], name: str, *, is_least: bool) -> Limit:
        """Return the limits that an option sets.

        Raises:
            UsageError: the limit of the warning could never be the first one.
        """
        option = "--" + name.replace("_", "-")
        warning, critical = options.get(name) or (None, None)
        limit = cls(
            option=option, is_least=is_least, warning=warning, critical=critical
        )
        if warning is not None and limit.breaks(warning, critical):
            raise UsageError(
                f"{option}: WARNING must come before CRITICAL, as in "
                f"{option} {'10,5' if is_least else '5,10'}."
            )
        return limit

    def breaks(self, value: float, limit: float | None) -> bool:
        """Return whether a value is beyond one of the limits."""
        if limit is None:
            return False
        return value < limit if self.is_least else value > limit

    def state(self, value: float) -> State:
        """Return the state of a value."""
        if self.breaks(value, self.critical):
            return State.CRITICAL
        return State.WARNING if self.breaks(value, self.warning) else State.OK

    def reached(self, state: State) -> str:
        """Return the limit that a value is beyond."""
        limit = self.critical if state is State.CRITICAL else self.warning
        return self.range_text(limit).rstrip(":")

    def range_text(self, limit: float | None) -> str:
        """Return a limit as a range of the guidelines: an alert is outside of it."""
        if limit is None:
            return ""
        text = plain_number(limit)
        return f"{text}:" if self.is_least else text

    def datum(self, label: str, value: float, unit: str = "") -> str:
        """Return the performance data of a value."""
        warning = self.range_text(self.warning)
        critical = self.range_text(self.critical)
        return f"{label}={plain_number(value)}{unit};{warning};{critical};0"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a check found."""

    state: State
    problems: Sequence[str]
    """One sentence for each limit that is broken, and for what is not known."""
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """The numbers that were compared; empty if they could not be read."""
    shown: str = ""
    """The numbers, for people."""
    data: Sequence[str] = ()
    """The performance data."""

    @classmethod
    def unknown(cls, problem: str) -> Verdict:
        """Return the verdict if nothing could be read."""
        return cls(state=State.UNKNOWN, problems=[problem])

    @property
    def body(self) -> dict[str, Any]:
        """Return the verdict as JSON has it."""
        return {
            "state": self.state.name.lower(),
            "exit_code": int(self.state),
            "problems": list(self.problems),
            **self.facts,
        }

    @property
    def line(self) -> str:
        """Return the verdict as a monitoring plugin prints it, in one line."""
        texts = [*self.problems, self.shown] if self.shown else self.problems
        # The bar separates the performance data.
        text = "; ".join(texts).replace("|", "/")
        line = f"{NAME} {self.state.name} - {text}"
        return f"{line} | {' '.join(self.data)}" if self.data else line


def read(options: Mapping[str, Any]) -> Verdict:
    """Read the status and compare it with the limits of the options.

    Raises:
        UsageError: an option has an impossible value.
    """
    limits = [
        Limit.of(options, "min", is_least=True),
        Limit.of(options, "max_age", is_least=False),
        Limit.of(options, "max_late", is_least=False),
    ]
    if broken := _broken_settings():
        return Verdict.unknown(broken)
    try:
        summary = SocketStatusService.get_socket_info_summary()
        verify_covered(summary)
        workers = SocketStatusService.get_workers()
    except StatusUnavailableError as error:
        return Verdict.unknown(with_fix(error))
    return judge(summary, workers, *limits)


def _broken_settings() -> str | None:
    """Return what is wrong with ``SOCKET_STATUS``; its defaults must not be judged."""
    for message in check_settings():
        if message.level >= ERROR and not message.is_silenced():
            return f"{message.msg} ({message.id})"
    return None


def judge(
    summary: Summary,
    workers: Sequence[WorkerRecord],
    least: Limit,
    age: Limit,
    late: Limit,
) -> Verdict:
    """Compare a status with limits. O(workers).

    Args:
        summary: The summary.
        workers: The workers that report.
        least: How many WebSockets must be open.
        age: How old, in seconds, the oldest report may be.
        late: How many workers may have missed a report.
    """
    total = summary["total_sockets"]
    late_workers = sum(it.is_late for it in workers)
    oldest = max((it.age_seconds for it in workers), default=None)
    found = [
        *_open(summary, least),
        *_age(oldest, age),
        *_late(late_workers, late),
    ]
    data = [least.datum("sockets", total), f"workers={len(workers)};;;0"]
    data.append(late.datum("late", late_workers))
    if oldest is not None:
        data.append(age.datum("age", oldest, "s"))
    shown = [counted(total, "open WebSocket"), counted(len(workers), "worker")]
    if oldest is not None:
        shown.append(f"oldest report {duration_text(oldest)} ago")
    return Verdict(
        state=max((state for state, _ in found), key=ORDER.index, default=State.OK),
        problems=[problem for _, problem in found],
        facts={
            "total_sockets": total,
            "workers": len(workers),
            "late_workers": late_workers,
            "oldest_report_seconds": oldest,
            "coverage": summary["coverage"],
            "stale": summary["stale"],
            "timestamp": summary["timestamp"],
        },
        shown=", ".join(shown),
        data=data,
    )


def _open(summary: Summary, limit: Limit) -> Iterator[tuple[State, str]]:
    total, stale = summary["total_sockets"], summary["stale"]
    state = limit.state(total)
    if state is State.OK:
        if stale:
            yield State.WARNING, "the counts may be too low: a worker still reports"
    elif stale:
        yield (
            State.UNKNOWN,
            f"{total} open so far is below {limit.option}, and a worker still reports",
        )
    else:
        reached = limit.reached(state)
        yield state, f"{total} open is below {reached}"


def _age(oldest: float | None, limit: Limit) -> Iterator[tuple[State, str]]:
    if oldest is None:
        if limit.critical is not None:
            yield State.UNKNOWN, "no worker reports, so the age of reports is not known"
    elif (state := limit.state(oldest)) is not State.OK:
        reached = limit.reached(state)
        yield state, f"the oldest report is {oldest:.1f} s old, above {reached} s"


def _late(number: int, limit: Limit) -> Iterator[tuple[State, str]]:
    if (state := limit.state(number)) is not State.OK:
        reached = limit.reached(state)
        yield state, f"{counted(number, 'worker')} late, above {reached}"
