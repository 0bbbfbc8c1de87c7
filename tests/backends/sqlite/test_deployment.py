from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from django_socket_status.backends.sqlite import SqliteBackend
from django_socket_status.backends.sqlite.deployment import (
    file_name,
    is_release,
    this_deployment,
    this_project,
)

#: As gunicorn does with ``--chdir``.
PROCESS = """
import os, sys
os.chdir(sys.argv[1])
sys.path.insert(0, sys.argv[1])
import django
django.setup()
from django_socket_status.backends import get_backend
from django_socket_status.testing import FakeWorker
backend = get_backend()
if sys.argv[2:] == ["report"]:
    worker = FakeWorker("a", lease_seconds=600.0)
    assert backend.report(worker.full([worker.open()]))
    print(1, flush=True)
    sys.stdin.read()
else:
    print(sum(it.total_sockets for it in backend.read().workers), backend.path)
"""

SETTINGS = """
import os
BASE_DIR = os.path.dirname(os.path.abspath(__file__))
SECRET_KEY = "secret"
SOCKET_STATUS = {given}
"""


def make_release(directory: Path, given: dict[str, str] | None = None) -> Path:
    directory.mkdir(parents=True)
    (directory / "shop_settings.py").write_text(SETTINGS.format(given=given or {}))
    return directory


def start(directory: Path, temporary: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS, str(directory), *arguments],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "shop_settings",
            "PYTHONPATH": os.pathsep.join(sys.path),
            "PYTHONDONTWRITEBYTECODE": "1",
            "TMPDIR": str(temporary),
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def seen_from(reader: Path, worker: Path, temporary: Path) -> int:
    """Return how many sockets one process sees of another one's single socket."""
    temporary.mkdir()
    with start(worker, temporary, "report") as serving:
        assert serving.stdout is not None
        assert serving.stdout.readline()
        found, _ = start(reader, temporary).communicate()
        serving.communicate("")
    return int(found.split()[0])


def test_processes_meet_whatever_link_they_were_started_by(tmp_path: Path) -> None:
    release = make_release(tmp_path / "releases" / "1")
    link = tmp_path / "current"
    link.symlink_to(release)
    assert seen_from(link, release, tmp_path / "one") == 1
    assert seen_from(release, link, tmp_path / "two") == 1


def test_releases_of_a_deployment_with_a_name_meet(tmp_path: Path) -> None:
    named = {"DEPLOYMENT": "shop"}
    old = make_release(tmp_path / "releases" / "1", named)
    new = make_release(tmp_path / "releases" / "2", named)
    assert seen_from(new, old, tmp_path / "temporary") == 1


def test_releases_without_a_name_do_not_meet(tmp_path: Path) -> None:
    """So that this is what the check warns of."""
    old, new = (make_release(tmp_path / "releases" / name) for name in "12")
    assert seen_from(new, old, tmp_path / "temporary") == 0
    assert is_release(str(old))


def test_name_is_as_ever_where_no_link_leads(settings, monkeypatch, tmp_path) -> None:
    """Workers of the first version made it like this; both are there in a rollout."""
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "shop.settings")
    settings.ROOT_URLCONF = "shop.urls"
    directory = os.path.realpath(tmp_path)
    parts = (directory, "shop.settings", "shop.urls")
    digest = hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
    for base in (directory, Path(directory)):
        settings.BASE_DIR = base
        assert file_name() == f"shop-{digest}"


@pytest.mark.parametrize(
    "spell",
    [
        lambda real, link: f"{real}/",
        lambda real, link: f"{real}/../{real.name}",
        lambda real, link: str(link),
        lambda real, link: link,
        lambda real, link: f"{link}/",
        lambda real, link: f"{link}/manage/..",
    ],
)
def test_every_spelling_of_a_directory_is_one_deployment(
    settings, tmp_path, spell: Callable[[Path, Path], object]
) -> None:
    real, link = tmp_path.resolve() / "shop", tmp_path / "link"
    (real / "manage").mkdir(parents=True)
    link.symlink_to(real)
    settings.BASE_DIR = real
    expected = file_name()
    settings.BASE_DIR = spell(real, link)
    assert file_name() == expected


