"""The status file stays within its limit, and gives back what it does not need."""

from __future__ import annotations

import dataclasses
import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from django_socket_status.backends.sqlite import SqliteBackend
from django_socket_status.backends.sqlite import pointer as status_file
from django_socket_status.backends.sqlite import space as sqlite_space
from django_socket_status.exceptions import BackendError, BackendUnusableError
from django_socket_status.records import ConnectionQuery, OpenedConnection
from django_socket_status.testing import Clock, FakeWorker
from tests.support.backends import tell, total

pytestmark = [pytest.mark.python, pytest.mark.versions]

LIMIT = 2 * 2**20
LABELS = {f"label{number}": "x" * 200 for number in range(16)}


def bytes_of(path: Path) -> int:
    """Return what all files of a status file take, also those in the making."""
    return sum(file.stat().st_size for file in path.parent.iterdir())


def large(worker: FakeWorker, number: int) -> list[OpenedConnection]:
    return [worker.open(user=str(n), labels=LABELS) for n in range(number)]


def fill(
    backend: SqliteBackend, worker: FakeWorker, path: Path, limit: int = LIMIT
) -> None:
    """Open connections until there is no space for them."""
    for _ in range(100):
        if not backend.wants_details:
            return
        assert backend.report(worker.change(*large(worker, 20)))
        assert bytes_of(path) <= limit
    raise AssertionError("it has no limit")


def test_counts_go_on_when_there_is_no_space_for_details(
    make: Callable[..., SqliteBackend],
    path: Path,
    worker: FakeWorker,
    warned: Callable[[], list[str]],
) -> None:
    backend, other = make(max_bytes=LIMIT), make(max_bytes=LIMIT)
    second = FakeWorker("b")
    assert other.report(second.full([second.open(user="other")]))
    assert backend.report(worker.full(()))
    assert other.read().unique_users == 1
    fill(backend, worker, path)
    held = sum(worker.counts.values())
    assert total(other) == total(backend) == held + 1
    snapshot = other.read()
    assert [it.complete for it in snapshot.workers] == [True, False]
    assert snapshot.unique_users is None
    page = other.get_connections(ConnectionQuery())
    assert not page.complete
    assert [it.user_id for it in page] == ["other"]
    # Who is listed is there; of the others nothing is known.
    assert other.is_online("other")
    with pytest.raises(BackendError, match="no space"):
        other.is_online("7")
    with pytest.raises(BackendError, match="no space"):
        other.online_user_ids()
    (message,) = warned()
    assert "max_bytes" in message
    assert str(path) in message
    # And counts follow what happens.
    assert backend.report(worker.change(worker.open()))
    assert total(other) == held + 2
    assert bytes_of(path) <= LIMIT


def test_file_shrinks_after_a_peak(
    make: Callable[..., SqliteBackend], path: Path, clock: Clock, worker: FakeWorker
) -> None:
    backend = make()
    assert backend.report(worker.full(()))
    small = bytes_of(path)
    held = large(worker, 1000)
    assert backend.report(worker.change(*held))
    assert bytes_of(path) > 3_000_000
    assert backend.report(worker.change(closed=held))
    for _ in range(20):
        clock.advance(1.0)
        assert backend.report(worker.change())
    spare = sqlite_space.SPARE_PAGES * 4096
    assert bytes_of(path) <= small + spare
    assert total(backend) == 0


def test_details_come_back_when_there_are_fewer_connections(
    make: Callable[..., SqliteBackend],
    path: Path,
    clock: Clock,
    worker: FakeWorker,
    warned: Callable[[], list[str]],
) -> None:
    backend = make(max_bytes=LIMIT)
    assert backend.report(worker.full(()))
    fill(backend, worker, path)
    for _ in range(30):
        clock.advance(1.0)
        assert backend.report(worker.change())
    assert not backend.wants_details
    clock.advance(1.0)
    assert not backend.report(worker.change(closed=[*worker.connections.values()]))
    assert backend.wants_details
    assert backend.report(worker.full([worker.open(user="7")]))
    assert backend.report(worker.change())
    assert backend.read().unique_users == 1
    assert backend.read().complete
    assert all(it.complete for it in backend.read().workers)
    assert backend.online_user_ids() == {"7"}
    assert backend.get_connections(ConnectionQuery()).complete
    assert len(warned()) == 1


def test_details_are_tried_again_after_a_while(
    make: Callable[..., SqliteBackend], path: Path, clock: Clock, worker: FakeWorker
) -> None:
    backend = make(max_bytes=LIMIT)
    assert backend.report(worker.full(()))
    fill(backend, worker, path)
    clock.advance(sqlite_space.RETRY_SECONDS)
    assert not backend.report(worker.change())
    assert backend.wants_details


def test_counts_alone_never_pass_for_everything(
    make: Callable[..., SqliteBackend], path: Path, clock: Clock, worker: FakeWorker
) -> None:
    """A full report, as after a failure, when it is time to try details again."""
    backend = make(max_bytes=LIMIT)
    assert backend.report(worker.full(()))
    fill(backend, worker, path)
    clock.advance(sqlite_space.RETRY_SECONDS)
    assert not backend.wants_details
    bare = dataclasses.replace(worker.full(), opened=(), users_joined=())
    assert backend.report(bare)
    snapshot = backend.read()
    assert [it.complete for it in snapshot.workers] == [False]
    assert snapshot.unique_users is None
    assert not backend.get_connections(ConnectionQuery()).complete
    # The next one is asked for details.
    assert not backend.report(worker.change())
    assert backend.wants_details


