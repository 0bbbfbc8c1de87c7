"""The files of the guides to deployments and health are valid, and do what they say."""

from __future__ import annotations

import argparse
import configparser
import re
import shlex
import shutil
import subprocess
import sys
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from django_socket_status.cli.arguments import add_arguments
from django_socket_status.operations.drainage import AFTERWARDS_SECONDS
from tests.support.source import ROOT

HOW_TO = ROOT / "docs" / "how-to"
DEPLOYMENT = (HOW_TO / "deploy-without-a-storm.md").read_text(encoding="utf-8")
HEALTH = (HOW_TO / "health.md").read_text(encoding="utf-8")

#: What the command needs to start, on a busy node.
START_SECONDS = 10.0


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.M | re.S)


def block(language: str) -> str:
    (found,) = blocks(DEPLOYMENT, language)
    return found


def seconds_of(hook: Sequence[str], server: Sequence[str]) -> float:
    """Return what a stop takes: the hook, and the shutdown of the server."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    given = parser.parse_args(hook[hook.index("socket_status") + 1 :])
    assert given.subcommand == "drain"
    assert given.this_host and given.wait
    place = server.index("--timeout-graceful-shutdown")
    shutdown = float(server[place + 1])
    return given.grace + given.over + AFTERWARDS_SECONDS + shutdown + START_SECONDS


@pytest.fixture
def deployment() -> Any:
    found, budget = yaml.safe_load_all(block("yaml"))
    assert (found["kind"], budget["kind"]) == ("Deployment", "PodDisruptionBudget")
    assert budget["spec"]["selector"] == found["spec"]["selector"]
    return found


def test_pod_has_time_for_grace_window_and_shutdown(deployment):
    labels = deployment["spec"]["selector"]["matchLabels"]
    template = deployment["spec"]["template"]
    assert template["metadata"]["labels"] == labels
    (container,) = template["spec"]["containers"]
    hook = container["lifecycle"]["preStop"]["exec"]["command"]
    needed = seconds_of(hook, container["command"])
    assert template["spec"]["terminationGracePeriodSeconds"] >= needed


def test_unit_has_time_for_grace_window_and_shutdown():
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(block("ini"))
    service = unit["Service"]
    hook, server = map(shlex.split, (service["ExecStop"], service["ExecStart"]))
    # A drain whose time ran out is no failure of the service.
    assert hook[0].startswith("-/")
    assert float(service["TimeoutStopSec"]) >= seconds_of(hook, server)


@pytest.fixture
def systemd(tmp_path: Path) -> Path:
    """Return a directory with the units of both guides, and what they start."""
    shop = tmp_path / "shop"
    for program in ("uvicorn", "python"):
        file = shop / ".venv" / "bin" / program
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(0o755)
    units = {"shop.service": block("ini")}
    for text in blocks(HEALTH, "ini"):
        named = re.match(r"# /etc/systemd/system/(\S+)\n", text)
        assert named
        units[named[1]] = text
    assert len(units) == 3
    for name, text in units.items():
        (tmp_path / name).write_text(text.replace("/srv/shop", str(shop)))
    return tmp_path


def test_systemd_finds_nothing_wrong_with_the_units(systemd: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("there is no systemd-analyze on the PATH: install Debian's systemd")
    units = sorted(map(str, [*systemd.glob("*.service"), *systemd.glob("*.timer")]))
    # Of what they name, only units that are here can be judged.
    words = ["verify", "--man=no", "--recursive-errors=no", *units]
    done = subprocess.run(
        [program, *words], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def probes() -> dict[str, Any]:
    (text,) = blocks(HEALTH, "yaml")
    (container,) = yaml.safe_load(text)["containers"]
    found = {name: it["httpGet"] for name, it in container.items() if "Probe" in name}
    assert set(found) == {"livenessProbe", "readinessProbe"}
    return found


@pytest.fixture
def guide(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Callable[[], Any]:
    """Return what makes the application of the guide, in a project as it assumes."""
    settings.ALLOWED_HOSTS = ["www.example.com"]
    settings.ROOT_URLCONF = "tests.urls"
    settings.MIDDLEWARE = [
        "django.middleware.security.SecurityMiddleware",
        *settings.MIDDLEWARE,
    ]
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    routing = types.ModuleType("myproject.routing")
    routing.websocket_urlpatterns = []  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "myproject", types.ModuleType("myproject"))
    monkeypatch.setitem(sys.modules, routing.__name__, routing)
    return lambda: names_in(python_with("# asgi.py\n"))["application"]


def python_with(words: str) -> str:
    (text,) = (it for it in blocks(HEALTH, "python") if words in it)
    return text


def names_in(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    exec(text, found)
    return found


async def asked(application: Any, path: str, **headers: str) -> httpx.Response:
    """Ask as the kubelet does, which takes the pod's address for the host."""
    transport = httpx.ASGITransport(application)
    base_url = "http://10.0.0.7:8000"
    async with httpx.AsyncClient(transport=transport, base_url=base_url) as client:
        return await client.get(path, headers=headers)


async def test_probes_get_an_answer_of_the_application_of_the_guide(
    probes: dict[str, Any], guide: Callable[[], Any]
) -> None:
    application = guide()
    for probe in probes.values():
        headers = {it["name"]: it["value"] for it in probe.get("httpHeaders", ())}
        answer = await asked(application, probe["path"], **headers)
        assert (answer.status_code, answer.json()["status"]) == (200, "ok")


async def test_probe_needs_its_headers_or_the_exemption(
    probes: dict[str, Any], guide: Callable[[], Any], settings: Any
) -> None:
    path = probes["readinessProbe"]["path"]
    host = {"host": "www.example.com"}
    application = guide()
    assert (await asked(application, path)).status_code == 400
    assert (await asked(application, path, **host)).status_code == 301
    for name, value in names_in(python_with("REDIRECT_EXEMPT")).items():
        if name.isupper():
            setattr(settings, name, value)
    assert (await asked(guide(), path, **host)).status_code == 200
