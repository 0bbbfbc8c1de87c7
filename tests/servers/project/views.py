"""What the project adds to each answer: which process gave it."""

from __future__ import annotations

import os

from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin


class PidMiddleware(MiddlewareMixin):
    """Name the process in a header."""

    def process_response(
        self, request: HttpRequest, response: HttpResponse
    ) -> HttpResponse:
        response["X-Pid"] = str(os.getpid())
        return response
