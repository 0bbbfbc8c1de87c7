"""The overview of the admin page, as staff see it, under a strict policy."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Site, Visit, serving, wait_for

pytestmark = pytest.mark.browser

OVERVIEW = "/admin/django_socket_status/socketstatus/"
NARROW = {"width": 390, "height": 844}
WIDE = {"width": 1400, "height": 900}
#: Makes the page ask every half second.
QUICK = """
const wait = globalThis.setTimeout;
globalThis.setTimeout = (call, delay) => wait(call, Math.min(delay, 500));
"""
#: The favicon that the site of the tests does not have.
KNOWN = re.compile(r"404 \(Not Found\)")


@pytest.fixture(scope="module")
def own_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Serve the site with a short lease, for tests that kill it, too."""
    with serving(tmp_path_factory.mktemp("admin")) as site:
        yield site


@pytest.fixture(scope="module")
def session(own_site: Site, browser) -> list:
    """Return the cookies of a superuser."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{own_site.origin}/admin/login/")
    page.fill("[name=username]", "ada")
    page.fill("[name=password]", "ada")
    page.click("[type=submit]")
    cookies = context.cookies()
    context.close()
    return cookies


@pytest.fixture
def see(own_site: Site, session: list, browser) -> Iterator[Callable[..., Visit]]:
    """Open the overview as a superuser."""
    contexts: list[BrowserContext] = []

    def see(path: str = OVERVIEW, **options: object) -> Visit:
        context = browser.new_context(**options)
        contexts.append(context)
        context.add_cookies(session)
        context.add_init_script(QUICK)
        visit = Visit(context)
        visit.page.goto(f"{own_site.origin}{path}")
        return visit

    yield see
    for context in contexts:
        context.close()


def complaints(visit: Visit) -> list[str]:
    return [it for it in visit.complaints if not KNOWN.search(it)]


def is_open(page: Page, count: int) -> None:
    expect(page.locator("#ss-open")).to_have_text(str(count), timeout=60_000)


def test_page_works_without_javascript(own_site, see):
    with own_site.open():
        wait_for(lambda: own_site.total() == 1)
        page = see(java_script_enabled=False).page
        is_open(page, 1)
        expect(page.locator("#ss-pause")).to_be_hidden()
        expect(page.get_by_role("link", name="Refresh")).to_be_visible()
        page.get_by_role("link", name="6 hours").click()
        expect(page.locator("#ss-spans [aria-current]")).to_have_text("6 hours")


def test_page_follows_the_server_and_violates_no_policy(own_site, see):
    visit = see()
    is_open(visit.page, 0)
    expect(visit.page.locator("#ss-pill")).to_have_text("Live")
    with own_site.open():
        is_open(visit.page, 1)
        expect(visit.page.locator("#types tbody th")).to_have_text("call")
    is_open(visit.page, 0)
    assert complaints(visit) == []


def test_focus_and_open_tables_stay_when_the_page_changes(own_site, see):
    page = see().page
    link = page.locator("#ss-spans a").nth(1)
    page.evaluate("document.querySelector('#workers').dataset.mine = 'kept'")
    link.focus()
    with own_site.open():
        is_open(page, 1)
        expect(link).to_be_focused()
        # The script took the mark away, and kept the element.
        assert page.locator("#workers").count() == 1
    is_open(page, 0)


def test_paused_page_asks_for_nothing_and_says_so(own_site, see):
    page = see().page
    page.locator("#ss-pause").click()
    expect(page.locator("#ss-pill")).to_have_text("Paused")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with own_site.open():
        wait_for(lambda: own_site.total() == 1)
        page.clock.install()
        page.clock.run_for(60_000)
        assert asked == []
        is_open(page, 0)
        page.locator("#ss-pause").click()
        is_open(page, 1)
        expect(page.locator("#ss-pill")).to_have_text("Live")


def test_unchanged_part_is_answered_without_a_body(own_site, see):
    page = see().page
    with page.expect_response(
        lambda it: "/now/" in it.url and it.status == 304, timeout=60_000
    ):
        pass


def test_lost_server_makes_no_number_look_live(own_site, see):
    visit = see()
    page = visit.page
    own_site.kill()
    try:
        expect(page.locator("#ss-lost")).to_be_visible(timeout=60_000)
        expect(page.locator("#ss-pill")).to_have_text("Reconnecting…")
        expect(page.locator("#ss-lost")).to_contain_text("The values below are old.")
    finally:
        own_site.start()
    expect(page.locator("#ss-pill")).to_have_text("Live", timeout=120_000)
    expect(page.locator("#ss-lost")).to_be_hidden()


def test_signed_out_page_stops(own_site, see):
    page = see().page
    page.context.clear_cookies()
    expect(page.locator("#ss-pill")).to_have_text("Signed out", timeout=60_000)


@pytest.mark.parametrize(
    ("viewport", "scheme", "direction"),
    [
        (NARROW, "light", "ltr"),
        (WIDE, "dark", "ltr"),
        (NARROW, "dark", "rtl"),
        (WIDE, "light", "rtl"),
    ],
    ids=["narrow-light", "wide-dark", "narrow-dark-rtl", "wide-light-rtl"],
)
def test_page_fits_and_has_no_axe_violation(own_site, see, viewport, scheme, direction):
    with own_site.open():
        visit = see(viewport=viewport, color_scheme=scheme, bypass_csp=True)
        is_open(visit.page, 1)
        visit.page.evaluate(f"document.documentElement.dir = '{direction}'")
        width = visit.page.evaluate("document.documentElement.scrollWidth")
        assert width <= viewport["width"]
        assert visit.violations() == []


def test_plots_have_tables_that_the_keyboard_opens(own_site, see):
    with own_site.open():
        page = see().page
        summary = page.locator("#ss-table-open summary")
        # The first sample is taken within ten seconds.
        expect(summary).to_be_visible(timeout=90_000)
        summary.focus()
        page.keyboard.press("Enter")
        expect(page.locator("#ss-table-open tbody tr")).to_have_count(60)
        assert page.get_by_role("img", name=re.compile("Open connections")).count() == 1
