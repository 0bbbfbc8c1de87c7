"""What a health check found, as the views answer it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Literal

from django_socket_status.activity.as_json import as_json
from django_socket_status.records import Coverage

__all__ = ["Health", "HealthDetails", "State", "Status"]

#: What one check found. ``unknown``: the backend cannot be read, so nothing was found.
State = Literal["ok", "warning", "failed", "unknown"]
#: What all checks together found. Only ``failed`` is an HTTP error.
Status = Literal["ok", "warning", "failed"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HealthDetails:
    """The numbers behind the checks, for staff."""

    coverage: Coverage
    """What the answer covers."""
    stale: bool
    """Whether the numbers may be old."""
    workers: int
    """The processes that serve WebSockets, with and without open sockets."""
    late_workers: int
    """How many of them missed a report."""
    draining_workers: int
    """How many of them are closing their connections to end."""
    oldest_report_seconds: float | None
    """The age of the oldest last report; ``None`` without a worker."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The result of each check, by name."""

    checks: Mapping[str, State]
    """What each check found."""
    details: HealthDetails | None = None
    """The numbers; ``None`` if they are not known, or the client is not staff."""

    @property
    def status(self) -> Status:
        """Return ``failed`` if a check failed, ``ok`` if all are ok."""
        found = set(self.checks.values())
        if "failed" in found:
            return "failed"
        return "ok" if found <= {"ok"} else "warning"

    @property
    def http_status(self) -> HTTPStatus:
        """Return 503 if a check failed, else 200."""
        failed = self.status == "failed"
        return HTTPStatus.SERVICE_UNAVAILABLE if failed else HTTPStatus.OK

    def as_dict(self) -> dict[str, Any]:
        """Return the answer as JSON has it; ``details`` only if there are any."""
        body: dict[str, Any] = {"status": self.status, "checks": dict(self.checks)}
        if self.details is not None:
            body["details"] = as_json(self.details)
        return body
