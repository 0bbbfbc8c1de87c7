"""The application, for tests that cannot wait: live push looks more often."""

from __future__ import annotations

import os
from pathlib import Path

from tests.servers.project.asgi import application

__all__ = ["application", "is_allowed"]

from django_socket_status import hub, live

hub.TICK_SECONDS = 0.01
hub.ACCESS_SECONDS = 0.05
hub.SLOW_SECONDS = live.SLOW_SECONDS = 8.0

dismiss = hub.Listener.dismiss


def dismiss_and_tell(self: hub.Listener, code: int, reason: str) -> None:
    """Dismiss a listener, and leave a file that says with which code."""
    Path(os.environ["TMPDIR"], f"dismissed-{code}").touch()
    dismiss(self, code, reason)


hub.Listener.dismiss = dismiss_and_tell  # type: ignore[method-assign]


def is_allowed(request: object) -> bool:
    """Let everybody in until a test says otherwise, with a file."""
    return not Path(os.environ["TMPDIR"], "nobody").exists()