def test_limit_is_half_of_what_is_free_where_that_is_less(
    make: Callable[..., SqliteBackend],
    path: Path,
    worker: FakeWorker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk = 6 * 2**20

    def statvfs(where: object) -> SimpleNamespace:
        return SimpleNamespace(f_bavail=disk - bytes_of(path), f_frsize=1)

    monkeypatch.setattr(os, "statvfs", statvfs)
    backend = make()
    assert backend.report(worker.full(()))
    fill(backend, worker, path, limit=disk // 2)
    assert bytes_of(path) < disk // 2


def test_system_without_a_known_free_space_has_only_the_limit(
    make: Callable[..., SqliteBackend],
    path: Path,
    worker: FakeWorker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As Windows."""
    monkeypatch.delattr(os, "statvfs")
    backend = make(max_bytes=LIMIT)
    assert backend.report(worker.full(()))
    fill(backend, worker, path)


def test_limit_that_falls_makes_the_file_smaller(
    make: Callable[..., SqliteBackend], path: Path, clock: Clock, worker: FakeWorker
) -> None:
    """As when others fill the disk."""
    assert make().report(worker.full(large(worker, 1000)))
    backend = make(max_bytes=LIMIT)
    for _ in range(20):
        clock.advance(1.0)
        assert backend.report(worker.change(worker.open()))
    assert not backend.wants_details
    assert total(backend) == 1020
    assert bytes_of(path) <= LIMIT


def test_sixty_thousand_that_close_at_once_are_one_report(
    make: Callable[..., SqliteBackend],
    path: Path,
    clock: Clock,
    worker: FakeWorker,
    warned: Callable[[], list[str]],
) -> None:
    backend, reader = make(), make()
    assert backend.report(worker.full(()))
    held = [worker.open() for _ in range(60_000)]
    assert backend.report(worker.change(*held))
    assert total(reader) == 60_000
    before = backend._file.current()
    assert backend.report(worker.change(closed=held))
    assert total(reader) == 0
    for _ in range(5):
        clock.advance(1.0)
        assert backend.report(worker.change())
    assert backend._file.current() == before
    assert backend.read().complete
    assert bytes_of(path) < 3_000_000
    assert not warned()


@pytest.mark.parametrize("value", [None, "1", 2.5, True, 0, -1, 1000])
def test_limit_that_makes_no_sense_is_an_error(value: object) -> None:
    with pytest.raises((TypeError, ValueError), match="max_bytes"):
        SqliteBackend(max_bytes=value)  # type: ignore[arg-type]


# A disk with nothing left.


def test_new_generation_is_made_from_the_space_of_the_old_one(
    make: Callable[..., SqliteBackend],
    path: Path,
    worker: FakeWorker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing can be written until something is removed."""
    backend = make()
    assert backend.report(worker.full(large(worker, 100)))
    create = status_file.create_private

    def create_if_there_is_space(file: Path, *content: bytes) -> None:
        if bytes_of(path) > 300_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        create(file, *content)

    monkeypatch.setattr(status_file, "create_private", create_if_there_is_space)
    backend._writer.start_small()
    assert total(backend) == 0
    assert not backend.read().complete
    assert backend.report(worker.full())
    assert total(backend) == 100


def test_full_disk_is_an_error_where_nothing_of_ours_can_go(
    make: Callable[..., SqliteBackend],
    path: Path,
    worker: FakeWorker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(status_file, "create_private", refuse)
    backend = make()
    with pytest.raises(BackendUnusableError, match=r"No space.*OPTIONS"):
        backend.report(worker.full(()))
    monkeypatch.undo()
    assert backend.report(worker.full(()))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a directory on a separate file system of 8 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        # The tests above ask the same of an imitation.
        pytest.xfail("this user may not mount a file system")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def free(place: Path) -> int:
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize


def fill_up(place: Path) -> None:
    with (place / "ballast").open("wb", buffering=0) as ballast:
        try:
            while ballast.write(b"\0" * 4096):
                pass
        except OSError as error:
            assert error.errno == errno.ENOSPC
    assert free(place) == 0


def test_small_disk_is_never_filled(
    small_disk: Path,
    make: Callable[..., SqliteBackend],
    clock: Clock,
    worker: FakeWorker,
) -> None:
    path = small_disk / "sockets"
    backend, other = make(path=path), make(path=path)
    second = FakeWorker("b")
    assert other.report(second.full(large(second, 10)))
    assert backend.report(worker.full(()))
    for _ in range(100):
        clock.advance(0.1)
        assert backend.report(worker.change(*large(worker, 30)))
        assert free(small_disk) > 3 * 2**20
    tell(other, second)
    assert total(other) == 3010


def test_full_disk_is_left_by_what_we_remove(
    small_disk: Path,
    make: Callable[..., SqliteBackend],
    clock: Clock,
    worker: FakeWorker,
) -> None:
    """Others have the file open, and look at it later or never."""
    path = small_disk / "sockets"
    backend, idle = make(path=path), make(path=path)
    assert backend.report(worker.full(large(worker, 400)))
    assert total(idle) == 400
    fill_up(small_disk)
    clock.advance(1.0)
    for _ in range(3):
        clock.advance(1.0)
        assert backend.report(worker.change(*large(worker, 100)))
        assert total(backend) >= 500
    assert free(small_disk) > 2**20
    assert total(idle) == total(backend) == 700
    assert not idle.read().complete


def test_process_that_starts_on_a_full_disk_uses_the_space_of_our_old_data(
    small_disk: Path, make: Callable[..., SqliteBackend], worker: FakeWorker
) -> None:
    path = small_disk / "sockets"
    before = make(path=path)
    killed = FakeWorker("killed")
    assert before.report(killed.full(large(killed, 400)))
    before.close()
    fill_up(small_disk)
    backend = make(path=path)
    many = large(worker, 100)
    assert backend.report(worker.full(many))
    assert total(backend) == 100
    assert free(small_disk) > 2**20
