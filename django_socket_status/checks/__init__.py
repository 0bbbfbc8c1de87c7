"""System checks: what is wrong, which rule it breaks, and the fix.

``manage.py check`` judges the settings, the backend and the consumers that are
imported by then. ``manage.py check --deploy`` imports ``ASGI_APPLICATION`` as well,
which nothing else here does. Each id is explained in ``docs/reference/checks.md``.
"""

from __future__ import annotations

from django_socket_status.checks.access import check_access
from django_socket_status.checks.application import check_application
from django_socket_status.checks.backend import check_backend
from django_socket_status.checks.close_on import check_close_on
from django_socket_status.checks.consumers import check_consumers
from django_socket_status.checks.deployment import check_deployment
from django_socket_status.checks.metrics import check_metrics
from django_socket_status.checks.settings import check_settings

__all__ = [
    "CHECKS",
    "DEPLOYMENT_CHECKS",
    "TAG",
    "check_access",
    "check_application",
    "check_backend",
    "check_close_on",
    "check_consumers",
    "check_deployment",
    "check_metrics",
    "check_settings",
]

#: ``manage.py check --tag socket_status``
TAG = "socket_status"

CHECKS = (
    check_settings,
    check_backend,
    check_access,
    check_metrics,
    check_close_on,
    check_application,
    check_consumers,
)
DEPLOYMENT_CHECKS = (check_deployment,)
