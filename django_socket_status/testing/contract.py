"""What every backend promises, as tests: subclass :class:`BackendContract`."""

from __future__ import annotations

from django_socket_status.testing.leases import LeasesContract
from django_socket_status.testing.lives import LivesContract
from django_socket_status.testing.reports import ReportsContract
from django_socket_status.testing.searches import SearchesContract

__all__ = ["BackendContract"]


class BackendContract(ReportsContract, LeasesContract, SearchesContract, LivesContract):
    """The promises of :class:`~django_socket_status.backends.base.BaseBackend`.

    Subclass it where pytest finds it, and say how a backend is made::

        class TestMyBackend(BackendContract):
            def make_backend(self, clock):
                return MyBackend(clock=clock)

    Called again in the same test, it has to make one that uses the same store, unless
    the backend covers a process only. A fixture of the subclass may prepare what is
    needed; the first call comes after it.

    A backend whose leases run on a clock of its own, as a server's, takes a short
    ``lease_seconds`` and overrides :meth:`pass_time`.
    """
