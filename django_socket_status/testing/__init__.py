"""Helps to test projects and backends.

:class:`isolated_socket_status` isolates a test. :class:`SocketStatusKit` also opens
sockets and orders faults; the pytest fixture ``socket_status`` and
:class:`SocketStatusTestMixin` give it to a test. A backend passes
:class:`BackendContract`, which pytest runs. Only sockets need more packages than the
application: Channels' communicator imports Daphne.
"""

from __future__ import annotations

from django_socket_status.testing.cases import SocketStatusTestMixin
from django_socket_status.testing.contract.backend import BackendContract
from django_socket_status.testing.fakes import Clock, FakeWorker
from django_socket_status.testing.isolation import (
    isolated_socket_status,
    reset_socket_status,
)
from django_socket_status.testing.kit import AskedDisconnect, SocketStatusKit

__all__ = [
    "AskedDisconnect",
    "BackendContract",
    "Clock",
    "FakeWorker",
    "SocketStatusKit",
    "SocketStatusTestMixin",
    "isolated_socket_status",
    "reset_socket_status",
]
