from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.support.checks import found
from tests.support.source import ROOT, modules


def test_project_in_order_has_nothing_to_hear():
    assert found() == {}


def test_no_id_means_two_things():
    pattern = re.compile(r'id="(django_socket_status\.[EWI]\d{3})"')
    named: Counter[str] = Counter()
    for file in modules().values():
        named.update(pattern.findall(file.read_text(encoding="utf-8")))
    assert named
    assert set(named.values()) == {1}


# A project made by ``startproject``. It starts many processes: every Django meets the
# first tests, which are about what it brings and what it says; the others run once.


class Project:
    """A project made by ``startproject``, and its ``manage.py``."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._run("-m", "django", "startproject", "shop", ".")
        self.asgi = directory / "shop" / "asgi.py"
        self.set(
            'INSTALLED_APPS += ["django_socket_status"]',
            'ASGI_APPLICATION = "shop.asgi.application"',
        )

    def set(self, *lines: str) -> None:
        with (self.directory / "shop" / "settings.py").open("a") as file:
            file.write("".join(f"\n{line}\n" for line in lines))

    def manage(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self._run("manage.py", *words)

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *words],
            cwd=self.directory,
            env={"PYTHONPATH": str(ROOT), "TMPDIR": str(self.directory)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def ids(self, *words: str) -> list[str]:
        """Return the ids of our messages that ``check`` shows."""
        result = self.manage("check", *words)
        return re.findall(r"\(django_socket_status\.([EWI]\d{3})\)", result.stderr)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_new_project_stays_clean(project):
    result = project.manage("check", "--fail-level", "INFO")
    assert (result.returncode, result.stderr) == (0, "")
    assert "no issues (0 silenced)" in result.stdout
    result = project.manage("makemigrations", "--check")
    assert (result.returncode, result.stderr) == (0, "")
    assert "No changes detected" in result.stdout
    deployed = project.ids("--deploy", "--tag", "socket_status")
    assert deployed == ["W006"]


def test_wrong_setting_fails_the_check_of_a_project(project):
    project.set('SOCKET_STATUS = {"LEASE_SECOND": 5}')
    result = project.manage("check")
    assert result.returncode == 1
    assert "(django_socket_status.E002)" in result.stderr
    assert "HINT: Did you mean 'LEASE_SECONDS'?" in result.stderr


@pytest.mark.slow
def test_project_without_users_stays_clean(project):
    project.set(
        'INSTALLED_APPS = ["django_socket_status"]',
        "MIDDLEWARE = []",
        "TEMPLATES = []",
        'ROOT_URLCONF = "shop.empty"',
        'SOCKET_STATUS = {"SUMMARY_ACCESS": "public"}',
    )
    (project.directory / "shop" / "empty.py").write_text("urlpatterns = []\n")
    result = project.manage("check", "--fail-level", "INFO")
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.slow
def test_application_is_imported_by_the_check_of_a_deployment_alone(project):
    project.asgi.write_text('raise SystemExit("stay away")\n')
    assert project.ids() == []
    assert project.ids("--deploy") == ["W005", "W006"]
    assert "SystemExit: stay away" in project.manage("check", "--deploy").stderr


@pytest.mark.slow
def test_consumers_are_known_to_the_check_of_a_deployment(project):
    project.asgi.write_text(
        "from channels.consumer import AsyncConsumer\n"
        "from django_socket_status.consumers import SocketStatusMixin\n"
        "class MailConsumer(SocketStatusMixin, AsyncConsumer):\n"
        "    pass\n"
        "application = MailConsumer.as_asgi()\n"
    )
    assert project.ids() == []
    assert project.ids("--deploy") == ["W003", "W006"]
    # The plain check knows it once another module has imported it.
    (project.directory / "shop" / "apps.py").write_text(
        "from django.apps import AppConfig\n"
        "class ShopConfig(AppConfig):\n"
        "    name = 'shop'\n"
        "    def ready(self):\n"
        "        import shop.asgi\n"
    )
    project.set('INSTALLED_APPS += ["shop"]')
    assert project.ids() == ["W003"]
    assert project.ids("--deploy") == ["W003", "W006"]


@pytest.mark.slow
@pytest.mark.parametrize("place", ["first", "last"])
def test_daphne_behind_another_runserver_is_a_warning(project, place):
    order = {
        "first": 'INSTALLED_APPS = ["daphne", *INSTALLED_APPS]',
        "last": 'INSTALLED_APPS = [*INSTALLED_APPS, "daphne"]',
    }
    project.set(order[place])
    assert project.ids() == ([] if place == "first" else ["W002"])
