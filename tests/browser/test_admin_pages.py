"""Every page of the admin under a strict policy, for every eye and language."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from tests.browser import screenshots
from tests.browser.conftest import Site, Visit
from tests.browser.states.pages import ADMIN, PAGES
from tests.support.source import ROOT
from tests.test_locale import catalog_of

pytestmark = pytest.mark.browser

#: The languages of ours, by what a browser asks for; a page is seen in one of them.
LANGUAGES = {"de": "de", "fr": "fr", "es": "es", "zh-CN": "zh_Hans"}
OF_PAGE = dict(zip(PAGES, cycle(LANGUAGES), strict=False))

#: The texts of the pages that were seen.
ENGLISH: dict[str, list[str]] = {}

#: Formats, the status of an answer, and minutes.
INTERNATIONAL = re.compile(r"CSV|JSON|HTTP \d+|\d+ min")

#: More need not be reached: the links of the rows are alike.
KEYS = 40
Look = Callable[..., tuple[Visit, dict[str, str]]]

FOCUSABLE = """() => {
  const all = "a[href], button, input, select, summary, [tabindex='0']";
  const seen = (it) => it.checkVisibility() && it.type !== "hidden";
  globalThis.focusable = () =>
    [...document.querySelectorAll(`#ss :is(${all})`)].filter(seen);
  globalThis.wanted = focusable();
  globalThis.reached = [];
  globalThis.listens ??= document.addEventListener("focusin", ({ target }) => {
    const { outlineStyle, boxShadow } = getComputedStyle(target);
    reached.push([target, outlineStyle !== "none" || boxShadow !== "none"]);
  }) ?? true;
  wanted[0].focus({ focusVisible: true });
  return wanted.length;
}"""
MISSED = """(keys) => wanted.slice(0, keys).flatMap((it, at) => {
  const [target, isMarked] = reached[at] ?? [];
  return target === it && isMarked ? [] : [it.outerHTML.slice(0, 200)];
})"""

CHANGED = """() => {
  const now = focusable();
  return now.length !== wanted.length || now.some((it, at) => it !== wanted[at]);
}"""

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


def walk(visit: Visit) -> None:
    """Press Tab until every element that takes the focus had it."""
    for _ in range(min(visit.page.evaluate(FOCUSABLE), KEYS) - 1):
        visit.page.keyboard.press("Tab")


def complaints(visit: Visit) -> list[str]:
    """Return what the browser said, but for the status of a page that is an error."""
    return [it for it in visit.complaints if "Failed to load resource" not in it]


@pytest.mark.parametrize("name", PAGES)
def test_page_is_for_every_eye_and_the_keyboard(look: Look, name: str) -> None:
    visit = look(name)
    resize(visit, 1400)
    ENGLISH[name] = visit.page.evaluate(TEXTS)
    visit.page.emulate_media(color_scheme="light", forced_colors="none")
    visit.page.evaluate(
        "document.querySelector('.ss-filters')?.toggleAttribute('open')"
    )
    assert visit.violations() == []
    assert overflow(visit) == 0
    visit.page.emulate_media(forced_colors="active")
    assert visit.violations("color-contrast", within="#ss") == []
    # A window of 1,280 pixels at 200 %.
    resize(visit, 640)
    assert overflow(visit) == 0
    walk(visit)
    # The page may have followed its command meanwhile.
    while visit.page.evaluate(CHANGED):
        walk(visit)
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
    english = ENGLISH.get(name) or look(name).page.evaluate(TEXTS)
    visit = look(name, language)
    same = {
        message.id
        for message in catalog_of(LANGUAGES[language])
        if message.id == message.string
    }
    texts = {*english} & {*visit.page.evaluate(TEXTS)}
    assert {it for it in texts if not INTERNATIONAL.fullmatch(it)} <= same
    for width in (390, 1400):
        resize(visit, width)
        assert overflow(visit) == 0


#: What each state says, and what the bar calls it; the next step is tested elsewhere.
SAYS = {
    "new": ("No process has served a WebSocket yet.", "Live"),
    "wsgi": ("This one is WSGI, and cannot.", "Live"),
    "idle": ("No connection is open.", "Live"),
    "partial": ("1 worker is still reporting.", "Live"),
    "counts": ("only counts are kept.", "Live"),
    "draining": ("1 worker is draining", "Live"),
    "stale": ("The status cannot be read now: these numbers", "Not up to date"),
    "unreadable": ("The status cannot be read now.", None),
}


#: The pages that hold no text of a client or a user.
PLAIN = {"disconnect some", "gone", "log"}


@pytest.mark.parametrize("state", SAYS)
def test_state_says_what_it_is(states: Site, visit: Any, state: str) -> None:
    seen = visit(f"{states.origin}/state/{state}/")
    text, pill = SAYS[state]
    give_up_at = time.monotonic() + 60
    # What was read before is old after two seconds.
    while True:
        seen.page.goto(states.origin + ADMIN)
        if text in seen.page.inner_text("#ss"):
            break
        assert time.monotonic() < give_up_at
    if pill is not None:
        assert seen.page.locator("#ss-pill").inner_text() == pill
    resize(seen, 390)
    assert overflow(seen) == 0
    # The other parts are those of the overview above.
    notes = seen.page.locator("#ss-notes").count()
    assert seen.violations(within="#ss-notes" if notes else "#ss") == []
    assert complaints(seen) == []


def test_payloads_are_text_and_fit_a_narrow_screen(states: Site, visit: Any) -> None:
    seen = visit(f"{states.origin}/state/hostile/")
    names = json.loads(seen.page.inner_text("body"))
    seen.page.on("dialog", lambda dialog: seen.complaints.append(dialog.message))
    resize(seen, 390)
    for name, path in PAGES.items():
        seen.page.goto(states.origin + ADMIN + path.format(**names))
        assert seen.page.locator("#ss").get_by_text("<img").count() or name in PLAIN
        assert seen.page.locator("#ss :is(img, script)").count() == 0, name
        assert overflow(seen) == 0, name
    assert complaints(seen) == []


def test_screenshots_are_taken_and_those_of_the_documentation_are_there(
    states: Site, browser: Any, tmp_path: Path
) -> None:
    screenshots.Photographer(states, browser).state("wsgi", tmp_path)
    assert len(list(tmp_path.iterdir())) == 4
    names = {f"{it.name}.png" for it in screenshots.DOCS}
    assert names == {it.name for it in screenshots.IMAGES.glob("admin-*")}
    pages = "".join(it.read_text() for it in (ROOT / "docs/how-to").glob("*admin*.md"))
    assert all(f"images/{it}" in pages for it in names)


class Replay:
    """Answers each question of a page at once, and differently each time."""

    def __init__(self, ask: Callable[[str], Any]) -> None:
        self.number = 0
        self.answers = [ask(it) for it in ("now/", "plots/")]

    def __call__(self, route: Any) -> None:
        self.number += 1
        old = self.answers["/plots/" in route.request.url]
        # Other workers, types and numbers; every second time, the rows of a type go.
        text = re.sub(r"0{10}(\d+)", rf"{self.number:010x}\1", old.text())
        text = text.replace("web-", f"web{self.number}-").replace("call", "kind")
        if self.number % 2:
            text = re.sub(r"<tr>.*?stt_room.*?</tr>", "", text)
        tag = {"etag": f'"{self.number}"'}
        route.fulfill(status=200, body=text, headers={**old.headers, **tag})


#: Asks again at once.
AT_ONCE = "const wait = setTimeout; setTimeout = (call) => wait(call, 0);"


def test_tab_that_stays_open_does_not_grow(states: Site, browser: Any) -> None:
    """As many updates as in an hour, of which the first ones are not compared."""
    with contextlib.closing(browser.new_context()) as context:
        ask = context.request.get
        ask(f"{states.origin}/state/busy/")
        replay = Replay(lambda path: ask(states.origin + ADMIN + path))
        page = context.new_page()
        page.add_init_script(AT_ONCE)
        page.route(re.compile(r"/(now|plots)/"), replay)
        page.goto(states.origin + ADMIN)
        measured = [size_after(page, replay, 60 + 15 * it) for it in range(16)]
    quarter = len(measured) // 4
    for first, last in zip(
        zip(*measured[:quarter], strict=True),
        zip(*measured[-quarter:], strict=True),
        strict=True,
    ):
        assert min(last) <= max(first) * 1.03, measured


def size_after(page: Any, replay: Replay, updates: int) -> tuple[int, int, int]:
    """Return the nodes, listeners and bytes of a page, without garbage."""
    while replay.number < updates:
        page.wait_for_event("response")
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    counts = session.send("Memory.getDOMCounters")
    heap = session.send("Runtime.getHeapUsage")
    session.detach()
    return counts["nodes"], counts["jsEventListeners"], heap["usedSize"]
