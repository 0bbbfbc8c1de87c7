"""The script writes what the server wrote, except for the value, in every language.

No server is needed: the tests render the pages and give Chromium each answer.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.conf import global_settings
from django.template import Context, Template
from django.utils import translation
from django.utils.html import escape
from django.utils.translation import gettext
from playwright.sync_api import Route

from django_socket_status.services import SocketStatusService
from tests.browser.conftest import Visit, wait_for
from tests.support.source import PACKAGE

pytestmark = pytest.mark.browser

Visits = Callable[..., Visit]

STATIC = PACKAGE / "static"
ORIGIN = "http://badge.test"

LANGUAGES = [code for code, _ in global_settings.LANGUAGES]

#: Each plural form of each of Django's languages, and each number of groups.
COUNTS = [
    *(0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 14, 19, 20, 21, 22, 31, 71, 100, 101, 102),
    *(111, 112, 999, 1000, 1001, 9999, 10_000, 12_345, 100_000, 999_999),
    *(1_000_000, 1_000_001, 2_000_000, 12_345_678, 1_234_567_890),
]

FORMS = "|".join(f"{{count}} form {number} of {{count}}" for number in "012345")

LABELS = """() => [...document.querySelectorAll("socket-status")].map(
  (badge) => badge.shadowRoot.querySelector("[part=label]").textContent)"""

DOT = """(badge) => getComputedStyle(
  badge.shadowRoot.querySelector("[part=dot]")).backgroundColor"""

CLEAR = "rgba(0, 0, 0, 0)"

REFRESH = "globalThis[Symbol.for('django-socket-status/v1')].refresh()"


class World:
    """What the server knows, and a page of it for a browser without a server."""

    def __init__(self) -> None:
        self.count = 0
        self.stale = False
        self.types: dict[str, int] = {}
        self.body = ""
        self.missing: set[str] = set()
        self.threads = ThreadPoolExecutor(1)

    def summary(self) -> dict[str, Any]:
        return {
            "active": self.count > 0,
            "total_sockets": self.count,
            "sockets_by_type": self.types,
            "timestamp": "2026-11-22T10:30:45.123456+00:00",
            "ws_endpoints": {},
            "stale": self.stale,
        }

    def render(self, source: str, language: str = "en", **context: object) -> str:
        # In a thread: Playwright keeps an event loop running in this one.
        return self.threads.submit(_render, source, language, context).result()

    def said(self, source: str, language: str = "en", **context: object) -> str:
        """Return what the server's rendering says, without its time."""
        badge = self.render(source, language, **context)
        with translation.override(language):
            frame = re.escape(str(escape(gettext("{text} as of {time}"))))
        pattern = frame.replace(r"\{text\}", "(.*?)").replace(
            r"\{time\}", "<time.*</time>"
        )
        badge = re.sub(f">{pattern}<", r">\1<", badge)
        text = re.sub("<[^>]*>", "", badge)
        return text.replace("&quot;", '"').replace("&#x27;", "'")

    def answer(self, route: Route) -> None:
        path = route.request.url.removeprefix(ORIGIN)
        if any(name in path for name in self.missing):
            route.fulfill(status=404)
        elif path == "/":
            route.fulfill(body=self.page(), content_type="text/html; charset=utf-8")
        elif path == "/socket-status/":
            route.fulfill(json=self.summary())
        elif path.startswith("/static/"):
            route.fulfill(path=STATIC / path.removeprefix("/static/"))
        else:
            route.fulfill(status=404)

    def page(self) -> str:
        scripts = self.render("{% socket_status_scripts %}")
        icon = '<link rel="icon" href="data:,">'
        return f"<!doctype html><html lang='en'>{icon}{scripts}{self.body}</html>"


@functools.cache
def _template(source: str) -> Template:
    return Template("{% load socket_status %}" + source)


def _render(source: str, language: str, context: dict[str, object]) -> str:
    with translation.override(language):
        return _template(source).render(Context(context))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    world = World()
    monkeypatch.setattr(
        SocketStatusService, "get_socket_info_summary", staticmethod(world.summary)
    )
    with world.threads:
        yield world


@pytest.fixture
def opened(world: World, visit: Visits) -> Callable[..., Visit]:
    def open_page(body: str, **options: object) -> Visit:
        world.body = body
        seen = visit("about:blank", **options)
        seen.page.route("**/*", world.answer)
        seen.page.goto(f"{ORIGIN}/")
        return seen

    return open_page


