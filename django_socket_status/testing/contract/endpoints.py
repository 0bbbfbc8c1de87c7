"""The contract of endpoints: which text a backend keeps.

A backend may keep none. Then these tests assert that it returns ``None``.
"""

# A test asserts, and its name is its docstring.
# ruff: noqa: D102, S101

from __future__ import annotations

from django_socket_status.backends.base import BaseBackend
from django_socket_status.testing.contract.harness import Harness

__all__ = ["EndpointsContract"]

OLD, NEW = '{"urls":{"call":"/ws/call/"}}', '{"urls":{"call":"/ws/<room>/"}}'


class EndpointsContract(Harness):
    """A worker reports which URLs serve WebSockets."""

    @property
    def keeps_endpoints(self) -> bool:
        """Return whether the backend keeps endpoints."""
        report = type(self.backend).report_endpoints
        return report is not BaseBackend.report_endpoints

    def assert_endpoints(self, expected: str) -> None:
        """Assert which text is kept, if the backend keeps endpoints."""
        kept = self.backend.read_endpoints()
        assert kept == (expected if self.keeps_endpoints else None)

    def test_endpoints_are_not_known_before_a_report(self) -> None:
        assert self.backend.read_endpoints() is None
        self.start(self.worker())
        assert self.backend.read_endpoints() is None

    def test_endpoints_are_read_back(self) -> None:
        self.backend.report_endpoints(OLD, 10.0)
        self.assert_endpoints(OLD)
        # The backend still knows no worker.
        self.assert_knows()

    def test_endpoints_outlive_their_worker(self) -> None:
        worker = self.worker()
        self.start(worker)
        self.backend.report_endpoints(OLD, 10.0)
        self.backend.goodbye(worker.worker.worker_id)
        self.assert_endpoints(OLD)
        self.start(worker)
        self.pass_time(2 * self.lease_seconds)
        self.assert_endpoints(OLD)

    def test_newer_code_decides_which_endpoints_there_are(self) -> None:
        self.backend.report_endpoints(OLD, 1000.0)
        self.backend.report_endpoints(NEW, 10.0)
        self.assert_endpoints(NEW)
        self.backend.report_endpoints(OLD, 1001.0)
        self.assert_endpoints(NEW)

    def test_older_code_does_not_renew_its_claim_by_repeating_others(self) -> None:
        self.backend.report_endpoints(NEW, 10.0)
        self.backend.report_endpoints(NEW, 1000.0)
        self.backend.report_endpoints(OLD, 500.0)
        self.assert_endpoints(NEW)

    def test_long_endpoints_are_kept_whole(self) -> None:
        text = '{"urls":{"call":"/' + "<room>:\\u00e9\\n" * 100_000 + '/"}}'
        self.backend.report_endpoints(text, 0.0)
        self.assert_endpoints(text)
