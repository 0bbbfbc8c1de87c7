"""The URLs of the JSON views and of the metrics.

Include them: ``path("socket-status/", include("django_socket_status.urls"))``.
"""

from __future__ import annotations

from django.urls import path

from django_socket_status.contrib.prometheus.views import metrics, worker_metrics
from django_socket_status.views.activity import closed, history, rejected, totals
from django_socket_status.views.api import connections, summary, workers
from django_socket_status.views.health import health, live, ready
from django_socket_status.views.schema import asyncapi, openapi

__all__ = ["urlpatterns"]

app_name = "socket_status"

urlpatterns = [
    path("", summary, name="summary"),
    path("connections/", connections, name="connections"),
    path("workers/", workers, name="workers"),
    path("closed/", closed, name="closed"),
    path("rejected/", rejected, name="rejected"),
    path("totals/", totals, name="totals"),
    path("history/", history, name="history"),
    path("health/", health, name="health"),
    path("health/live/", live, name="live"),
    path("health/ready/", ready, name="ready"),
    path("metrics/", metrics, name="metrics"),
    path("metrics/worker/", worker_metrics, name="worker_metrics"),
    path("schema/openapi.json", openapi, name="openapi"),
    path("schema/asyncapi.json", asyncapi, name="asyncapi"),
]
