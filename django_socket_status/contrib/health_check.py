"""A check for django-health-check 4, of the extra ``health``.

Give it to the view of that package::

    HealthCheckView.as_view(checks=[(SocketStatus, {"max_late": 0})])
"""

from __future__ import annotations

import dataclasses

from health_check.base import HealthCheck
from health_check.exceptions import ServiceUnavailable, ServiceWarning

from django_socket_status.health.answers import HealthDetails
from django_socket_status.health.judging import aread_health

__all__ = ["SocketStatus"]


@dataclasses.dataclass
class SocketStatus(HealthCheck):
    """Check that the status can be read, and what it says if a limit is given.

    django-health-check answers 500 for warnings, too. So a limit that is not given is
    not judged.
    """

    max_age: float | None = None
    """The largest age of a worker's last report, in seconds."""
    max_late: int | None = None
    """How many workers may be late."""
    min_workers: int = 0
    """How many processes must serve WebSockets. A process is known from its first
    socket on."""

    async def run(self) -> None:
        """Check. Waits less than a second.

        Raises:
            ServiceUnavailable: the status cannot be read, or workers are missing.
            ServiceWarning: a report is too old, or too many workers are late.
        """
        found = (await aread_health()).details
        if found is None:
            raise ServiceUnavailable("The status cannot be read now.")
        if found.workers < self.min_workers:
            raise ServiceUnavailable(
                f"{found.workers} workers serve WebSockets; {self.min_workers} must."
            )
        self._judge_reports(found)

    def _judge_reports(self, found: HealthDetails) -> None:
        age = found.oldest_report_seconds or 0.0
        if self.max_age is not None and age > self.max_age:
            raise ServiceWarning(
                f"The oldest report of a worker is {age:g} seconds old; "
                f"{self.max_age:g} are allowed."
            )
        if self.max_late is not None and found.late_workers > self.max_late:
            raise ServiceWarning(
                f"{found.late_workers} workers are late; {self.max_late} may be."
            )
