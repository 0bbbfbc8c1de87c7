"""The package as a project meets it: installed, and named in ``INSTALLED_APPS``."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from django.apps import apps
from django.core.management import call_command

from tests.support.source import NAME, PACKAGE, ROOT


def where_it_should_be() -> Path:
    """Return the directory of the package that this run is to test.

    tox stages the suite without the package, so that the wheel is what it finds.
    """
    if (ROOT / NAME).is_dir():
        return ROOT / NAME
    return Path(sysconfig.get_path("purelib")).resolve() / NAME


def test_tests_import_the_package_that_they_are_to_test():
    assert where_it_should_be() == PACKAGE


def test_processes_that_tests_start_import_the_same_package():
    script = f"import {NAME}; print({NAME}.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        cwd=ROOT,
        text=True,
        check=True,
    )
    assert Path(found.stdout.strip()).resolve().parent == where_it_should_be()


def test_tox_tests_the_wheel():
    staged = "packaging" not in os.environ.get("TOX_ENV_NAME", "packaging")
    assert (ROOT / NAME).is_dir() is not staged


def test_app_has_no_tables_and_no_migrations(db):
    models = apps.get_app_config(NAME).get_models()
    assert not [model for model in models if model._meta.managed]
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_checks_find_nothing_in_a_project_without_a_setting():
    """In a new process: other tests leave consumers with flaws in this one."""
    found = subprocess.run(
        [sys.executable, "-m", "django", "check", "--settings=tests.settings"],
        capture_output=True,
        cwd=ROOT,
        text=True,
        check=False,
    )
    assert "no issues" in found.stdout, found.stderr
