from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from django.core.management import get_commands

from django_socket_status import checks
from tests.support.checks import PREFIX, found, only


@pytest.mark.parametrize("missing", [None, ""])
def test_project_without_an_asgi_application_gets_a_warning(settings, missing):
    settings.ASGI_APPLICATION = missing
    assert only().id == f"{PREFIX}W001"
    del settings.ASGI_APPLICATION
    assert only().id == f"{PREFIX}W001"


@pytest.fixture
def runserver(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "argv", ["manage.py", "runserver"])
    get_commands.cache_clear()
    yield
    get_commands.cache_clear()


@pytest.mark.usefixtures("runserver")
def test_runserver_that_serves_wsgi_gives_a_warning():
    told = only()
    assert told.id == f"{PREFIX}W002"
    assert "'daphne' first" in told.hint


@pytest.mark.usefixtures("runserver")
def test_runserver_of_another_package_gives_no_warning(monkeypatch):
    """It may well speak ASGI."""
    from django.core.management.commands.runserver import Command

    class OtherCommand(Command):
        __module__ = "uvicorn_runserver.management.commands.runserver"

    monkeypatch.setitem(get_commands(), "runserver", OtherCommand())
    assert found() == {}


@pytest.mark.parametrize("urls", [None, (), "urls"], ids=repr)
def test_project_without_a_package_gets_an_example(settings, urls):
    if urls is None:
        del settings.ROOT_URLCONF
    else:
        settings.ROOT_URLCONF = urls
    settings.ASGI_APPLICATION = None
    (told,) = checks.check_application()
    assert "'myproject.asgi.application'" in told.hint
