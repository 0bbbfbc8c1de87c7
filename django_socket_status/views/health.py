"""The health views, for load balancers, supervisors and monitoring. For everyone.

They say nothing about connections or users. ``health/`` adds its numbers for staff.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.cache import patch_vary_headers

from django_socket_status.access import PUBLIC, STAFF, is_allowed, is_allowed_now
from django_socket_status.health.answers import Health
from django_socket_status.health.application import LIVE
from django_socket_status.health.judging import (
    aread_health,
    aread_readiness,
    read_health,
    read_readiness,
)
from django_socket_status.views.guard import json_view

__all__ = ["health", "live", "ready"]


def _live() -> bytes:
    return LIVE


async def _alive() -> bytes:
    return LIVE


@json_view(access=PUBLIC, ask=_live, aask=_alive)
def live(request: HttpRequest, body: bytes) -> HttpResponse:
    """Answer 200 while this process can answer. Reads no backend."""
    response = HttpResponse(body, content_type="application/json")
    response.headers["Cache-Control"] = "private, no-store"
    return response


@json_view(access=PUBLIC, ask=read_readiness, aask=aread_readiness)
def ready(request: HttpRequest, found: Health) -> HttpResponse:
    """Answer 503 while a worker of this host drains, or is slower than allowed."""
    return _answer(found)


def _the_request(request: HttpRequest) -> Mapping[str, Any]:
    return {"request": request}


def _health_for(request: HttpRequest) -> Health:
    found = read_health()
    return found if is_allowed_now(request, STAFF) else _without_details(found)


async def _ahealth_for(request: HttpRequest) -> Health:
    found = await aread_health()
    return found if await is_allowed(request, STAFF) else _without_details(found)


def _without_details(found: Health) -> Health:
    return dataclasses.replace(found, details=None)


@json_view(access=PUBLIC, parse=_the_request, ask=_health_for, aask=_ahealth_for)
def health(request: HttpRequest, found: Health) -> HttpResponse:
    """Answer 503 if the backend cannot be read. Staff get the numbers, too."""
    response = _answer(found)
    patch_vary_headers(response, ["Cookie"])
    return response


def _answer(found: Health) -> HttpResponse:
    response = JsonResponse(found.as_dict(), status=found.http_status.value)
    response.headers["Cache-Control"] = "private, no-store"
    # Otherwise Django logs an error, and mails its admins, for each probe.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response
