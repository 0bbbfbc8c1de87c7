from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from django_socket_status.backends.sqlite import generation
from django_socket_status.backends.sqlite import paths as status_path
from django_socket_status.backends.sqlite.pointer import MAGIC, StatusFile
from django_socket_status.exceptions import BackendUnusableError

pytestmark = pytest.mark.python

OTHER_USER = 4711


def prepare(database: Path) -> None:
    database.write_bytes(b"prepared")


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "place" / "sockets"


@pytest.fixture
def file(path: Path) -> StatusFile:
    path.parent.mkdir()
    return StatusFile(path)


@pytest.fixture
def default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StatusFile:
    """Return the default status file, in a temporary directory of the test's."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return StatusFile(None)


# The current generation.


def test_missing_file_names_no_generation(file: StatusFile) -> None:
    assert file.current() is None
    assert file.stamp() is None


def test_made_generation_is_the_current_one(file: StatusFile) -> None:
    made = file.make(None, prepare)
    assert file.current() == made
    assert made.is_whole()
    assert made.database.read_bytes() == b"prepared"
    assert StatusFile(file.path).current() == made


def test_files_are_private_and_few(file: StatusFile) -> None:
    made = file.make(None, prepare)
    directory = file.path.parent
    files = {made.database.name, made.locks.name, made.guard.name}
    assert names(directory) == {"sockets", *files}
    assert {mode_of(path) for path in directory.iterdir()} == {0o600}


def test_generation_in_doubt_is_replaced_and_removed(file: StatusFile) -> None:
    doubted = file.make(None, prepare)
    before = file.stamp()
    made = file.make(doubted, prepare)
    assert made != doubted
    assert file.current() == made
    assert file.stamp() != before
    assert not doubted.is_whole()
    assert len(names(file.path.parent)) == 4


def test_generation_that_another_process_just_made_is_taken(file: StatusFile) -> None:
    doubted = file.make(None, prepare)
    made = file.make(doubted, prepare)
    assert StatusFile(file.path).make(doubted, prepare) == made
    assert StatusFile(file.path).make(None, prepare) == made


def test_first_to_make_one_wins(
    file: StatusFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    faster = []

    def prepare_slowly(database: Path) -> None:
        if not faster:
            faster.append(None)
            faster[0] = StatusFile(file.path).make(None, prepare)

    made = file.make(None, prepare_slowly)
    assert [made] == faster
    assert len(names(file.path.parent)) == 4


@pytest.mark.parametrize("keep", [False, True], ids=["replaced", "moved"])
def test_first_to_replace_one_wins(file: StatusFile, keep: bool) -> None:
    """Workers have reported to its generation, and would have to do so again."""
    doubted = file.make(None, prepare)
    faster = []

    def prepare_slowly(database: Path) -> None:
        prepare(database)
        faster.append(StatusFile(file.path).make(doubted, prepare, keep=keep))

    made = file.make(doubted, prepare_slowly, keep=keep)
    assert [made] == faster == [file.current()]
    assert len(names(file.path.parent)) == (7 if keep else 4)


def test_faster_one_that_is_cut_short_is_replaced(file: StatusFile) -> None:
    def prepare_slowly(database: Path) -> None:
        prepare(database)
        file.path.write_bytes(b"")

    made = file.make(None, prepare_slowly)
    assert file.current() == made
    assert made.is_whole()


def test_many_that_come_at_once_agree(file: StatusFile) -> None:
    for _ in range(30):
        barrier = threading.Barrier(4)
        made: list[object] = []

        def make(
            barrier: threading.Barrier = barrier, made: list[object] = made
        ) -> None:
            barrier.wait()
            made.append(StatusFile(file.path).make(None, prepare))

        threads = [threading.Thread(target=make) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert made == [file.current()] * 4
        assert len(names(file.path.parent)) == 4
        file.path.unlink()
        made[0].remove()  # type: ignore[attr-defined]


def test_file_system_without_hard_links_will_do(
    file: StatusFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> None:
        raise PermissionError("no hard links here")

    monkeypatch.setattr(os, "link", refuse)
    made = file.make(None, prepare)
    assert file.current() == made
    assert len(names(file.path.parent)) == 4


@pytest.mark.parametrize("length", [0, 1, len(MAGIC) - 1, len(MAGIC), len(MAGIC) + 5])
def test_line_that_was_cut_short_is_replaced(file: StatusFile, length: int) -> None:
    file.make(None, prepare)
    file.path.write_bytes(file.path.read_bytes()[:length])
    assert file.current() is None
    assert file.current() is None
    assert file.make(None, prepare) == file.current()


@pytest.mark.parametrize(
    "content",
    [
        b"a letter to my mother\n",
        b"django-socket-status 2 0123456789abcdef\n",
        b"\xff\xfe\x00binary",
        b"\0" * 5000,
        b"SQLite format 3\0" + b"\0" * 80,
    ],
)
def test_foreign_file_is_left_alone(file: StatusFile, content: bytes) -> None:
    file.path.write_bytes(content)
    with pytest.raises(BackendUnusableError, match="left alone"):
        file.current()
    with pytest.raises(BackendUnusableError, match="left alone"):
        file.make(None, prepare)
    assert file.path.read_bytes() == content
    assert names(file.path.parent) == {"sockets"}


def test_foreign_database_is_left_alone(file: StatusFile) -> None:
    database = sqlite3.connect(file.path)
    database.execute("CREATE TABLE letters (text)")
    database.close()
    before = file.path.read_bytes()
    with pytest.raises(BackendUnusableError, match="left alone"):
        file.make(None, prepare)
    assert file.path.read_bytes() == before


def test_files_beside_it_are_left_alone(file: StatusFile) -> None:
    """Also those that are named alike, and old."""
    token = "0123456789abcdef"
    others = [
        "sockets-backup.db",
        f"sockets-{token}.sql",
        f"sockets-{token}",
        f"sockets-{token.upper()}.db",
        f"other-sockets-{token}.db",
    ]
    for name in others:
        write_old(file.path.with_name(name))
    file.make(None, prepare)
    assert set(others) <= names(file.path.parent)


def test_leftovers_are_removed_when_they_are_old(file: StatusFile) -> None:
    token = "0123456789abcdef"
    for end in ("db", "db-wal", "db-shm", "db-journal", "locks", "guard", "new"):
        write_old(file.path.with_name(f"sockets-{token}.{end}"))
    young = file.path.with_name("sockets-fedcba9876543210.db")
    young.touch()
    file.make(None, prepare)
    assert len(names(file.path.parent)) == 5
    assert young.exists()


def write_old(path: Path) -> None:
    path.touch()
    long_ago = time.time() - 2 * generation.LEFTOVER_SECONDS
    os.utime(path, (long_ago, long_ago))


def test_stamp_changes_though_the_inode_comes_back(file: StatusFile) -> None:
    """As it does on ext4, at once, for a file that no process has open."""
    stamps = set()
    generation = None
    for _ in range(20):
        generation = file.make(generation, prepare)
        stamps.add(file.stamp())
    assert len(stamps) == 20


# What is in its place.


def test_link_is_not_followed(file: StatusFile, tmp_path: Path) -> None:
    target = tmp_path / "target"
    file.path.symlink_to(target)
    for content in (None, b"", MAGIC + b"0123456789abcdef\n"):
        if content is not None:
            target.write_bytes(content)
        with pytest.raises(BackendUnusableError, match="symbolic link"):
            file.make(None, prepare)
        assert file.path.is_symlink()
        assert not target.exists() or target.read_bytes() == content


def test_directory_is_not_read(file: StatusFile) -> None:
    file.path.mkdir()
    with pytest.raises(BackendUnusableError, match="not a regular file"):
        file.make(None, prepare)
    assert file.path.is_dir()


def test_pipe_does_not_hold_us(file: StatusFile) -> None:
    os.mkfifo(file.path)
    with pytest.raises(BackendUnusableError, match="not a regular file"):
        file.current()


def test_file_of_another_user_is_not_trusted(
    file: StatusFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.make(None, prepare)
    monkeypatch.setattr(os, "geteuid", lambda: OTHER_USER)
    with pytest.raises(BackendUnusableError, match="belongs to another user"):
        file.current()


def test_database_of_another_user_is_not_trusted(
    file: StatusFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = file.make(None, prepare)
    monkeypatch.setattr(os, "geteuid", lambda: OTHER_USER)
    assert not made.is_whole()


@pytest.mark.parametrize("user", ["its own", "root"])
@pytest.mark.parametrize("part", ["database", "locks"])
def test_generation_with_a_link_in_it_is_not_used(
    file: StatusFile, monkeypatch: pytest.MonkeyPatch, part: str, user: str
) -> None:
    """Root would follow it, in the directory of another user, to any file."""
    made = file.make(None, prepare)
    linked: Path = getattr(made, part)
    linked.rename(linked.with_name("elsewhere"))
    linked.symlink_to("elsewhere")
    if user == "root":
        monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert not made.is_whole()


def test_root_may_look_and_not_replace(
    file: StatusFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = file.make(None, prepare)
    if os.geteuid() == 0:
        for path in (file.path, *made.files):
            os.chown(path, OTHER_USER, OTHER_USER)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert file.current() == made
    assert made.is_whole()
    with pytest.raises(BackendUnusableError, match="belongs to another user"):
        file.make(made, prepare)
    assert file.current() == made


# The directory.


def test_given_directory_that_is_missing_is_not_made(tmp_path: Path) -> None:
    """A volume is not mounted: no other process would see a file that is made there."""
    directory = tmp_path / "volume"
    file = StatusFile(directory / "sockets")
    for attempt in (
        file.current,
        file.verify_writable,
        lambda: file.make(None, prepare),
    ):
        with pytest.raises(BackendUnusableError, match="volume does not exist"):
            attempt()
    assert names(tmp_path) == set()
    directory.mkdir()
    assert file.make(None, prepare) == file.current()


def test_directory_that_a_cleaner_removed_is_made_again(file: StatusFile) -> None:
    made = file.make(None, prepare)
    shutil.rmtree(file.path.parent)
    assert file.current() is None
    again = file.make(made, prepare)
    assert file.current() == again
    assert mode_of(file.path.parent) == 0o700
    # One that starts in between cannot know that it was there.
    shutil.rmtree(file.path.parent)
    with pytest.raises(BackendUnusableError, match="does not exist"):
        StatusFile(file.path).make(None, prepare)


def test_place_below_a_file_is_no_place(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    file = StatusFile(tmp_path / "file" / "sockets")
    for attempt in (
        file.current,
        file.verify_writable,
        lambda: file.make(None, prepare),
    ):
        with pytest.raises(BackendUnusableError, match="is not a directory"):
            attempt()


def test_what_could_not_be_written_leaves_nothing(file: StatusFile) -> None:
    def fail(database: Path) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with pytest.raises(BackendUnusableError, match=r"disk is full.*OPTIONS"):
        file.make(None, fail)
    assert names(file.path.parent) == set()


def test_line_that_is_not_written_whole_is_not_published(
    file: StatusFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "write", lambda file, content: len(content) // 2)
    with pytest.raises(BackendUnusableError, match="written whole"):
        file.make(None, prepare)
    assert names(file.path.parent) == set()


def test_given_directory_keeps_its_mode(file: StatusFile) -> None:
    file.path.parent.chmod(0o755)
    file.make(None, prepare)
    assert mode_of(file.path.parent) == 0o755


# The default.


def test_default_directory_is_private(default: StatusFile, tmp_path: Path) -> None:
    default.make(None, prepare)
    directory = default.path.parent
    assert directory == tmp_path / f"django-socket-status-{os.geteuid()}"
    assert mode_of(directory) == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o750, 0o701])
def test_default_directory_becomes_private(default: StatusFile, mode: int) -> None:
    default.path.parent.mkdir()
    default.path.parent.chmod(mode)
    default.make(None, prepare)
    assert mode_of(default.path.parent) & 0o777 == 0o700


def test_default_directory_of_another_user_is_not_trusted(
    default: StatusFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = default.path
    path.parent.mkdir(mode=0o777)
    if os.geteuid() == 0:
        os.chown(path.parent, OTHER_USER, OTHER_USER)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: OTHER_USER)
    for attempt in (
        default.current,
        default.verify_writable,
        lambda: default.make(None, prepare),
    ):
        with pytest.raises(BackendUnusableError, match="belongs to another user"):
            attempt()
    assert names(path.parent) == set()


@pytest.mark.parametrize("kind", ["file", "link", "dangling link"])
def test_default_directory_must_be_one(
    default: StatusFile, tmp_path: Path, kind: str
) -> None:
    directory = default.path.parent
    if kind == "file":
        directory.touch()
    else:
        directory.symlink_to(tmp_path / "elsewhere")
    if kind == "link":
        (tmp_path / "elsewhere").mkdir()
    before = names(tmp_path)
    for attempt in (default.current, lambda: default.make(None, prepare)):
        with pytest.raises(BackendUnusableError, match="is not a directory"):
            attempt()
    assert names(tmp_path) == before


def test_no_temporary_directory_is_said_and_not_raised_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> str:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr("tempfile.gettempdir", fail)
    file = StatusFile(None)
    for attempt in (file.current, file.stamp, lambda: file.make(None, prepare)):
        with pytest.raises(BackendUnusableError, match=r"no directory.*OPTIONS"):
            attempt()


def test_place_is_looked_up_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """``gettempdir`` writes a file, and a constructor does no I/O."""
    monkeypatch.setattr("tempfile.gettempdir", lambda: pytest.fail("looked it up"))
    StatusFile(None)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return status_path.default_path


# Their names: see test_deployment.


def test_projects_have_a_file_each(place: Callable[[], Path], settings, monkeypatch):
    found = {place()}
    settings.BASE_DIR = Path("/srv/one")
    found.add(place())
    settings.BASE_DIR = "/srv/two"
    found.add(place())
    settings.ROOT_URLCONF = "other.urls"
    found.add(place())
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "site2.settings")
    found.add(place())
    assert len(found) == 5


def test_project_has_one_file(place: Callable[[], Path], settings, monkeypatch):
    """Whatever its secret key, or the directory that a process was started in."""
    settings.BASE_DIR = Path("/srv/one")
    first = place()
    settings.SECRET_KEY = "generated in each process"
    settings.BASE_DIR = "/srv/one"
    monkeypatch.chdir("/")
    assert place() == first


def test_file_is_named_from_the_project(place: Callable[[], Path], settings) -> None:
    settings.ROOT_URLCONF = "bookshop.urls"
    assert place().name.startswith("bookshop-")
    settings.ROOT_URLCONF = None
    assert place().name.startswith("project-")
    assert place().is_absolute()


def test_project_without_a_base_directory_has_that_of_its_settings(
    place: Callable[[], Path], settings, monkeypatch
) -> None:
    assert not hasattr(settings, "BASE_DIR")
    first = place()
    monkeypatch.chdir("/")
    assert place() == first
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE")
    assert place() != first
