"""A short soak, and that a soak finds what it is there to find."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter

import msgpack
import pytest

from django_socket_status.records import ConnectionRecord, OpenedConnection
from tests.soak.diary import Diary
from tests.soak.faults import FAULTS, names_of
from tests.soak.file_faults import DISK_FULL
from tests.soak.redis_damage import damaged
from tests.soak.schedule import Round
from tests.soak.soak import previous_code
from tests.soak.stores import SqliteStore
from tests.soak.truth import Truth, differences
from tests.support.redis_servers.server import program
from tests.support.source import PACKAGE, ROOT

#: The machine may be busy with other tests, for longer than a test takes by itself.
OPTIONS = (
    "--workers=2",
    "--round-connections=150",
    "--round-faults=6",
    "--patience=120",
)


def soak(*options: str) -> str:
    """Run a soak of some hundred connections; return what it prints."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.soak", "--connections=300", *OPTIONS, *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    return run.stdout


@pytest.mark.redis
@pytest.mark.faults
@pytest.mark.server
def test_answers_from_redis_are_the_clients_own_truth_once_the_faults_are_over():
    program()
    assert "| differences | 0 |" in soak("--seed=3")


@pytest.mark.faults
@pytest.mark.server
def test_answers_from_a_file_are_the_clients_own_truth_once_the_faults_are_over():
    assert "| differences | 0 |" in soak("--seed=3", "--backend=sqlite")


def test_soak_has_the_version_before(tmp_path):
    code = previous_code(tmp_path)
    assert tmp_path in code.parents
    assert (code / PACKAGE.name / "__init__.py").exists()


def truth(*connections: tuple[str, str | None, int]) -> Truth:
    records = Counter((kind, user, frozenset(), pid) for kind, user, pid in connections)
    return Truth(records, "host", frozenset())


def test_answer_without_a_connection_that_is_open_is_different():
    assert not list(differences(truth(), ()))
    found = "\n".join(differences(truth(("ws_bare", "7", 1)), ()))
    for what in (
        "total_sockets",
        "online_user_ids",
        "has_listeners",
        "list: 1 missing",
    ):
        assert what in found


def test_worker_that_does_not_answer_is_a_difference():
    # No process listens on a port of that number.
    assert "worker at 1" in "\n".join(differences(truth(), (1,)))


def record(number: int, second: int) -> ConnectionRecord:
    opened = OpenedConnection(number, "call", "/", None, {}, float(second))
    return ConnectionRecord.of("w", opened)


def test_events_in_the_order_in_which_they_happened_are_right():
    diary = Diary()
    diary.opened(record(1, 1))
    diary.closed(record(1, 1), duration_seconds=1.0)
    diary.opened(record(2, 2))
    assert diary.told() == {"open": 1, "flaws": []}


def test_events_in_another_order_are_different():
    diary = Diary()
    diary.opened(record(1, 1))
    diary.opened(record(2, 3))
    diary.closed(record(1, 1), duration_seconds=1.0)
    diary.closed(record(3, 3), duration_seconds=1.0)
    late, unknown = diary.told()["flaws"]
    assert "closed 1.000 s after a later event" in late
    assert "closed, and not opened before" in unknown


def test_damaged_report_is_none_that_a_worker_writes():
    report = b"7:3:1:1000:" + msgpack.packb([True, 0, True, {"call": 1}])
    found = {damaged(report, random.Random(seed)) for seed in range(100)}
    assert len(found) > 10
    assert report not in found


def test_disk_that_cannot_be_mounted_is_not_filled(tmp_path):
    names = names_of(SqliteStore(tmp_path, has_disk=False))
    assert {*FAULTS["sqlite"]} - {*names} == {DISK_FULL}


def test_round_is_the_same_whenever_it_is_planned():
    names = list(FAULTS["redis"])
    first, again = (Round.planned(5, 7, 100, 3, names) for _ in range(2))
    assert first == again
    assert first != Round.planned(6, 7, 100, 3, names)


def test_every_fault_has_as_many_turns_alone_or_with_others():
    names = list(FAULTS["redis"])
    # In three rounds there are nine faults.
    numbers = range(3 * len(names))
    rounds = [Round.planned(1, number, 100, 3, names) for number in numbers]
    turns = Counter(it.name for round_ in rounds for it in round_.faults)
    assert turns == dict.fromkeys(names, 9)
    assert {len(round_.faults) for round_ in rounds} == {1, 3, 5}
