"""The project that the pages of recipes belong to, made of what they show.

A block of a page whose first line names a file is that file. The blocks of all pages
make one project, whose tests run in one process: importing Django takes longer than
they do.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.support.source import ROOT

DOCS = ROOT / "docs"

#: Tests of what pages replace.
BEFORE = Path(__file__).parent / "before"

BLOCK = re.compile(r"^```(python|py|django|diff)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"(?:# |\{# )([\w/.-]+\.(?:py|html))(?: #\})?\n")

SETTINGS = """
from tests.settings import *

INSTALLED_APPS = [*INSTALLED_APPS, "myproject"]
TEMPLATES = [{**TEMPLATES[0], "DIRS": ["templates"]}]
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
# A database in memory is not closed by the thread that has opened it.
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": "site.sqlite3",
        "TEST": {"NAME": "test.sqlite3"},
    }
}
INSTALLED_APPS += ["django_tasks_db"]
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
ROOT_URLCONF = "myproject.urls"
ASGI_APPLICATION = "myproject.asgi.application"
"""

CONSUMERS = """
from channels.generic import websocket
from django_socket_status.consumers import SocketStatusMixin


class CallConsumer(SocketStatusMixin, websocket.AsyncJsonWebsocketConsumer):
    async def receive_json(self, content):
        await self.send_json(content)
"""

CHAT = """

class ChatConsumer(SocketStatusMixin, websocket.AsyncWebsocketConsumer):
    async def connect(self):
        self.group = "chat." + self.scope["url_route"]["kwargs"]["room"]
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, code):
        await self.channel_layer.group_discard(self.group, self.channel_name)

    async def chat_message(self, event):
        await self.send(event["text"])
"""

ASGI = """
from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.urls import path
from myproject.consumers import CallConsumer, ChatConsumer

routes = [
    path("ws/call/<room>/", CallConsumer.as_asgi()),
    path("ws/chat/<room>/", ChatConsumer.as_asgi()),
]
application = ProtocolTypeRouter(
    {"websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(routes)))}
)
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
    "myproject/consumers.py": CONSUMERS + CHAT,
    "myproject/messages.py": "def tell(room, text):\n    pass\n",
    "myproject/prices.py": PRICES,
    "myproject/settings.py": SETTINGS,
    "myproject/urls.py": "urlpatterns = []\n",
}


def files_of(page: Path, sign: str = "+") -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each file that a page shows.

    Of a change, that is the text after it, or with ``"-"`` the one before it.
    """
    for language, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        if language == "diff":
            text = side_of(text, sign)
        if named := NAMED.match(text):
            yield named[1], text


def side_of(diff: str, sign: str) -> str:
    """Return the text before a change (``"-"``), or after it (``"+"``)."""
    lines = [it for it in diff.splitlines() if not it or it[0] in (" ", sign)]
    return "".join(f"{line[1:]}\n" for line in lines)


def has_changes(page: Path) -> bool:
    """Return whether a page shows changes."""
    return "\n```diff\n" in page.read_text(encoding="utf-8")


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


def write_before(directory: Path, pages: list[Path]) -> list[str]:
    """Write the project of some pages before their changes; return its tests."""
    write(directory, [])
    with (directory / "myproject" / "settings.py").open("a", encoding="utf-8") as file:
        file.write('INSTALLED_APPS += ["benchmarks.presence.PresenceConfig"]\n')
    for page in pages:
        for name, text in files_of(page, "-"):
            if not name.startswith("tests/"):
                (directory / name).write_text(text, encoding="utf-8")
    (directory / "tests").mkdir()
    names = []
    for test in BEFORE.glob("*.py"):
        names.append(f"tests/test_{test.name}")
        shutil.copy(test, directory / names[-1])
    return names


def run(directory: Path, *options: str) -> str:
    """Run the tests of a project; return what pytest says."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider"),
            *("-p", "no:xdist", "-p", "django_socket_status.pytest_plugin"),
            # No page needs it, and it takes a second to import.
            *("-p", "no:schemathesis"),
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