SOURCES = ["{% socket_status %}", "{% socket_status text=text %}"]


@pytest.mark.parametrize("source", SOURCES, ids=["number", "plural forms"])
def test_only_the_value_changes_when_a_script_takes_over(
    world: World, opened: Callable[..., Visit], source: str
) -> None:
    badges = [world.render(source, code, text=FORMS) for code in LANGUAGES]
    # An answer that is not the one which the server rendered.
    world.count = 5
    seen = opened("<br>".join(badges), locale="hi-IN")
    wait_for(lambda: seen.page.evaluate(LABELS)[-1].strip() != "")
    for count in COUNTS:
        for world.stale in (False, True):
            world.count = count
            seen.page.evaluate(REFRESH)
            expected = [world.said(source, code, text=FORMS) for code in LANGUAGES]
            labels = seen.page.evaluate(LABELS)
            wrong = [
                (code, label, said)
                for code, label, said in zip(LANGUAGES, labels, expected, strict=True)
                if label != said
            ]
            assert not wrong, (count, wrong[:5])
    assert seen.complaints == []


@pytest.mark.parametrize(
    "name",
    ["constructor", "__proto__", "toString", "hasOwnProperty", "valueOf"],
)
def test_type_with_an_inherited_name_counts_its_sockets(
    world: World, opened: Callable[..., Visit], name: str
) -> None:
    world.count = 3
    seen = opened(world.render("{% socket_status name %}", name=name))
    seen.says("0 live")
    assert seen.page.locator("socket-status").get_attribute("state") == "idle"
    world.types = {name: 2}
    seen.page.evaluate(REFRESH)
    seen.says("2 live")
    assert seen.page.locator("socket-status").get_attribute("state") == "active"
    assert seen.complaints == []


@pytest.mark.parametrize(
    "missing", [["socket-status"], ["socket-status.js"], ["-element.js"]], ids=str
)
def test_number_does_not_look_live_without_its_scripts(
    world: World, opened: Callable[..., Visit], missing: list[str]
) -> None:
    world.count = 12
    body = world.render("{% socket_status %}")
    world.count = 99
    world.missing.update(missing)
    seen = opened(body)
    badge = seen.page.locator("socket-status")
    assert badge.inner_text().startswith("12 live as of 11/22/2026")
    assert badge.get_attribute("data-as-of") is not None
    if missing == ["socket-status.js"]:
        wait_for(lambda: badge.evaluate("(badge) => badge.shadowRoot !== null"))
        assert badge.evaluate(DOT) == CLEAR


def test_number_is_as_of_then_until_there_is_an_answer(
    world: World, opened: Callable[..., Visit]
) -> None:
    world.count = 12
    body = world.render("{% socket_status %}")
    world.count = 13
    held: list[Route] = []
    seen = opened("")
    seen.page.route("**/socket-status/", lambda route: held.append(route))
    world.body = body
    seen.page.reload()
    wait_for(lambda: seen.page.evaluate("1") == 1 and bool(held))
    badge = seen.page.locator("socket-status")
    assert badge.inner_text().startswith("12 live as of ")
    assert badge.evaluate(DOT) == CLEAR
    for route in held:
        route.fulfill(json=world.summary())
    seen.says("13 live")
    assert badge.get_attribute("data-as-of") is None
    assert badge.evaluate(DOT) != CLEAR


@pytest.mark.parametrize("language", ["en_GB", "no such"])
def test_language_that_browsers_do_not_know_hides_no_number_of_the_page(
    world: World, opened: Callable[..., Visit], language: str
) -> None:
    world.count = 12_345
    seen = opened(
        f"<p lang='{language}'><socket-status></socket-status>", locale="en-GB"
    )
    seen.says("12,345 live")
    assert seen.complaints == []


def test_element_that_no_server_rendered_has_the_words_of_the_page(
    world: World, opened: Callable[..., Visit]
) -> None:
    world.count = 12_345
    seen = opened(
        "<div lang='de'><socket-status></socket-status>"
        "<socket-status data-text='{count} Ruf|{count} Rufe'></socket-status></div>"
    )
    seen.says("12.345 live")
    seen.says("12.345 Rufe", index=1)
    world.count = 1
    seen.page.evaluate(REFRESH)
    seen.says("1 Ruf", index=1)
    world.stale = True
    seen.page.evaluate(REFRESH)
    seen.says("1 live, not up to date")
    seen.says("1 Ruf, not up to date", index=1)
    assert seen.complaints == []
