"""Metrics of this process for OpenTelemetry, with the extra ``otel``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

__all__ = ["observe"]


def observe(meter_provider: MeterProvider | None = None) -> None:
    """Let OpenTelemetry observe the WebSockets of this process. Call it once.

    Nothing is measured until a metric reader collects, and then on its thread. The
    backend is not read, and no socket waits.

    Args:
        meter_provider: Whose meter to use; the global one if it is not given.

    Raises:
        ImproperlyConfigured: the extra ``otel`` is not installed.
    """
    try:
        from django_socket_status.contrib.opentelemetry.instruments import create
    except ModuleNotFoundError as problem:
        if (problem.name or "").partition(".")[0] != "opentelemetry":
            raise
        raise ImproperlyConfigured(
            "OpenTelemetry needs the extra 'otel': pip install "
            "'django-socket-status[otel]'."
        ) from problem
    create(meter_provider)
