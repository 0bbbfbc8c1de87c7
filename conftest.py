"""What a plain ``python -m pytest`` runs; and that nothing is skipped in silence.

A skipped test is a failure where ``CI_NO_SKIPS`` is set.
A test that did not run has shown nothing, and a green run must not hide it. Only what
another operating system would be needed for may be skipped there.
"""

from __future__ import annotations

import gc
import itertools
import os
import re
from collections.abc import Generator
from operator import not_
from pathlib import Path

import pytest

from tests.examples import FEW, FEWEST, WHOLE, every_eighth, has_its_turn

#: What a plain ``python -m pytest`` leaves to tox, which runs everything.
QUICK = "not server and not faults and not slow and not browser and not packaging"

ALLOWED = ("needs Windows", "needs macOS")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Select the quick tests, side by side, where the command line selects nothing."""
    option = config.option
    is_plain = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    if (
        not is_plain
        or option.markexpr
        or option.keyword
        or getattr(option, "lf", False)
    ):
        return
    option.markexpr = QUICK
    # A process of xdist reads the same command line, and must not start processes.
    is_one_of_them = "PYTEST_XDIST_WORKER" in os.environ
    if is_one_of_them or option.usepdb:
        return
    if getattr(option, "numprocesses", 0) is None:
        # One more than two cores have: it waits, for Redis, most of the time.
        option.numprocesses = max(3, min(4, os.cpu_count() or 2))
        option.dist = "worksteal"


def pytest_configure() -> None:
    """Collect no garbage while tests are collected: it costs a third of the time."""
    gc.disable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Try some cases of each test, and not all, where few examples are asked for."""
    if not FEW:
        return
    names = [item.nodeid.partition("[")[0] for item in items]
    stay = [
        is_tried(name, {mark.name for mark in item.iter_markers()}, is_eighth)
        for name, item, is_eighth in zip(names, items, every_eighth(names), strict=True)
    ]
    config.hook.pytest_deselected(
        items=list(itertools.compress(items, map(not_, stay)))
    )
    items[:] = itertools.compress(items, stay)


def is_tried(name: str, marks: set[str], is_eighth: bool) -> bool:
    """Return whether a case of a test is tried where few are."""
    if WHOLE & marks:
        return True
    takes_turns = FEWEST and "python" in marks and "redis" not in marks
    return is_eighth and (not takes_turns or has_its_turn(name))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Leave the tests themselves out of what a collection of garbage looks at.

    A test that asks for one otherwise waits for a look at each of thousands of tests.
    """
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Import no module whose tests ``-m`` cannot select, whatever they are marked with.

    Every process of every environment imports the modules. A test's marks are written
    in its module: ``tests/test_environments.py`` sees to that.
    """
    text = config.option.markexpr
    if not text or not re.fullmatch(r"test_\w+\.py", collection_path.name):
        return None
    source = collection_path.read_text(encoding="utf-8")
    return None if may_select(text, marks_in(source)) else True


def marks_in(source: str) -> set[str]:
    """Return the names of all marks that the text of a module has."""
    return set(re.findall(r"\bmark\.(\w+)", source))


def may_select(expression: str, marks: set[str]) -> bool:
    """Return whether ``-m`` may select a test that has some of these marks.

    It may, too, where the expression is one that only pytest understands.
    """
    names = set(re.findall(r"\w+", expression)) - {"and", "or", "not"}
    known = sorted(names & marks)
    try:
        return any(
            eval(expression, {}, {name: name in some for name in names})  # noqa: S307
            for size in range(len(known) + 1)
            for some in itertools.combinations(known, size)
        )
    except (SyntaxError, TypeError):
        return True


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
