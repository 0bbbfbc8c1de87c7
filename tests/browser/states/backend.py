"""The backend of the states: in memory, and it fails or keeps less when it is told."""

from __future__ import annotations

import dataclasses

from django_socket_status.concurrency.clock import monotonic
from django_socket_status.exceptions import BackendError
from django_socket_status.records import (
    ConnectionPage,
    ConnectionQuery,
    Coverage,
    Snapshot,
)
from django_socket_status.testing.backend import KitBackend


class StatesBackend(KitBackend):
    """Keep reports in memory, as a store that covers every host does."""

    coverage: Coverage = "cluster"  # type: ignore[misc]

    def __init__(self, *, details: bool = True) -> None:
        super().__init__(clock=monotonic)  # type: ignore[arg-type]
        self.wants_details = details

    def read(self) -> Snapshot:
        found = super().read()
        if self.wants_details:
            return found
        return dataclasses.replace(found, unique_users=None)

    def get_connections(self, query: ConnectionQuery) -> ConnectionPage:
        if not self.wants_details:
            raise BackendError("Only numbers are kept.")
        return super().get_connections(query)
