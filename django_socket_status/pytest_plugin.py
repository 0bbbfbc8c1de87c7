"""The pytest plugin: the fixture ``socket_status``.

pytest imports this module in every project that has the package installed. It imports
nothing of Django, and the test kit only when a test asks for the fixture.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from django_socket_status.testing.kit import SocketStatusKit

__all__ = ["pytest_configure", "socket_status", "socket_status_settings"]

MARKER = (
    "socket_status(allow_open=False, **settings): arguments of the test kit of "
    "django-socket-status"
)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", MARKER)


@pytest.fixture
def socket_status_settings() -> Mapping[str, Any]:
    """Return keys of ``SOCKET_STATUS`` for the tests; override it in a conftest."""
    return {}


@pytest.fixture
def socket_status(
    request: pytest.FixtureRequest, socket_status_settings: Mapping[str, Any]
) -> Iterator[SocketStatusKit]:
    """Give the test an empty status, and the means to open sockets and to do harm."""
    from django_socket_status.testing.kit import SocketStatusKit

    given = dict(socket_status_settings)
    for marker in request.node.iter_markers("socket_status"):
        given = {**given, **marker.kwargs}
    with SocketStatusKit(**given) as kit:
        yield kit
