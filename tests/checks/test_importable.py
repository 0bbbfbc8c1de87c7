from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.checks import PREFIX, found, only

APPLICATION = """\
import os as system
from django.core.asgi import get_asgi_application
if True:
    application = get_asgi_application()
def factory(): ...
"""


def forget_package() -> None:
    for name in [it for it in sys.modules if it.partition(".")[0] == "boutique"]:
        del sys.modules[name]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Make the package ``boutique``, which is not imported."""
    directory = tmp_path / "boutique"
    directory.mkdir()
    (directory / "__init__.py").write_text("raise SystemExit('it is not imported')\n")
    (directory / "asgi.py").write_text(f"raise SystemExit\n{APPLICATION}"[17:])
    monkeypatch.syspath_prepend(tmp_path)
    forget_package()
    yield directory
    forget_package()


@pytest.mark.parametrize(
    ("given", "reason", "near"),
    [
        ("boutique.asgi.aplication", "no name 'aplication'", "boutique.asgi.applic"),
        ("boutique.asgi.app", "no name 'app'", "ASGI_APPLICATION = '"),
        ("boutique.asgii.application", "no module boutique.asgii", "boutique.asgi.app"),
        ("boutique.agsi.application", "no module boutique.agsi", "boutique.asgi.app"),
        ("boutiqe.asgi.application", "there is no module boutiqe", "tests.asgi.appli"),
        (
            "boutique.asgi.deep.application",
            "no module boutique.asgi.deep",
            "tests.asgi",
        ),
        ("application", "not the dotted path", "tests.asgi.application"),
        ("boutique.asgi:application", "not the dotted path", "'boutique.asgi.appl"),
        ("boutique/asgi.py", "not the dotted path", "tests.asgi.application"),
        (".application", "not the dotted path", "tests.asgi.application"),
        (
            "tests.support.checks.onyl",
            "no name 'onyl'",
            "'tests.support.checks.only'",
        ),
        (5, "of the type int", "tests.asgi.application"),
    ],
)
@pytest.mark.usefixtures("package")
def test_application_that_names_nothing_is_a_warning(settings, given, reason, near):
    settings.ASGI_APPLICATION = given
    told = only()
    assert told.id == f"{PREFIX}W027"
    assert repr(given) in told.msg
    assert reason in told.msg
    assert near in told.hint
    assert "boutique" not in sys.modules


def test_module_of_an_application_that_is_no_python_is_a_warning(settings, package):
    (package / "asgi.py").write_text("application = (\n")
    settings.ASGI_APPLICATION = "boutique.asgi.application"
    assert "cannot be read: '(' was never closed" in only().msg


@pytest.mark.parametrize("name", ["application", "factory", "system"])
@pytest.mark.usefixtures("package")
def test_application_that_is_there_is_left_in_peace(settings, name):
    settings.ASGI_APPLICATION = f"boutique.asgi.{name}"
    assert found() == {}
    assert "boutique" not in sys.modules


@pytest.mark.parametrize(
    "source",
    [
        "from .other import *",
        "def __getattr__(name): ...",
        "globals()['application'] = 1",
        "exec('application = 1')",
        "from .other import thing as application",
        "import application.parts",
        "with open('x') as application: ...",
        "for application in (): ...",
        "(application := 1)",
        "application: object = 1",
        "class application: ...",
        "async def application(scope, receive, send): ...",
    ],
)
def test_application_that_may_be_there_is_left_in_peace(settings, package, source):
    (package / "asgi.py").write_text(source)
    settings.ASGI_APPLICATION = "boutique.asgi.application"
    assert found() == {}


def test_typo_is_one_warning_of_a_deployment(settings, package):
    settings.ASGI_APPLICATION = "boutique.asgi.aplication"
    settings.SOCKET_STATUS = {"SUMMARY_ACCESS": "staff"}
    (package / "__init__.py").write_text("")
    assert set(found(deploy=True)) == {"W027"}
