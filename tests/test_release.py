"""The release workflow runs what tox runs, with pinned actions and few rights."""

from __future__ import annotations

import configparser
import re

import django_socket_status
from tests.support.source import ROOT

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


def test_release_compares_the_version_of_each_package():
    package = (ROOT / "package.json").read_text(encoding="utf-8")
    assert f'"version": "{django_socket_status.__version__}"' in package
    assert "package.json" in RELEASE
    assert "CHANGELOG.md" in RELEASE
