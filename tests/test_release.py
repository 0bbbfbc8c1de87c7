"""The release workflow runs what tox runs, with pinned actions and few rights."""

from __future__ import annotations

import configparser
import re

import pytest

import django_socket_status
from tests.support.source import ROOT

pytestmark = pytest.mark.text

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
RELEASE = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")


def test_each_action_is_pinned_by_its_commit():
    for workflow in WORKFLOWS:
        used = re.findall(r"uses: (.+)", workflow.read_text(encoding="utf-8"))
        assert used
        pinned = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
        assert not [it for it in used if not pinned.fullmatch(it)]


def test_jobs_have_no_rights_but_those_that_they_name():
    for workflow in WORKFLOWS:
        assert "\npermissions: {}\n" in workflow.read_text(encoding="utf-8")


def test_release_tests_each_pair_of_python_and_django():
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / "tox.ini")
    pairs = re.findall(r"py\w+-django\w+", config["tox"]["env_list"])
    assert set(pairs) <= set(re.findall(r"py\w+-django\w+", RELEASE))


#: The oldest Python that a Django takes.
OLDEST = {"5.2": "3.10", "6.0": "3.12", "6.1": "3.12"}


def test_release_tests_each_pair_that_is_supported():
    """The pairs in tox.ini are those that CI runs: each Python and each Django once."""
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    pythons = re.findall(r"Language :: Python :: (3\.\d+)", pyproject)
    djangos = re.findall(r"Framework :: Django :: (\d\.\d)", pyproject)
    assert djangos == list(OLDEST)
    supported = {
        f"py{python}-django{django}".replace(".", "")
        for python in pythons
        for django in djangos
        if pythons.index(python) >= pythons.index(OLDEST[django])
    }
    assert len(supported) == 8
    matrix = RELEASE.partition("        environment:\n")[2].partition("include:")[0]
    assert set(re.findall(r"- (py\w+-django\w+)", matrix)) == supported
    assert "        dist: [whl, tar.gz]\n" in RELEASE


def test_release_compares_the_version_of_each_package():
    package = (ROOT / "package.json").read_text(encoding="utf-8")
    assert f'"version": "{django_socket_status.__version__}"' in package
    assert "package.json" in RELEASE
    assert "CHANGELOG.md" in RELEASE
