"""Pages on which users sign in and out, and lose their access.

A page waits, in its transaction, for the file ``released`` if its query says ``hold``.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from django.contrib.auth import (
    get_user_model,
    login,
    logout,
    update_session_auth_hash,
)
from django.http import HttpRequest, HttpResponse
from django.urls import path

from django_socket_status.services import keep_session


def sign_in(request: HttpRequest) -> HttpResponse:
    """Sign in the user that the query names."""
    login(request, get_user_model().objects.get(username=request.GET["user"]))
    return HttpResponse("signed in")


def sign_out(request: HttpRequest) -> HttpResponse:
    """Sign out."""
    logout(request)
    if "hold" in request.GET:
        directory = Path(os.environ["TMPDIR"])
        (directory / "holding").touch()
        while not (directory / "released").exists():
            time.sleep(0.01)
    return HttpResponse("signed out")


def change_password(request: HttpRequest) -> HttpResponse:
    """Give the user another password, and keep this session."""
    user: Any = request.user
    keep_session(request)
    user.set_password("another")
    user.save()
    update_session_auth_hash(request, user)
    return HttpResponse("changed")


def deactivate(request: HttpRequest) -> HttpResponse:
    """Deactivate the user."""
    user: Any = request.user
    user.is_active = False
    user.save()
    return HttpResponse("deactivated")


urlpatterns = [
    path("sign-in/", sign_in),
    path("sign-out/", sign_out),
    path("change-password/", change_password),
    path("deactivate/", deactivate),
]
