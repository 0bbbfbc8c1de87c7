"""Every module has a test module with its name, in the same folder below ``tests``.

What has none has an entry in ``tests/support/coverage.py``, and the test that it names
fails if the functions of the module raise.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.breaking import VARIABLE
from tests.support.coverage import COVERED_BY
from tests.support.redis_servers.server import program as redis_program
from tests.support.source import NAME, ROOT, modules

pytestmark = pytest.mark.text

TESTS = ROOT / "tests"


def below(name: str) -> str:
    """Return a module's name without that of the package."""
    return name.removeprefix(NAME).removeprefix(".")


def own_test(name: str) -> Path:
    """Return where the test module of a module belongs."""
    *folders, module = below(name).split(".")
    return TESTS.joinpath(*folders, f"test_{module}.py")


def only_names_things(path: Path) -> bool:
    """Return whether a folder's ``__init__`` defines no function: nothing can fail."""
    return path.name == "__init__.py" and not functions_of(path)


def file_of(test: str) -> Path:
    return TESTS / test.partition("::")[0]


def test_every_module_has_a_test_module_of_its_name_or_an_entry():
    without = [
        f"{below(name)}: no {own_test(name).relative_to(ROOT)}, no entry in COVERED_BY"
        for name, path in modules().items()
        if not only_names_things(path)
        and not own_test(name).exists()
        and below(name) not in COVERED_BY
    ]
    assert not without, "\n".join(without)


def test_every_entry_names_a_module_and_a_test():
    known = {below(name) for name in modules()}
    assert not COVERED_BY.keys() - known, "no such module"
    assert not {test for test in COVERED_BY.values() if not file_of(test).exists()}


def functions_of(path: Path) -> list[ast.AST]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(tree) if isinstance(node, functions)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "with_redis", [False, pytest.param(True, marks=pytest.mark.redis)]
)
def test_named_tests_fail_if_the_functions_of_the_module_raise(with_redis, tmp_path):
    if with_redis:
        # Skips where there is none.
        redis_program()
    found = modules()
    asked = {
        module
        for module, test in COVERED_BY.items()
        if functions_of(found[f"{NAME}.{module}"]) and ("redis" in test) is with_redis
    }
    report = tmp_path / "report.json"
    tests = sorted({str(TESTS / COVERED_BY[module]) for module in asked})
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "no:schemathesis"),
            *("-p", "tests.support.breaking", *tests),
        ],
        cwd=ROOT,
        env={**without_pytest(os.environ), VARIABLE: str(report)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert report.exists(), done.stdout + done.stderr
    told = json.loads(report.read_text())
    assert set(told["asked"]) >= asked
    assert not told["uncovered"].keys() & asked


def without_pytest(environment: Mapping[str, str]) -> dict[str, str]:
    """Leave out what this run of pytest was told: the other one is told its own."""
    return {
        name: value
        for name, value in environment.items()
        if not name.startswith("PYTEST_")
    }
