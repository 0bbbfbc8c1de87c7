"""Sentences about what limits an answer: one for each limit."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

from django_socket_status.cli.formats import age_in_seconds, counted, duration_text
from django_socket_status.exceptions import NotKeptError, StatusUnavailableError
from django_socket_status.records import Summary

__all__ = [
    "FIX",
    "INCOMPLETE",
    "NO_WORKER",
    "summary_notes",
    "verify_covered",
    "with_fix",
]

#: Follows each reason why the status cannot be read.
FIX = "'manage.py check --tag socket_status' names what is wrong, and the fix."

NO_WORKER = (
    "No process reports: none has served a WebSocket yet, all have ended, or they "
    f"report to another place. {FIX}"
)

INCOMPLETE = (
    "The list is not complete: a worker has not reported all its connections yet."
)

#: An older summary was not read for this answer.
OLD_SECONDS = 2.0


def with_fix(error: Exception) -> str:
    """Return the text of an error, and where to find the fix.

    The text of a :exc:`NotKeptError` already has the fix.
    """
    if isinstance(error, NotKeptError):
        return str(error)
    return f"{str(error).rstrip('.')}. {FIX}"


def verify_covered(summary: Summary) -> None:
    """Verify that a summary is about more than this process, which has no sockets.

    Raises:
        StatusUnavailableError: it is about this process alone, so its zero would
            mislead.
    """
    if summary["coverage"] == "process" and not summary["total_sockets"]:
        raise StatusUnavailableError(
            "The status of the sockets is not known: the backend shows each process "
            "its own WebSockets alone, and this command has none. Set "
            "SOCKET_STATUS['BACKEND'] to the sqlite or the redis backend, or ask a "
            "process that serves WebSockets for its summary over HTTP."
        )


def summary_notes(
    summary: Summary, now: datetime.datetime, *, reporting: int
) -> Iterator[str]:
    """Yield what limits a summary.

    Args:
        summary: The summary.
        now: The current time.
        reporting: How many workers report.
    """
    if summary["stale"]:
        yield _stale(summary, now)
    if not reporting:
        yield NO_WORKER
        return
    if summary["coverage"] == "process":
        yield "The counts are of this process alone."
    if summary["unique_users"] is None:
        yield (
            "Users are not known: the backend keeps counts alone (details=False), or "
            "has no space for more."
        )
    if not summary["endpoints_known"]:
        yield "Endpoints are not known until a worker has reported them."
    if uncounted := summary["uncounted_endpoints"]:
        yield (
            f"{counted(len(uncounted), 'type')} not counted, without the mixin and the "
            f"middleware: {', '.join(sorted(uncounted))}."
        )


def _stale(summary: Summary, now: datetime.datetime) -> str:
    age = age_in_seconds(datetime.datetime.fromisoformat(summary["timestamp"]), now)
    if age > OLD_SECONDS:
        return (
            f"The status cannot be read now. This is the answer of {duration_text(age)}"
            f" ago. {FIX}"
        )
    return (
        "The counts may be too low: a worker has not reported all its connections yet."
    )
