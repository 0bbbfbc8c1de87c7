"""What is built holds all that it needs, and nothing else.

tox builds first and names the directory in ``DIST_DIR``; without it, the tests build
for themselves, from the checkout that they stand in.
"""

from __future__ import annotations

import email
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from pathlib import Path

import pytest

import django_socket_status
from tests.support.source import NAME, ROOT

pytestmark = pytest.mark.packaging


@pytest.fixture(scope="module")
def dist(tmp_path_factory) -> Path:
    """Return a directory that holds one sdist and one wheel."""
    if given := os.environ.get("DIST_DIR"):
        return Path(given)
    return built(ROOT, tmp_path_factory.mktemp("dist"))


def built(source: Path, directory: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(directory)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    return directory


@pytest.fixture(scope="module")
def wheel(dist) -> zipfile.ZipFile:
    (path,) = dist.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


@pytest.fixture(scope="module")
def sdist_names(dist) -> set[str]:
    """Return the names of the sdist's files, without its own top directory."""
    (path,) = dist.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


@pytest.fixture(scope="module")
def metadata(wheel) -> Message:
    (name,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
    return email.message_from_bytes(wheel.read(name))


def files_of_the_package() -> set[str]:
    return {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / NAME).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_wheel_holds_every_file_of_the_package_and_nothing_else(wheel):
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert held == files_of_the_package()


def test_wheel_holds_types_and_static_files(wheel):
    held = wheel.namelist()
    assert f"{NAME}/py.typed" in held
    static = [name for name in held if name.startswith(f"{NAME}/static/{NAME}/")]
    assert any(name.endswith(".js") for name in static)
    assert any(name.endswith(".d.ts") for name in static)


def test_wheel_holds_the_scripts_for_redis(wheel):
    folder = f"{NAME}/backends/redis/lua/"
    held = {name.removeprefix(folder) for name in wheel.namelist() if folder in name}
    assert {"common.lua", "report.lua", "read.lua"} <= held


def test_wheel_holds_the_documents_of_the_json(wheel):
    held = {name for name in wheel.namelist() if f"{NAME}/schema/" in name}
    names = {name.rpartition("/")[2] for name in held if name.endswith(".json")}
    assert names == {"asyncapi.json", "openapi.json"}


def test_wheel_tells_pytest_of_its_plugin(wheel):
    (name,) = (it for it in wheel.namelist() if it.endswith("/entry_points.txt"))
    plugin = f"{NAME}.pytest_plugin"
    assert wheel.read(name).decode() == f"[pytest11]\n{plugin} = {plugin}\n"


def test_wheel_holds_the_licence(wheel):
    assert any(name.endswith("/licenses/LICENSE") for name in wheel.namelist())


def test_wheel_holds_its_bill_of_materials(wheel, metadata):
    (name,) = (it for it in wheel.namelist() if "/sboms/" in it)
    assert name.endswith(".dist-info/sboms/django-socket-status.cdx.json")
    sbom = json.loads(wheel.read(name))
    assert (sbom["bomFormat"], sbom["specVersion"]) == ("CycloneDX", "1.6")
    assert sbom["metadata"]["component"]["version"] == metadata["Version"]
    scopes = {it["name"]: it["scope"] for it in sbom["components"]}
    required = {name for name, scope in scopes.items() if scope == "required"}
    assert required == {"asgiref", "channels", "django"}
    assert scopes["redis"] == "optional"
    (own,) = sbom["dependencies"]
    assert set(own["dependsOn"]) == {it["bom-ref"] for it in sbom["components"]}


def test_builds_of_the_same_source_are_equal(tmp_path, sdist_names):
    """Whenever, wherever and by which user: with other times and other rights."""
    copy = tmp_path / "elsewhere"
    for name in sdist_names - {"", "PKG-INFO"}:
        if (source := ROOT / name).is_file():
            target = copy / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            is_executable = source.stat().st_mode & stat.S_IXUSR
            target.chmod(0o700 if is_executable else 0o600)
            os.utime(target, (10**9, 10**9))
    # Not the one that tox built: its builder may have another version.
    first = digests(built(ROOT, tmp_path / "first"))
    assert len(first) == 2
    assert digests(built(copy, tmp_path / "again")) == first


def digests(directory: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in directory.iterdir()
        if path.name.endswith((".whl", ".tar.gz"))
    }


def test_sdist_holds_what_it_takes_to_test_and_document(sdist_names):
    expected = files_of_the_package() | {
        ".github/workflows/release.yml",
        "CHANGELOG.md",
        "LICENSE",
        "README.md",
        "conftest.py",
        "docs/conf.py",
        "docs/index.md",
        "SECURITY.md",
        "example_project/__main__.py",
        "example_project/static/example_project/site.js",
        "example_project/templates/example_project/site.html",
        "hatch_build.py",
        "pyproject.toml",
        "tests/previous/README.md",
        "tests/test_packaging.py",
        "tox.ini",
    }
    assert expected <= sdist_names
    # Of the earlier versions that a rollout is tested with.
    wheels = (ROOT / "tests" / "previous").rglob("*.whl")
    assert {path.relative_to(ROOT).as_posix() for path in wheels} <= sdist_names


def test_sdist_holds_nothing_that_a_run_left_behind(sdist_names):
    left = ("db.sqlite3", "__pycache__", ".tox", "docs/_build", ".egg-info")
    assert not [name for name in sdist_names for part in left if part in name]


def test_metadata_says_what_is_supported(metadata):
    assert metadata["Version"] == django_socket_status.__version__
    assert metadata["Requires-Python"] == ">=3.10"
    assert metadata["License-Expression"] == "MIT"
    classifiers = metadata.get_all("Classifier")
    for django in ("5.2", "6.0", "6.1"):
        assert f"Framework :: Django :: {django}" in classifiers
    for python in ("3.10", "3.11", "3.12", "3.13"):
        assert f"Programming Language :: Python :: {python}" in classifiers


def test_core_needs_django_channels_and_asgiref_only(metadata):
    core = [need for need in metadata.get_all("Requires-Dist") if "extra" not in need]
    assert sorted(core) == ["asgiref>=3.9", "channels>=4.3", "django>=5.2"]


def test_optional_services_are_extras(metadata):
    assert set(metadata.get_all("Provides-Extra")) == {
        "example",
        "health",
        "otel",
        "prometheus",
        "redis",
    }
