"""Health for load balancers and supervisors: is it alive, ready, and in order."""

from __future__ import annotations

from django_socket_status.health.application import liveness

__all__ = ["liveness"]
