"""The application, for tests that cannot wait: live push looks more often."""

from __future__ import annotations

import os
import time
from pathlib import Path

from django.http import HttpRequest

from tests.servers.project.asgi import application

__all__ = ["application", "is_allowed", "is_member"]

from django_socket_status.live import application as live
from django_socket_status.live import hub, listener

hub.TICK_SECONDS = 0.01
hub.ACCESS_SECONDS = 0.05
listener.SLOW_SECONDS = live.SLOW_SECONDS = 8.0

dismiss = listener.Listener.dismiss


def dismiss_and_tell(self: listener.Listener, code: int, reason: str) -> None:
    """Dismiss a listener, and leave a file that says with which code."""
    Path(os.environ["TMPDIR"], f"dismissed-{code}").touch()
    dismiss(self, code, reason)


listener.Listener.dismiss = dismiss_and_tell  # type: ignore[method-assign]


def is_allowed(request: object) -> bool:
    """Let everybody in until a test says otherwise, with a file."""
    return not Path(os.environ["TMPDIR"], "nobody").exists()


def is_member(request: HttpRequest) -> bool:
    """Let in who has the right cookie; to tell that another is wrong takes a while."""
    if request.COOKIES.get("sessionid") == "member":
        return True
    time.sleep(0.2)
    return False
