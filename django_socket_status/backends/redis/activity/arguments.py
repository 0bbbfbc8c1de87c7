"""The activity of a report as the report script takes it, and its answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from django_socket_status.activity.limits import (
    MARK_SECONDS,
    SAMPLE_SECONDS,
    ended_limit,
)
from django_socket_status.activity.stored import Activity, Ended, Entries, ReportAnswer
from django_socket_status.backends.redis.activity.commands import read_command
from django_socket_status.backends.redis.activity.place import IDLE_MS, frame
from django_socket_status.backends.redis.keys import Keys
from django_socket_status.exceptions import BackendError
from django_socket_status.records import Report

__all__ = ["ActivityArguments", "activity_keys", "activity_words", "read_answer"]

NOT_TAKEN = ReportAnswer(is_taken=False)
TAKEN = ReportAnswer(is_taken=True)


class ActivityArguments(NamedTuple):
    """The first arguments of the activity, in the order of ``lua/activity.lua``."""

    #: Milliseconds that a key of the deployment is kept.
    idle: int
    #: Worker and number of the count, ``""`` without counters.
    count_key: str
    #: 1 for a new count, else 0.
    is_new: int
    #: The counters, framed.
    counters: bytes
    #: ``""`` if the worker does not say how it does.
    condition: str
    commands_after: int
    #: Milliseconds between two samples; ``""`` if the worker cannot take one.
    sample_ms: int | str
    #: Milliseconds that a folded count is remembered.
    mark_ms: int
    #: 1 if the process ends, else 0.
    stops: int


def activity_keys(keys: Keys) -> Sequence[str]:
    """Return the keys of the report script for the activity."""
    return (keys.totals, keys.told, keys.commands)


def activity_words(
    report: Report, activity: Activity, keys: Keys, *, details: bool
) -> Sequence[Any]:
    """Return what the report script reads after the sections of a report.

    Args:
        report: The report.
        activity: Its activity.
        keys: The names of the keys.
        details: Whether ended connections are kept.
    """
    totals = activity.totals
    count_key = f"{report.worker.worker_id}:{totals.count_number}" if totals else ""
    arguments = ActivityArguments(
        idle=IDLE_MS,
        count_key=count_key,
        is_new=int(totals.is_new) if totals else 0,
        counters=frame(report.sequence, totals.text) if totals else b"",
        condition=activity.condition or "",
        commands_after=activity.commands_after,
        sample_ms=round(SAMPLE_SECONDS * 1000) if activity.can_sample else "",
        mark_ms=round(MARK_SECONDS * 1000),
        stops=int(activity.stops),
    )
    ended: list[Any] = []
    if details and activity.closed is not None:
        ended += ended_words(keys, "closed", activity.closed)
    if details and activity.rejected is not None:
        ended += ended_words(keys, "rejected", activity.rejected)
    results: list[str] = []
    for command_id, text in activity.results.items():
        results += (keys.results(command_id), text)
    return (*arguments, len(ended), *ended, len(results), *results)


def ended_words(keys: Keys, ended: Ended, entries: Entries) -> Sequence[Any]:
    """Return the words for a list of ended connections; none if it is disabled."""
    limit = ended_limit(ended)
    if not limit.number:
        return ()
    return (
        keys.ended(ended),
        entries.number,
        entries.left_out,
        entries.text,
        limit.number,
        round(limit.seconds * 1000),
        limit.size,
    )


def read_answer(reply: int | Sequence[Any]) -> ReportAnswer:
    """Return the answer of the report script."""
    if isinstance(reply, int):
        return TAKEN if reply else NOT_TAKEN
    now, folded, is_forgotten, samples, commands = reply
    found = []
    for member, number in zip(commands[::2], commands[1::2], strict=True):
        try:
            state = read_command(member, number)
        except BackendError:
            # The report was taken. No worker gets a damaged command.
            continue
        # Both are whole milliseconds, so it may be older by one. What opened in between
        # did not open before the command.
        age_seconds = max(0.0, now / 1000 - state.given_at) + 0.001
        found.append(state.command._replace(age_seconds=age_seconds))
    return ReportAnswer(
        is_taken=True,
        folded=None if folded < 0 else folded,
        is_forgotten=bool(is_forgotten),
        commands=tuple(found),
        samples=bool(samples),
    )
