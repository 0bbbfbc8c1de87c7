"""The test kit for ``TestCase``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django_socket_status.testing.kit import SocketStatusKit

__all__ = ["SocketStatusTestMixin"]


class SocketStatusTestMixin:
    """Give each test of a ``TestCase`` a :class:`.SocketStatusKit`.

    Put it before Django's class, and write tests with sockets as ``async def``::

        class CallTests(SocketStatusTestMixin, TransactionTestCase): ...
    """

    #: Keys of ``SOCKET_STATUS`` for the tests of the class.
    socket_status_settings: ClassVar[Mapping[str, Any]] = {}
    #: Whether sockets may still be open at the end of a test.
    socket_status_allow_open: ClassVar[bool] = False

    _socket_status: SocketStatusKit | None = None

    def setUp(self) -> None:
        """Begin the status of the test."""
        super().setUp()  # type: ignore[misc]
        kit = SocketStatusKit(
            allow_open=self.socket_status_allow_open, **self.socket_status_settings
        )
        self._socket_status = kit.__enter__()
        self.addCleanup(kit.__exit__, None, None, None)  # type: ignore[attr-defined]

    @property
    def socket_status(self) -> SocketStatusKit:
        """Return the kit of this test.

        Raises:
            RuntimeError: the class has a ``setUp`` that does not call this one.
        """
        if self._socket_status is None:
            raise RuntimeError(
                "There is no socket_status yet: setUp() has to call super().setUp()."
            )
        return self._socket_status
