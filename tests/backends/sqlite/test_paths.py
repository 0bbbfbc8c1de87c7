from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from django_socket_status.backends.sqlite import SqliteBackend
from django_socket_status.backends.sqlite import paths as status_path
from django_socket_status.backends.sqlite.paths import default_path, temporary_directory
from django_socket_status.exceptions import BackendUnusableError
from django_socket_status.testing import FakeWorker


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return three directories in the place of those that Python knows."""
    places = [tmp_path / name for name in ("tmp", "var-tmp", "usr-tmp")]
    for place in places:
        place.mkdir()
    monkeypatch.setattr(status_path, "SYSTEM_DIRECTORIES", tuple(map(str, places)))
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(places[0]))
    return places


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Return what makes a directory one that even root may not write."""
    refused: set[Path] = set()
    may = os.access

    def access(path: str, mode: int) -> bool:
        return Path(path) not in refused and may(path, mode)

    monkeypatch.setattr(os, "access", access)
    return refused.add


def test_first_place_is_taken(places: list[Path]) -> None:
    assert temporary_directory() == places[0]
    assert default_path().parent.parent == places[0]


@pytest.mark.parametrize("name", ["TMPDIR", "TEMP", "TMP"])
def test_place_of_the_environment_goes_first(
    places: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    monkeypatch.setenv(name, f"{mine}/")
    monkeypatch.setattr(tempfile, "tempdir", str(mine))
    assert temporary_directory() == mine


def test_processes_meet_although_one_started_while_the_place_was_full(
    places: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python then goes on to the next one, and remembers it."""
    before = default_path()
    for elsewhere in (*map(str, places[1:]), os.getcwd()):
        monkeypatch.setattr(tempfile, "tempdir", elsewhere)
        assert default_path() == before


def test_place_that_cannot_be_written_is_passed_over(
    places: list[Path], refuse: Callable[[Path], None]
) -> None:
    refuse(places[0])
    places[1].rmdir()
    assert temporary_directory() == places[2]


@pytest.mark.parametrize("relative", ["", ".", "tmp"])
def test_relative_place_is_none(
    places: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    relative: str,
) -> None:
    """It would be another one in each working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", relative)
    monkeypatch.setattr(tempfile, "tempdir", os.path.abspath(relative))
    assert temporary_directory() == places[0]


def test_place_that_the_project_chose_itself_is_taken(
    places: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "chosen"))
    assert temporary_directory() == tmp_path / "chosen"


@pytest.mark.parametrize("chosen", [False, True])
def test_working_directory_that_was_removed_does_not_matter(
    places: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: bool
) -> None:
    """A deploy removed the release that this process still runs."""
    release = tmp_path / "release"
    release.mkdir()
    monkeypatch.chdir(release)
    release.rmdir()
    expected = tmp_path / "chosen" if chosen else places[0]
    monkeypatch.setattr(tempfile, "tempdir", str(expected))
    assert temporary_directory() == expected


@pytest.mark.parametrize("moved", [False, True], ids=["there", "since moved"])
def test_working_directory_is_no_place_to_meet(
    places: list[Path],
    refuse: Callable[[Path], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    moved: bool,
) -> None:
    """Python falls back to it, and other processes need not have the same."""
    for place in places:
        refuse(place)
    started_in = tmp_path / "started"
    started_in.mkdir()
    monkeypatch.chdir(started_in)
    monkeypatch.setenv("PWD", str(started_in))
    monkeypatch.setattr(tempfile, "tempdir", str(started_in))
    if moved:
        monkeypatch.chdir("/")
    backend, worker = SqliteBackend(), FakeWorker("a")
    for attempt in (
        backend.read,
        lambda: backend.report(worker.full()),
        lambda: backend.is_online("7"),
        backend.online_user_ids,
    ):
        with pytest.raises(BackendUnusableError, match=r"no directory.*working dir"):
            attempt()
    (message,) = backend.check()
    assert message.id == "django_socket_status.W010"
    assert "need not share the working directory" in message.msg
    assert list(started_in.iterdir()) == []
