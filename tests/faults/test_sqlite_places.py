"""Places where no status file can be, from the start or from some time on."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.workers import Worker, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.oldest]

Start = Callable[..., Worker]


#: Where also those get to who may not enter the directory of a test.
EVERYBODYS = tempfile.gettempdir()


@pytest.fixture
def path() -> Iterator[Path]:
    """Return one that other users can reach, unlike the directories of pytest."""
    with tempfile.TemporaryDirectory(dir=EVERYBODYS) as directory:
        os.chmod(directory, 0o711)
        path = Path(directory, "place", "sockets")
        path.parent.mkdir()
        yield path


LETTER = b"Dear mother,\n" * 20


class Trouble:
    """Something that is wrong with a place, and its end."""

    #: A part of what is to be said about it.
    says = ""
    #: Whether it can come later: a directory that was there is made again.
    may_be_late = True

    def __init__(self, path: Path) -> None:
        self.path = path

    def make(self, worker: Worker) -> None:
        raise NotImplementedError

    def mend(self, worker: Worker) -> None:
        raise NotImplementedError


class ForeignFile(Trouble):
    says = "left alone"

    def make(self, worker: Worker) -> None:
        put_in_its_place(self.path, lambda path: path.write_bytes(LETTER))

    def mend(self, worker: Worker) -> None:
        assert self.path.read_bytes() == LETTER
        self.path.unlink()


class Link(Trouble):
    says = "symbolic link"

    def make(self, worker: Worker) -> None:
        put_in_its_place(self.path, lambda path: path.symlink_to("elsewhere"))

    def mend(self, worker: Worker) -> None:
        assert not self.path.exists()
        self.path.unlink()


class Directory(Trouble):
    says = "not a regular file"

    def make(self, worker: Worker) -> None:
        put_in_its_place(self.path, Path.mkdir)

    def mend(self, worker: Worker) -> None:
        self.path.rmdir()


class Pipe(Trouble):
    says = "not a regular file"

    def make(self, worker: Worker) -> None:
        put_in_its_place(self.path, os.mkfifo)

    def mend(self, worker: Worker) -> None:
        self.path.unlink()


class NoDirectory(Trouble):
    says = "is not a directory"

    def make(self, worker: Worker) -> None:
        self._kept = self.path.parent.with_name("kept")
        if self.path.parent.exists():
            self.path.parent.rename(self._kept)
        self.path.parent.touch()

    def mend(self, worker: Worker) -> None:
        self.path.parent.unlink()
        self.path.parent.mkdir()


class MissingDirectory(Trouble):
    """A volume that is not mounted, say: what is made there, others do not see."""

    says = "does not exist"
    may_be_late = False

    def make(self, worker: Worker) -> None:
        self.path.parent.rmdir()

    def mend(self, worker: Worker) -> None:
        assert not self.path.parent.exists()
        self.path.parent.mkdir()


class NotWritable(Trouble):
    says = "Permission denied"

    def make(self, worker: Worker) -> None:
        self.path.parent.mkdir(exist_ok=True)
        for file in self.path.parent.iterdir():
            file.unlink()
        self.path.parent.chmod(0o555)
        worker.ask("become_nobody")

    def mend(self, worker: Worker) -> None:
        self.path.parent.chmod(0o777)


class NotReadable(NotWritable):
    def make(self, worker: Worker) -> None:
        super().make(worker)
        self.path.parent.chmod(0)


class NoSpace(Trouble):
    """A limit acts like a full disk, and no other process suffers from it."""

    says = "cannot be"

    def make(self, worker: Worker) -> None:
        worker.ask("limit_file_size", size=0)

    def mend(self, worker: Worker) -> None:
        worker.ask("limit_file_size", size=-1)


TROUBLES = [
    ForeignFile,
    Link,
    Directory,
    Pipe,
    NoDirectory,
    MissingDirectory,
    NotWritable,
    NotReadable,
    NoSpace,
]


def put_in_its_place(path: Path, make: Callable[[Path], object]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    make(path)


KINDS_AND_TIMES = [
    pytest.param(kind, late, id=f"{kind.__name__} {'later' if late else 'at first'}")
    for kind in TROUBLES
    for late in [False, True]
    if kind.may_be_late or not late
]


@pytest.mark.parametrize(("kind", "late"), KINDS_AND_TIMES)
def test_host_goes_on_and_says_what_is_wrong(
    start: Start, path: Path, kind: type[Trouble], late: bool
) -> None:
    worker, trouble = start(), kind(path)
    if late:
        worker.ask("open", number=2)
        assert worker.total == 2
    trouble.make(worker)
    worker.ask("open", number=3 if late else 5, user="7")
    wait_until(lambda: worker.coverage == "process")
    assert worker.ask("flush") is False
    worker.ask("close")
    summary = worker.ask("summary")
    assert (summary["total_sockets"], summary["unique_users"]) == (4, 1)
    assert (summary["coverage"], summary["stale"]) == ("process", False)
    # A sample is due every ten seconds, and so it may be missing.
    messages = [it for it in worker.ask("warnings") if "A sample of" not in it]
    assert len(messages) == 1, messages
    assert trouble.says in messages[0]
    assert str(path.parent) in messages[0]
    assert "SOCKET_STATUS['OPTIONS']['path']" in messages[0]
    assert "Traceback" not in messages[0]

    trouble.mend(worker)
    wait_until(lambda: worker.coverage == "host")
    wait_until(lambda: worker.ask("flush"))
    assert worker.ask("summary")["total_sockets"] == 4
    assert len(worker.ask("ids")) == 4
    assert worker.ask("warnings") == []


def test_process_without_sockets_says_that_it_cannot_know(
    start: Start, path: Path
) -> None:
    put_in_its_place(path, lambda path: path.write_bytes(LETTER))
    summary = start().ask("summary")
    assert "left alone" in summary["error"]


def test_processes_of_two_users_know_that_they_do_not_meet(
    start: Start, tmp_path: Path
) -> None:
    """By default each user has a place that the other cannot read."""
    given = {"OPTIONS": {}, "DEPLOYMENT": tmp_path.name[-30:] + str(os.getpid())}
    worker, reader, idle = (start(**given, LEASE_SECONDS=4.0) for _ in range(3))
    if os.geteuid() != 0:
        # They cannot become two, so that they meet.
        worker.ask("open")
        wait_until(lambda: reader.total == 1)
        return
    worker.ask("become_nobody")
    worker.ask("open", number=3)
    worker.ask("flush")
    wait_until(lambda: "another user (uid 65534)" in str(idle.ask("summary")))
    reader.ask("open")
    summary = {}
    # It sees its own, and that these are not all.
    wait_until(lambda: summary.update(reader.ask("summary")) or summary.get("stale"))
    assert summary["total_sockets"] == 1
    assert any("uid 65534" in message for message in reader.ask("warnings"))
    wait_until(lambda: worker.ask("summary").get("stale"))
    worker.kill()
    wait_until(lambda: reader.total == 1)


def test_others_see_those_who_can_write(start: Start, path: Path) -> None:
    """One process is out of space; what the others report is counted."""
    full, other = start(LEASE_SECONDS=4.0), start()
    for worker in (full, other):
        worker.ask("open", number=2)
        worker.ask("flush")
    wait_until(lambda: other.total == 4)
    full.ask("limit_file_size", size=0)
    full.ask("open")
    wait_until(lambda: other.total == 2)
    wait_until(lambda: full.coverage == "process")
    full.ask("limit_file_size", size=-1)
    wait_until(lambda: other.total == 5)
    wait_until(lambda: full.total == 5)
    assert other.ask("warnings") == []
