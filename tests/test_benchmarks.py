"""Every benchmark runs; what it measures is judged by people, on a quiet machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import NAMES
from benchmarks.results import Goal, Row, as_table
from benchmarks.rounds import Comparison, take_turns
from tests.support.redis_servers.server import program as redis_program
from tests.support.source import ROOT

pytestmark = pytest.mark.slow

#: Stands in for valgrind, which is not everywhere and slow: a thousand instructions for
#: each connection, and one for each letter of the contestant's name.
FAKE_VALGRIND = """\
#!{python}
import sys
*_, name, count = sys.argv
print("==1== Collected :", 5_000_000 + int(count) * (1000 + len(name)), file=sys.stderr)
"""


def run(*arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": path or os.environ["PATH"]}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    # No benchmark measures in it.
    environment.pop("PYTHONDEVMODE", None)
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=580,
    )


def measured(*names: str, path: str | None = None) -> list[dict[str, Any]]:
    done = run(*names, "--quick", "--rounds", "1", "--json", path=path)
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)["rows"]
    return rows


@pytest.fixture
def fake_valgrind(tmp_path: Path) -> str:
    script = tmp_path / "valgrind"
    script.write_text(FAKE_VALGRIND.format(python=sys.executable))
    script.chmod(0o755)
    return f"{tmp_path}{os.pathsep}{os.environ['PATH']}"


WITH_REDIS = {
    name for name in NAMES if name.startswith(("redis", "million", "pages", "admin"))
}
WITH_SERVERS = {"disconnect", "drain", "echo", "live"}
ALONE = NAMES.keys() - WITH_REDIS - WITH_SERVERS - {"instructions"}


@pytest.mark.parametrize(
    "names",
    [sorted(ALONE), pytest.param(sorted(WITH_REDIS), marks=pytest.mark.redis)],
    ids=["alone", "redis"],
)
def test_benchmarks_run(names):
    """All in one process, as they are for people: to start one takes a second."""
    if "million" in names:
        # Skips where there is none.
        redis_program()
    rows = measured(*names)
    assert {row["benchmark"] for row in rows} == {*names}
    with_goal = {row["benchmark"] for row in rows if row["goal"]}
    assert {*names} - with_goal <= {"alternatives", "million"}


@pytest.mark.server
@pytest.mark.parametrize("name", sorted(WITH_SERVERS))
def test_benchmark_under_a_real_server_runs(name):
    rows = measured(name)
    assert {row["benchmark"] for row in rows} == {name}
    assert any(row["goal"] for row in rows) is (name != "echo")


def test_instructions_are_those_by_which_two_processes_differ(fake_valgrind):
    rows = measured("instructions", path=fake_valgrind)
    added = {row["contestant"]: row["value"] for row in rows}
    assert added["bare"] == 0
    assert added["floor"] == len("floor") - len("bare")


@pytest.mark.parametrize("way", ["churn", "out", "in"])
def test_process_whose_instructions_are_counted_drives_its_contestant(way):
    settings = {**os.environ, "DJANGO_SETTINGS_MODULE": "benchmarks.settings"}
    command = [sys.executable, "-m", "benchmarks.counted"]
    arguments = ["raw", way, "middleware, memory", "3"]
    subprocess.run([*command, *arguments], cwd=ROOT, env=settings, check=True)


def test_instructions_are_left_out_without_valgrind(tmp_path):
    assert measured("instructions", path=str(tmp_path)) == []


def test_name_that_is_no_benchmark_is_refused():
    done = run("speed")
    assert done.returncode == 2
    assert "no benchmark is called 'speed'" in done.stderr


def test_comparison_is_made_within_each_round():
    samples = {"bare": [10.0, 110.0, 20.0], "floor": [12.0, 112.0, 22.0]}
    samples["ours"] = [11.0, 111.0, 29.0]
    comparison = Comparison(samples, "bare", "floor")
    assert comparison.added("floor") == 2.0
    assert comparison.ratio("ours") == 0.5
    assert comparison.spread("floor") == (1.0, 1.0)


def test_contestants_take_turns_and_the_first_round_does_not_count():
    calls: list[str] = []

    def contestant(name: str) -> float:
        calls.append(name)
        return len(calls)

    measures = {name: lambda name=name: contestant(name) for name in ("a", "b")}
    samples = take_turns(measures, rounds=3)
    assert [sorted(calls[i : i + 2]) for i in range(0, 8, 2)] == [["a", "b"]] * 4
    assert sorted(samples["a"] + samples["b"]) == [3, 4, 5, 6, 7, 8]


def test_table_says_whether_a_goal_was_met():
    row = Row(
        benchmark="lifecycle",
        setting="raw",
        contestant="ours",
        value=1.0,
        unit="µs added",
        ratio=1.4,
        to="floor",
        goal=Goal(1.5),
    )
    table = as_table([row])
    assert "1.40 x floor" in table
    assert table.endswith("<= 1.5 x floor  met")
