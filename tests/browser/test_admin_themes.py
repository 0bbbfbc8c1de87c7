"""Every page opens, and every action works, in the themes of the admin."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Site, StatesSite, Visit, serving, wait_for
from tests.browser.states.pages import ADMIN, PAGES

pytestmark = pytest.mark.browser

SECONDS = 60_000

#: Of the pages that answer with another one than 200.
STATUSES = {"wrong filter": 400, "gone": 404}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the sites: they share a database."""
    return tmp_path_factory.mktemp("themes")


@pytest.mark.parametrize("theme", ["unfold", "jazzmin", "grappelli"])
def test_pages_open_and_actions_work(theme: str, browser, directory: Path) -> None:
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.browser.states.themed",
        "STATES_THEME": theme,
    }
    with (
        serving(directory, StatesSite, **environment) as site,
        contextlib.closing(browser.new_context()) as context,
    ):
        visit = Visit(context)
        visit.page.set_default_timeout(SECONDS)
        every_page_opens(site, visit)
        sockets_are_disconnected(site, visit.page)
        worker_is_drained(site, visit.page)
        assert visit.complaints == []


def every_page_opens(site: Site, visit: Visit) -> None:
    ask = visit.page.context.request
    names = ask.get(f"{site.origin}/state/busy/").json()
    for name, path in PAGES.items():
        answer = ask.get(site.origin + ADMIN + path.format(**names))
        assert answer.status == STATUSES.get(name, 200), name
        assert 'id="ss"' in answer.text(), name
    link = visit.page.locator(f"a[href='{ADMIN}']").first
    visit.page.goto(f"{site.origin}/admin/")
    assert link.count() == 1
    for name in ("overview", "open", "connection"):
        visit.page.goto(site.origin + ADMIN + PAGES[name].format(**names))
        visit.page.wait_for_selector("#ss")
    for name in ("disconnected", "drained"):
        visit.page.goto(site.origin + ADMIN + PAGES[name].format(**names))
        visit.page.click(".ss-stop [type=submit]")
        visit.page.wait_for_selector("[data-state=stopped]")


@contextlib.contextmanager
def held(site: Site, page: Page, count: int):
    """Hold some WebSockets open, on the worker that is the site."""
    with contextlib.ExitStack() as stack:
        for number in range(count):
            stack.enter_context(site.open(f"/ws/call/room{number}/"))
        wait_for(lambda: site.total() == count)
        yield
        page.wait_for_selector("[data-ss-final]", state="attached")
        assert site.total() == 0


def sockets_are_disconnected(site: Site, page: Page) -> None:
    page.context.request.get(f"{site.origin}/state/live/")
    with held(site, page, 2):
        page.goto(f"{site.origin}{ADMIN}open/")
        page.locator("[data-ss-all]").check()
        page.click("text=Disconnect selected…")
        page.fill("#id_reason", "enough")
        page.click(".ss-danger")
    assert page.locator("tr[data-name=closed] td").first.inner_text() == "2"


def worker_is_drained(site: Site, page: Page) -> None:
    with held(site, page, 1):
        page.goto(f"{site.origin}{ADMIN}drain/")
        page.locator("td a[href*='?worker=']").click()
        page.fill("#id_grace_seconds", "0")
        page.fill("#id_over_seconds", "0")
        page.click(".ss-danger")
    assert page.locator("[data-state=done]").count() == 1
