"""What every backend promises, as tests: subclass :class:`BackendContract`."""

from __future__ import annotations

from django_socket_status.testing.contract.commands import CommandsContract
from django_socket_status.testing.contract.endings import EndingsContract
from django_socket_status.testing.contract.endpoints import EndpointsContract
from django_socket_status.testing.contract.exchanges import ExchangesContract
from django_socket_status.testing.contract.folding import FoldingContract
from django_socket_status.testing.contract.history import HistoryContract
from django_socket_status.testing.contract.leases import LeasesContract
from django_socket_status.testing.contract.lifecycle import LifecycleContract
from django_socket_status.testing.contract.pages import PagesContract
from django_socket_status.testing.contract.reports import ReportsContract
from django_socket_status.testing.contract.rewrites import RewritesContract
from django_socket_status.testing.contract.searches import SearchesContract
from django_socket_status.testing.contract.totals import TotalsContract

__all__ = ["BackendContract"]


class BackendContract(
    ReportsContract,
    LeasesContract,
    SearchesContract,
    PagesContract,
    LifecycleContract,
    EndpointsContract,
    ExchangesContract,
    TotalsContract,
    FoldingContract,
    EndingsContract,
    RewritesContract,
    HistoryContract,
    CommandsContract,
):
    """Tests that a backend keeps what ``BaseBackend`` promises.

    Subclass it where pytest finds it, and say how to make a backend::

        class TestMyBackend(BackendContract):
            def make_backend(self, clock):
                return MyBackend(clock=clock)

    A test may call it again. Then it has to make a backend that uses the same store,
    unless the backend covers only one process. The first call comes after the fixtures
    of your subclass.

    If your backend measures leases by another clock, such as a server's, set a short
    ``lease_seconds`` and override :meth:`pass_time`.
    """
