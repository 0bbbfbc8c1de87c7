"""A skipped test is a failure where ``CI_NO_SKIPS`` is set.

A test that did not run has shown nothing, and a green run must not hide it. Only what
another operating system would be needed for may be skipped there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator

import pytest

ALLOWED = ("needs Windows", "needs macOS")


def fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure, unless this machine could not have run the test."""
    if not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
    if any(allowed in reason for allowed in ALLOWED):
        return
    report.outcome = "failed"
    report.longrepr = f"{report.nodeid} did not run here. {reason}"


if os.environ.get("CI_NO_SKIPS"):

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport() -> Generator[
        None, pytest.TestReport, pytest.TestReport
    ]:
        """Judge the skip of one test."""
        report = yield
        fail_if_skipped(report)
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report() -> Generator[
        None, pytest.CollectReport, pytest.CollectReport
    ]:
        """Judge the skip of a whole module."""
        report = yield
        fail_if_skipped(report)
        return report


@pytest.hookimpl(trylast=True)
def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a value without its address, which differs between two processes."""
    text = repr(val)
    return re.sub(r" at 0x[0-9a-f]+", "", text) if " at 0x" in text else None
