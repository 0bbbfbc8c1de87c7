"""Every page of the admin under a strict policy, for every eye and language."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

import pytest

from tests.browser.conftest import Site, Visit
from tests.browser.states.pages import ADMIN, PAGES
from tests.test_locale import catalog_of

pytestmark = pytest.mark.browser

#: The languages of ours, by what a browser asks for; a page is seen in one of them.
LANGUAGES = {"de": "de", "fr": "fr", "es": "es", "zh-CN": "zh_Hans"}
OF_PAGE = dict(zip(PAGES, cycle(LANGUAGES), strict=False))

#: Formats, the status of an answer, and minutes.
INTERNATIONAL = re.compile(r"CSV|JSON|HTTP \d+|\d+ min")

#: More need not be reached: the links of the rows are alike.
KEYS = 40
Look = Callable[..., tuple[Visit, dict[str, str]]]

FOCUSABLE = """() => {
  const all = "a[href], button, input, select, summary, [tabindex='0']";
  const seen = (it) => it.checkVisibility() && it.type !== "hidden";
  globalThis.wanted = [...document.querySelectorAll(`#ss :is(${all})`)].filter(seen);
  globalThis.reached = [];
  document.addEventListener("focusin", ({ target }) => {
    const { outlineStyle, boxShadow } = getComputedStyle(target);
    reached.push([target, outlineStyle !== "none" || boxShadow !== "none"]);
  });
  wanted[0].focus({ focusVisible: true });
  return wanted.length;
}"""
MISSED = """(keys) => wanted.slice(0, keys).flatMap((it, at) => {
  const [target, isMarked] = reached[at] ?? [];
  return target === it && isMarked ? [] : [it.outerHTML.slice(0, 200)];
})"""

TEXTS = """() => {
  const found = [], walker = document.createTreeWalker(
    document.getElementById("ss"), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const { parentElement, data } = walker.currentNode;
    const isData = parentElement.closest("bdi, code, time, option");
    if (!isData && /\\p{L}{2}/u.test(data)) found.push(data.trim());
  }
  return found;
}"""


@pytest.fixture(scope="module")
def look(states: Site, browser: Any) -> Iterator[Look]:
    """Open a page by its name, in one of some browsers that are signed in."""
    visits: dict[str, Visit] = {}
    names: dict[str, str] = {}

    def look(name: str, language: str = "en-US") -> Visit:
        if language not in visits:
            context = browser.new_context(locale=language)
            visits[language] = Visit(context)
            state = "again" if names else "busy"
            names.update(context.request.get(f"{states.origin}/state/{state}/").json())
        visit = visits[language]
        visit.complaints.clear()
        visit.page.goto(states.origin + ADMIN + PAGES[name].format(**names))
        return visit

    yield look
    for visit in visits.values():
        visit.page.context.close()


def resize(visit: Visit, width: int) -> None:
    visit.page.set_viewport_size({"width": width, "height": 844})


def overflow(visit: Visit) -> int:
    return visit.page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )


def complaints(visit: Visit) -> list[str]:
    """Return what the browser said, but for the status of a page that is an error."""
    return [it for it in visit.complaints if "Failed to load resource" not in it]


@pytest.mark.parametrize("name", PAGES)
def test_page_is_for_every_eye_and_the_keyboard(look: Look, name: str) -> None:
    visit = look(name)
    resize(visit, 1400)
    visit.page.emulate_media(color_scheme="light", forced_colors="none")
    assert visit.violations() == []
    assert overflow(visit) == 0
    visit.page.emulate_media(forced_colors="active")
    assert visit.violations("color-contrast", within="#ss") == []
    # A window of 1,280 pixels at 200 %.
    resize(visit, 640)
    assert overflow(visit) == 0
    count = visit.page.evaluate(FOCUSABLE)
    for _ in range(min(count, KEYS) - 1):
        visit.page.keyboard.press("Tab")
    assert visit.page.evaluate(MISSED, KEYS) == []
    assert complaints(visit) == []


@pytest.mark.parametrize("name", PAGES)
def test_page_fits_a_narrow_dark_screen_from_right_to_left(
    look: Look, name: str
) -> None:
    visit = look(name, "ar")
    resize(visit, 390)
    visit.page.emulate_media(color_scheme="dark")
    assert visit.page.evaluate("document.documentElement.dir") == "rtl"
    assert overflow(visit) == 0
    assert visit.violations("color-contrast") == []
    assert complaints(visit) == []


@pytest.mark.parametrize("name", PAGES)
def test_page_is_translated_and_fits(look: Look, name: str) -> None:
    language = OF_PAGE[name]
    english = set(look(name).page.evaluate(TEXTS))
    visit = look(name, language)
    same = {
        message.id
        for message in catalog_of(LANGUAGES[language])
        if message.id == message.string
    }
    texts = english & set(visit.page.evaluate(TEXTS))
    assert {it for it in texts if not INTERNATIONAL.fullmatch(it)} <= same
    for width in (390, 1400):
        resize(visit, width)
        assert overflow(visit) == 0
