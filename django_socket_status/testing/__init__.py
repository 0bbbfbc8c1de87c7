"""Helps to test projects and backends.

:class:`isolated_socket_status` isolates a test. A backend passes
:class:`BackendContract`, which pytest runs. Nothing here needs more packages than the
application.
"""

from __future__ import annotations

from django_socket_status.testing.contract.backend import BackendContract
from django_socket_status.testing.fakes import Clock, FakeWorker
from django_socket_status.testing.isolation import (
    isolated_socket_status,
    reset_socket_status,
)

__all__ = [
    "BackendContract",
    "Clock",
    "FakeWorker",
    "isolated_socket_status",
    "reset_socket_status",
]
