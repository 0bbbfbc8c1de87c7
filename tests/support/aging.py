"""A clock that a test moves, and with it the keys of a real Redis."""

from __future__ import annotations

from django_socket_status.testing import Clock
from tests.support.redis_servers.server import RedisServer
from tests.support.redis_tools import keys_of

__all__ = ["AgingClock"]


class AgingClock(Clock):
    """A clock whose time passes for the keys of a deployment, too.

    Args:
        server: The server that holds the keys.
        prefix: The prefix of the deployment.
    """

    def __init__(self, server: RedisServer, prefix: str) -> None:
        super().__init__()
        self._server = server
        self._prefix = prefix

    def advance(self, seconds: float) -> None:
        """Let time pass, and let keys expire that end within it."""
        super().advance(seconds)
        for key in keys_of(self._server, self._prefix):
            remains = self._server.admin.pttl(key)
            if remains >= 0:
                self._server.admin.pexpire(key, round(remains - seconds * 1000))
