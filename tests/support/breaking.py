"""A pytest plugin that runs tests while every function of one module raises.

Each test that ``COVERED_BY`` of ``tests/support/coverage.py`` names runs once as it is,
and then once for each module that it is to cover and did call. The functions of that
module raise in the call of the test, and not in its fixtures. A module that a test did
not call cannot make it fail. The modules whose tests passed all the same are written to
a file::

    UNCOVERED_REPORT=report.json python -m pytest -p tests.support.breaking TEST
"""

from __future__ import annotations

import ast
import builtins
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import sys
import types
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol

from tests.support.coverage import COVERED_BY

__all__ = ["VARIABLE"]

#: Names the file; the plugin does nothing without it.
VARIABLE = "UNCOVERED_REPORT"

PACKAGE = "django_socket_status"

#: What the first line of every function calls; a builtin, so that no import is needed.
HOOK = "__raise_if_broken__"

_Function = ast.FunctionDef | ast.AsyncFunctionDef


class _Breaker:
    """Raises in the functions of one module, while a test runs."""

    def __init__(self) -> None:
        self.module = ""
        self.is_active = False
        #: The modules of which a function was called while a test ran.
        self.called: set[str] = set()

    def __call__(self, module: str) -> None:
        if not self.is_active:
            return
        self.called.add(module)
        if module == self.module:
            raise RuntimeError(f"{module} is broken by tests.support.breaking")


breaker = _Breaker()


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads a module with one more line in each of its functions."""

    def get_code(self, fullname: str) -> types.CodeType:
        path = self.get_filename(fullname)
        tree = ast.parse(self.get_data(path))
        module = fullname.removeprefix(PACKAGE).removeprefix(".")
        for node in ast.walk(tree):
            if isinstance(node, _Function):
                first = 0 if ast.get_docstring(node) is None else 1
                node.body.insert(first, ast.parse(f"{HOOK}({module!r})").body[0])
        # Nothing is cached: the next run wants the module as it is.
        return compile(ast.fix_missing_locations(tree), path, "exec")


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules of the package, and leaves all others to Python."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: types.ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] != PACKAGE:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.origin is not None:
            spec.loader = _Loader(fullname, spec.origin)
        return spec


class _Plugin:
    """Runs each test for each module that it is to cover, until one has failed."""

    def __init__(self, report: Path) -> None:
        self._report = report
        self._uncovered: dict[str, str] = {}
        self._asked: set[str] = set()
        #: Those of the uncovered ones that have a function.
        self._breakable: set[str] = set()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            self._asked.update(modules_of(item.nodeid))
        self._uncovered = {module: COVERED_BY[module] for module in self._asked}
        self._breakable = set(filter(has_functions, self._asked))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> bool:
        asked = [it for it in modules_of(item.nodeid) if it in self._breakable]
        if not asked:
            return True
        breaker.called.clear()
        fails(item, nextitem, "")
        called = set(breaker.called)
        for module in asked:
            if module in called and fails(item, nextitem, module):
                del self._uncovered[module]
                self._breakable.remove(module)
                self._write()
        return True

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Iterator[None]:
        breaker.is_active = True
        try:
            return (yield)
        finally:
            breaker.is_active = False

    def pytest_sessionfinish(self) -> None:
        self._write()

    def _write(self) -> None:
        found = {"asked": sorted(self._asked), "uncovered": self._uncovered}
        self._report.write_text(json.dumps(found))


def fails(item: pytest.Item, nextitem: pytest.Item | None, module: str) -> bool:
    """Run a test while the functions of a module raise; return whether it failed."""
    breaker.module = module
    item._initrequest()  # type: ignore[attr-defined]
    reports = runtestprotocol(item, log=False, nextitem=nextitem)
    return any(report.failed and report.when == "call" for report in reports)


def has_functions(module: str) -> bool:
    """Return whether a module has a function that could raise."""
    spec = importlib.util.find_spec(f"{PACKAGE}.{module}")
    assert spec is not None
    assert spec.origin is not None
    tree = ast.parse(Path(spec.origin).read_bytes())
    return any(isinstance(node, _Function) for node in ast.walk(tree))


def modules_of(node: str) -> list[str]:
    """Return the modules that a test is to cover."""
    return [
        module
        for module, test in COVERED_BY.items()
        if node.startswith((f"tests/{test}::", f"tests/{test}["))
        or node == f"tests/{test}"
    ]


if VARIABLE in os.environ:
    assert PACKAGE not in sys.modules, "it was imported too early to be broken"
    setattr(builtins, HOOK, breaker)
    sys.meta_path.insert(0, _Finder())


def pytest_configure(config: pytest.Config) -> None:
    if VARIABLE in os.environ:
        config.pluginmanager.register(_Plugin(Path(os.environ[VARIABLE])))
