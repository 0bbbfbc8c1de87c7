"""What the project adds to each answer, and pages that have to do with event loops."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from asgiref.sync import async_to_sync
from django.http import HttpRequest, HttpResponse
from django.template import RequestContext, Template
from django.utils.deprecation import MiddlewareMixin


class PidMiddleware(MiddlewareMixin):
    """Name the process in a header."""

    def process_response(
        self, request: HttpRequest, response: HttpResponse
    ) -> HttpResponse:
        response["X-Pid"] = str(os.getpid())
        return response


async def page(request: HttpRequest) -> HttpResponse:
    """Render the badge on the event loop."""
    badge = Template("{% load socket_status %}{% socket_status %}")
    return HttpResponse(badge.render(RequestContext(request)))


def hold_loop(request: HttpRequest) -> HttpResponse:
    """Run an event loop on the thread of this request until a test says otherwise."""
    async_to_sync(_until_released)()
    return HttpResponse("released")


async def _until_released() -> None:
    directory = Path(os.environ["TMPDIR"])
    (directory / "holding").touch()
    while not (directory / "released").exists():  # noqa: ASYNC110 - a test makes it
        await asyncio.sleep(0.01)
