"""The project that the pages of recipes belong to, made of what they show.

A block of a page whose first line names a file is that file. The blocks of all pages
make one project, whose tests run in one process: importing Django takes longer than
they do.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.support.source import ROOT

DOCS = ROOT / "docs"

BLOCK = re.compile(r"^```(python|py|django)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"(?:# |\{# )([\w/.-]+\.(?:py|html))(?: #\})?\n")

SETTINGS = """
from tests.settings import *

INSTALLED_APPS = [*INSTALLED_APPS, "myproject"]
TEMPLATES = [{**TEMPLATES[0], "DIRS": ["templates"]}]
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
ROOT_URLCONF = "myproject.urls"
ASGI_APPLICATION = "myproject.asgi.application"
"""

CONSUMERS = """
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django_socket_status.consumers import SocketStatusMixin


class CallConsumer(SocketStatusMixin, AsyncJsonWebsocketConsumer):
    async def receive_json(self, content):
        await self.send_json(content)
"""

ASGI = """
from channels.routing import ProtocolTypeRouter, URLRouter

application = ProtocolTypeRouter({"websocket": URLRouter([])})
"""

PRICES = """
from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.services import SocketStatusService


def prices_are_wanted():
    try:
        return SocketStatusService.has_listeners("price")
    except StatusUnavailableError:
        return True
"""

#: What the pages take for granted.
GIVEN = {
    "pytest.ini": "[pytest]\nfilterwarnings = error\n"
    "asyncio_default_fixture_loop_scope = function\n"
    "DJANGO_SETTINGS_MODULE = myproject.settings\ndjango_find_project = false\n",
    "myproject/__init__.py": "",
    "myproject/asgi.py": ASGI,
    "myproject/consumers.py": CONSUMERS,
    "myproject/prices.py": PRICES,
    "myproject/settings.py": SETTINGS,
    "myproject/urls.py": "urlpatterns = []\n",
}


def files_of(page: Path) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each file that a page shows."""
    for _, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        if named := NAMED.match(text):
            yield named[1], text


def write(directory: Path, pages: list[Path]) -> list[str]:
    """Write the project of some pages; return the names of their files."""
    shown: dict[str, str] = {}
    for page in pages:
        for name, text in files_of(page):
            assert name not in shown, f"two pages show {name}"
            shown[name] = text
    for name, text in {**GIVEN, **shown}.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(shown)


def run(directory: Path, *options: str) -> str:
    """Run the tests of a project; return what pytest says."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider"),
            *("-p", "no:xdist", "-p", "django_socket_status.pytest_plugin"),
            *("-v", "--timeout", "300", "--tb=short", *options),
        ],
        cwd=directory,
        env={"PYTHONPATH": f"{directory}:{ROOT}", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def passed(told: str) -> set[str]:
    """Return the files with a test that passed."""
    return set(re.findall(r"^(\S+\.py)::\S+ PASSED", told, re.MULTILINE))
