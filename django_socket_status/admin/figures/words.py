"""What causes, close codes and other values are called on the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_socket_status.activity.totals import OTHER

__all__ = ["ABNORMAL", "cause_text", "code_text", "coverage_text", "status_text"]

#: Neither side closed the connection on purpose.
ABNORMAL = frozenset(
    {"client_lost", "worker_lost", "app_error", "cancelled", "send_failed"}
)

CAUSES: Mapping[str, Any] = {
    "client_closed": _("The client closed it"),
    "client_lost": _("The client was lost"),
    "server_closed": _("The application closed it"),
    "disconnected": _("Disconnected by an operator"),
    "drained": _("The worker was drained"),
    "signed_out": _("The user signed out"),
    "worker_stopped": _("The worker stopped"),
    "worker_lost": _("The worker was lost"),
    "app_error": _("The application raised an error"),
    "app_returned": _("The application returned"),
    "cancelled": _("The application was cancelled"),
    "send_failed": _("Sending failed"),
    OTHER: _("Other"),
}

#: RFC 6455, section 7.4.1, and the IANA registry "WebSocket Close Code Number".
CODES: Mapping[str, Any] = {
    "1000": _("Normal closure"),
    "1001": _("Going away"),
    "1002": _("Protocol error"),
    "1003": _("Unsupported data"),
    "1005": _("No status received"),
    "1006": _("Abnormal closure"),
    "1007": _("Invalid frame payload data"),
    "1008": _("Policy violation"),
    "1009": _("Message too big"),
    "1010": _("Mandatory extension"),
    "1011": _("Internal error"),
    "1012": _("Service restart"),
    "1013": _("Try again later"),
    "1014": _("Bad gateway"),
    "1015": _("TLS handshake"),
    "3000": _("Unauthorized"),
    "3003": _("Forbidden"),
    "3008": _("Timeout"),
    OTHER: _("Other"),
}

STATUSES: Mapping[str, Any] = {
    "gone": _("The client left before an answer"),
    "error": _("The application raised an error"),
    OTHER: _("Other"),
}

COVERAGES: Mapping[str, Any] = {
    "process": _("this process alone"),
    "host": _("every process of this host"),
    "cluster": _("every process of every host"),
}


def cause_text(cause: str) -> str:
    """Return what a cause is called; an unknown one, of a newer release, by its key."""
    return str(CAUSES.get(cause, cause))


def code_text(code: str) -> str:
    """Return the name of a close code; empty if it has none."""
    if code in CODES:
        return str(CODES[code])
    if len(code) == 4 and code.startswith("4"):
        return gettext("Private use, by the application")
    if len(code) == 4 and code.startswith("3"):
        return gettext("Registered for a library")
    return ""


def status_text(status: str) -> str:
    """Return how a handshake was rejected: an HTTP status, or in words."""
    if status in STATUSES:
        return str(STATUSES[status])
    return gettext("HTTP %(status)s") % {"status": status}


def coverage_text(coverage: str) -> str:
    """Return what an answer covers, to follow "Covers"."""
    return str(COVERAGES.get(coverage, coverage))
