"""Every test runs in an environment of tox, whatever it is marked with."""

from __future__ import annotations

import configparser
import gc
import itertools
import re

import pytest

from conftest import marks_in, may_select
from tests.examples import WHOLE, every_eighth, has_its_turn
from tests.support.source import ROOT

pytestmark = pytest.mark.text

config = configparser.ConfigParser(interpolation=None)
config.read(ROOT / "tox.ini")

pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
declared = pyproject.partition("\nmarkers = [\n")[2].partition("\n]")[0]

MARKERS = re.findall(r'^ +"(\w+): ', declared, flags=re.M)

#: A combination of marks that no test has: it would run nowhere.
NEVER = {"browser", "packaging"}


def selection(environment: str) -> str:
    """Return the ``-m`` of an environment, without what tox fills in."""
    name = f"testenv:{environment}"
    section = config[name if config.has_section(name) else "testenv"]
    if found := re.search(
        r"pytest .* -m (\w+)", section.get("commands", ""), flags=re.S
    ):
        return found[1]
    names = {environment, *environment.split("-")}
    lines = re.findall(r"^(?:(.+): )?SELECT = (.+)$", section["set_env"], flags=re.M)
    for factors, expression in lines:
        if not factors or names & set(factors.split(",")):
            return filled_in(expression)
    return filled_in("{[base]quick}")


def filled_in(expression: str) -> str:
    return re.sub(r"{\[base\](\w+)}", lambda it: config["base"][it[1]], expression)


def selects(expression: str, marks: frozenset[str]) -> bool:
    return bool(eval(expression, {}, {name: name in marks for name in MARKERS}))


def test_markers_are_found() -> None:
    assert {"server", "slow"} < set(MARKERS)


COMBINATIONS = [
    frozenset(marks)
    for size in range(len(MARKERS) + 1)
    for marks in itertools.combinations(MARKERS, size)
    if not set(marks) >= NEVER
]

#: Those with everything that is new, of which each test needs one.
NEWEST = ["py313-django61", "servers", "browser", "packaging"]

#: The other ones that run tests.
OTHERS = [
    "py310-django52",
    "py311-django52",
    "py312-django60",
    "py314-django61",
    "py315-django61",
    "py314t-django61",
    "redis62",
    "valkey",
]


def test_each_test_meets_the_newest_versions_once() -> None:
    expressions = [selection(environment) for environment in NEWEST]
    for marks in COMBINATIONS:
        assert sum(selects(it, marks) for it in expressions) == 1, sorted(marks)


@pytest.mark.parametrize(
    "environment",
    [
        "py310-django52",
        "py311-django52",
        "py312-django60",
        "py314-django61",
        "py315-django61",
        "py314t-django61",
    ],
)
def test_what_depends_on_python_meets_each(environment: str) -> None:
    assert selects(selection(environment), frozenset({"python"}))


@pytest.mark.parametrize("environment", ["redis62", "py311-django52", "valkey"])
def test_what_needs_redis_meets_each_driver(environment: str) -> None:
    assert selects(selection(environment), frozenset({"redis"}))


def test_each_test_is_tried_where_few_cases_are() -> None:
    tried = every_eighth(["one", *["many"] * 17, "one", "other"])
    assert list(itertools.compress(range(20), tried)) == [0, 1, 9, 17, 19]
    assert set(MARKERS) > WHOLE


def test_what_meets_each_python_has_its_turn_on_one_of_those_between() -> None:
    names = [f"tests/test_{number}.py::test" for number in range(100)]
    turns = [[has_its_turn(name, minor) for minor in (11, 12)] for name in names]
    assert all(sum(it) == 1 for it in turns)
    assert 30 < sum(on_311 for on_311, _ in turns) < 70


def test_what_found_faults_of_the_oldest_python_meets_it() -> None:
    for marks in COMBINATIONS:
        if "oldest" in marks:
            assert selects(selection("py310-django52"), marks)


@pytest.mark.parametrize("environment", ["redis62", "valkey"])
@pytest.mark.parametrize("marks", [{"redis"}, {"redis", "faults", "protocol"}])
def test_what_speaks_to_redis_meets_every_server(
    environment: str, marks: set[str]
) -> None:
    assert selects(selection(environment), frozenset(marks))


@pytest.mark.parametrize("environment", [*NEWEST, *OTHERS])
def test_module_is_left_out_only_where_no_test_of_it_is_selected(
    environment: str,
) -> None:
    expression = selection(environment)
    for marks in COMBINATIONS:
        if len(marks) <= 4 and selects(expression, marks):
            assert may_select(expression, {*marks, "parametrize"})


def test_module_is_left_out_where_no_test_of_it_can_be_selected() -> None:
    assert not may_select("redis and not slow", {"slow", "server"})
    assert may_select("redis and not slow", {"slow", "redis"})


@pytest.mark.parametrize("expression", ["redis(port=1)", "redis and"])
def test_module_is_imported_where_only_pytest_understands(expression: str) -> None:
    assert may_select(expression, {"slow"})


def test_mark_is_written_in_the_module_of_its_tests() -> None:
    """Else a module could be left out whose tests have to run."""
    sources = {path: path.read_text("utf-8") for path in ROOT.rglob("tests/**/*.py")}
    marked = {path for path, source in sources.items() if marks_in(source) & {*MARKERS}}
    assert marked
    assert not [path for path in marked if not path.name.startswith("test_")]
    aliases = re.compile(r"import mark\b|import pytest as|getattr\(pytest|add_marker")
    this = ROOT / "tests/test_environments.py"
    assert not [
        path for path, it in sources.items() if aliases.search(it) if path != this
    ]


#: What differs from Python to Python.
OF_PYTHON = re.compile(
    r"^import (?:dis|gc|signal|threading|tracemalloc|weakref)$", re.M
)

#: What runs once, or is there for each server.
ELSEWHERE = {"browser", "faults", "redis", "server", "slow"}

#: Those that only name a constant, or look at another process or at this one as it is.
INCIDENTAL = {"test_conf.py", "test_environments.py", "test_layering.py"}


def test_module_about_threads_signals_bytecode_or_garbage_meets_each_python() -> None:
    sources = {path: path.read_text("utf-8") for path in ROOT.rglob("tests/**/*.py")}
    found = {
        path.name: marks_in(source)
        for path, source in sources.items()
        if path.name.startswith("test_") and OF_PYTHON.search(source)
    }
    assert len(found) > 20
    marks = {"python", *ELSEWHERE}
    assert {name for name, its in found.items() if not its & marks} <= INCIDENTAL


def test_garbage_is_collected_while_tests_run() -> None:
    assert gc.isenabled()
    assert gc.get_freeze_count()
