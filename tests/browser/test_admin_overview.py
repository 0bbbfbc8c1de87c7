"""The overview of the admin page, as staff see it, under a strict policy."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Site, Visit, wait_for

pytestmark = pytest.mark.browser

OVERVIEW = "/admin/django_socket_status/socketstatus/"
#: Makes the page ask every half second.
QUICK = """
const wait = globalThis.setTimeout;
globalThis.setTimeout = (call, delay) => wait(call, Math.min(delay, 500));
"""
#: The favicon that the site of the tests does not have.
KNOWN = re.compile(r"404 \(Not Found\)")


@pytest.fixture(scope="module")
def session(site: Site, browser) -> list:
    """Return the cookies of a superuser."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{site.origin}/admin/login/")
    page.fill("[name=username]", "ada")
    page.fill("[name=password]", "ada")
    page.click("[type=submit]")
    cookies = context.cookies()
    context.close()
    return cookies


@pytest.fixture
def see(site: Site, session: list, browser) -> Iterator[Callable[..., Visit]]:
    """Open the overview as a superuser."""
    contexts: list[BrowserContext] = []

    def see(
        path: str = OVERVIEW, *, with_clock: bool = False, **options: object
    ) -> Visit:
        context = browser.new_context(**options)
        if with_clock:
            context.clock.install()
        contexts.append(context)
        context.add_cookies(session)
        context.add_init_script(QUICK)
        visit = Visit(context)
        visit.page.goto(f"{site.origin}{path}")
        return visit

    yield see
    for context in contexts:
        context.close()


def complaints(visit: Visit) -> list[str]:
    return [it for it in visit.complaints if not KNOWN.search(it)]


def is_open(page: Page, count: int) -> None:
    expect(page.locator("#ss-open")).to_have_text(str(count), timeout=60_000)


def test_page_works_without_javascript(site, see):
    with site.open():
        wait_for(lambda: site.total() == 1)
        page = see(java_script_enabled=False).page
        is_open(page, 1)
        expect(page.locator("#ss-pause")).to_be_hidden()
        expect(page.get_by_role("link", name="Refresh")).to_be_visible()
        page.get_by_role("link", name="6 hours").click()
        expect(page.locator("#ss-spans [aria-current]")).to_have_text("6 hours")


def test_page_follows_the_server_and_violates_no_policy(site, see):
    visit = see()
    is_open(visit.page, 0)
    expect(visit.page.locator("#ss-pill")).to_have_text("Live")
    with site.open():
        is_open(visit.page, 1)
        expect(visit.page.locator("#types tbody th")).to_have_text("call")
    is_open(visit.page, 0)
    assert complaints(visit) == []


MORPH = """async () => {
    const script = document.querySelector("[src$='page.js']");
    const { morph, duration } = await import(script.src);
    const make = (html) => {
        const element = document.createElement("div");
        element.innerHTML = html;
        return element;
    };
    const live = make(` <p>old</p><a id=a href=1>a</a>
        <details id=d><p>1</p></details><i id=i>x</i>`);
    document.body.append(live);
    const [link, details] = [live.querySelector("#a"), live.querySelector("#d")];
    link.focus();
    details.open = true;
    const next = make(`<p>new</p><b>b</b><a id=a href=2>a</a
        ><details id=d><p>2</p></details>`);
    morph(live, next);
    return {
        same: live.querySelector("#a") === link && live.querySelector("#d") === details,
        focused: document.activeElement === link,
        open: details.open,
        href: link.getAttribute("href"),
        text: live.textContent,
        durations: [0.4, 59, 60, 7500, 90_000].map(duration),
    };
}"""


def test_changed_part_keeps_its_elements_with_focus_and_open_tables(site, see):
    assert see(bypass_csp=True).page.evaluate(MORPH) == {
        "same": True,
        "focused": True,
        "open": True,
        "href": "2",
        "text": "newba2",
        "durations": ["0 sec", "59 sec", "1 min", "2 hr 5 min", "1 day 1 hr"],
    }


def test_paused_page_asks_for_nothing_and_says_so(site, see):
    page = see().page
    page.locator("#ss-pause").click()
    expect(page.locator("#ss-pill")).to_have_text("Paused")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with site.open():
        wait_for(lambda: site.total() == 1)
        page.clock.install()
        page.clock.run_for(60_000)
        assert asked == []
        is_open(page, 0)
        page.locator("#ss-pause").click()
        is_open(page, 1)
        expect(page.locator("#ss-pill")).to_have_text("Live")


HIDE = """(hidden) => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_hidden_page_asks_for_nothing_and_at_once_when_it_is_seen(site, see):
    page = see(with_clock=True).page
    page.evaluate(HIDE, True)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.run_for(600_000)
    assert asked == []
    with page.expect_request(lambda it: "/now/" in it.url, timeout=60_000):
        page.evaluate(HIDE, False)


def test_ages_go_on_without_an_answer(site, see):
    page = see(with_clock=True).page
    page.evaluate(HIDE, True)
    page.evaluate(HIDE, False)
    page.locator("#ss-pause").click()
    # What was asked before the pause is answered meanwhile.
    page.clock.run_for(7_300_000)
    page.clock.run_for(7_300_000)
    expect(page.locator("#ss-updated")).to_have_text(re.compile("^[234] hr"))


def test_unchanged_part_is_answered_without_a_body(site, see):
    page = see().page
    with page.expect_response(
        lambda it: "/now/" in it.url and it.status == 304, timeout=60_000
    ):
        pass


def test_lost_server_makes_no_number_look_live(site, see):
    visit = see()
    page = visit.page
    site.kill()
    try:
        expect(page.locator("#ss-lost")).to_be_visible(timeout=60_000)
        expect(page.locator("#ss-pill")).to_have_text("Reconnecting…")
        expect(page.locator("#ss-lost")).to_contain_text("The values below are old.")
    finally:
        site.start()
    expect(page.locator("#ss-pill")).to_have_text("Live", timeout=120_000)
    expect(page.locator("#ss-lost")).to_be_hidden()


def test_signed_out_page_stops(site, see):
    page = see().page
    page.context.clear_cookies()
    expect(page.locator("#ss-pill")).to_have_text("Signed out", timeout=60_000)


def test_plots_have_tables_that_the_keyboard_opens(site, see):
    with site.open():
        page = see().page
        summary = page.locator("#ss-table-open summary")
        # The first sample is taken within ten seconds.
        expect(summary).to_be_visible(timeout=90_000)
        summary.focus()
        page.keyboard.press("Enter")
        expect(page.locator("#ss-table-open tbody tr")).to_have_count(60)
        assert page.get_by_role("img", name=re.compile("Open connections")).count() == 1