def test_database_is_the_same_by_whatever_link(
    settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    found = set()
    for name in (tmp_path / "db", str(tmp_path / "link" / "db")):
        monkeypatch.setitem(settings.DATABASES["default"], "NAME", name)
        found.add(this_deployment())
    assert len(found) == 1


@pytest.mark.parametrize("databases", [{}, None, {"default": {}}])
def test_project_without_a_database_is_known_by_its_key(
    settings, monkeypatch: pytest.MonkeyPatch, databases: object
) -> None:
    monkeypatch.setattr(settings._wrapped, "DATABASES", databases)
    assert this_deployment() == (this_project(), "")


def test_deployment_alone_decides_if_it_has_a_name(settings, monkeypatch) -> None:
    settings.SOCKET_STATUS = {"DEPLOYMENT": "shop"}
    first = file_name()
    settings.BASE_DIR = "/srv/releases/2"
    settings.ROOT_URLCONF = "other.urls"
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "shop.settings.worker")
    assert file_name() == first
    assert first.startswith("shop-")
    settings.SOCKET_STATUS = {"DEPLOYMENT": "shop staging"}
    assert file_name() != first


@pytest.mark.parametrize("name", ["../../etc/passwd", "\0", "/", "ß", "x" * 1000, " "])
def test_name_of_a_deployment_is_no_path(settings, name: str) -> None:
    settings.SOCKET_STATUS = {"DEPLOYMENT": name}
    found = file_name()
    assert Path(found).name == found
    assert len(found) < 100
    assert found.isascii()
    assert "\0" not in found


@pytest.mark.parametrize(
    "directory",
    [
        "/srv/shop/releases/12",
        "/srv/shop/releases/20261130101500/project",
        "/srv/shop/20261130101500Z",
        "/srv/shop/2026-11-30_10-15",
        "/srv/shop/v1.4.2",
        "/srv/shop-1/release-7.1/project",
        "/srv/shop/3f2a91c",
        "/srv/shop/.worktrees/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
        "/srv/shop/0b6a2f8e-13c4-4c0e-9a3f-0d8a5b8f1c2d/site",
        "/nix/store/s66mzxpvicwk07gjbjfw9izjfa797vsw-shop-1.0/lib",
    ],
)
def test_directory_of_a_release_is_known_by_its_name(directory: str) -> None:
    assert is_release(directory)


@pytest.mark.parametrize(
    "directory",
    [
        "/",
        "/app",
        "/srv/shop",
        "/home/alice/2026/shop",
        "/var/app/current",
        "/srv/shop/venv/lib/python3.13/site-packages",
        "/usr/src/app",
        "/code/decade",
        "/home/runner/work/shop/shop",
    ],
)
def test_directory_that_stays_is_no_release(directory: str) -> None:
    assert not is_release(directory)


@pytest.mark.parametrize("link", ["current", "live"])
@pytest.mark.parametrize("below", ["blue", "all/blue", "blue/project"])
def test_directory_that_a_link_leads_to_is_a_release(
    tmp_path: Path, link: str, below: str
) -> None:
    (tmp_path / "place" / below).mkdir(parents=True)
    assert not is_release(str(tmp_path / "place" / below))
    target = "all/blue" if below.startswith("all") else "blue"
    (tmp_path / "place" / link).symlink_to(target)
    assert is_release(str(tmp_path / "place" / below))
    (tmp_path / "place" / "current").unlink(missing_ok=True)
    (tmp_path / "place" / "current").symlink_to("current")
    (tmp_path / "place" / "live").unlink(missing_ok=True)
    assert not is_release(str(tmp_path / "place" / below))


def test_check_warns_of_the_directory_of_a_release(settings) -> None:
    settings.BASE_DIR = "/srv/shop/releases/12"
    (message,) = SqliteBackend().check()
    assert message.id == "django_socket_status.W017"
    assert "/srv/shop/releases/12" in message.msg
    assert message.hint is not None and "DEPLOYMENT" in message.hint


@pytest.mark.parametrize(
    ("given", "options"),
    [({"DEPLOYMENT": "shop"}, {}), ({}, {"path": "/tmp/sockets"})],
    ids=["a name", "a path"],
)
def test_check_is_content_where_the_directory_does_not_matter(
    settings, given, options
) -> None:
    settings.BASE_DIR = "/srv/shop/releases/12"
    settings.SOCKET_STATUS = given
    assert not list(SqliteBackend(**options).check())
