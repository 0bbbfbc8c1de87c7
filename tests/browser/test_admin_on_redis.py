"""The admin page on two workers that report to Redis, in a real browser."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Site, Visit, serving, wait_for
from tests.browser.states.pages import ADMIN
from tests.browser.test_admin_actions import (
    Visits,
    five_calls,
    signed_in,
    three_of_five_are_disconnected,
)
from tests.browser.test_admin_lists import ManySockets, ids
from tests.browser.test_admin_overview import QUICK, is_open
from tests.support.redis_servers.server import RedisServer

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.redis]


@pytest.fixture(scope="module")
def redis_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with (
        RedisServer() as server,
        serving(
            tmp_path_factory.mktemp("redis_site"),
            DJANGO_SETTINGS_MODULE="tests.browser.site.on_redis",
            SITE_REDIS_URL=server.url,
        ) as site,
    ):
        yield site


@pytest.fixture
def seen(redis_site: Site, visit: Visits) -> Visit:
    """A visit that is signed in, whose pages ask twice in a second."""
    found = signed_in(redis_site, visit)
    found.page.context.add_init_script(QUICK)
    return found


def test_selection_is_disconnected(redis_site: Site, visit: Visits) -> None:
    with five_calls(redis_site) as sockets:
        three_of_five_are_disconnected(redis_site, visit, sockets)


def test_page_is_complete_while_connections_churn(
    redis_site: Site, seen: Visit
) -> None:
    """What stays open is on one page each, whatever opens and closes meanwhile."""
    page = seen.page
    with ManySockets(redis_site, 101) as sockets:
        wait_for(lambda: redis_site.total() == 101)
        page.goto(f"{redis_site.origin}{ADMIN}open/?label.room=many")
        stays = ids(page)
        page.get_by_role("link", name="Older").click()
        page.wait_for_url("**after=**")
        stays += ids(page)
        assert len(set(stays)) == 101
        with churn(sockets):
            page.goto(f"{redis_site.origin}{ADMIN}open/")
            found = ids(page)
            while (older := page.get_by_role("link", name="Older")).count():
                page.goto(older.evaluate("(it) => it.href"))
                found += ids(page)
        assert len(found) == len(set(found))
        assert set(stays) <= set(found)
    wait_for(lambda: redis_site.total() == 0)
    assert seen.complaints == []


class churn:
    """Open and close WebSockets on and on."""

    def __init__(self, sockets: ManySockets) -> None:
        self._sockets = sockets
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._is_over.is_set():
            self._sockets.open_and_close()


def test_page_follows_both_workers_and_a_server_that_is_lost_and_comes_back(
    redis_site: Site, seen: Visit
) -> None:
    page = seen.page
    page.goto(redis_site.origin + ADMIN)
    is_open(page, 0)
    with five_calls(redis_site):
        is_open(page, 5)
        is_open_by_type = page.locator("#types td.ss-number").first
        expect(is_open_by_type).to_have_text("5", timeout=60_000)
    is_open(page, 0)
    assert seen.complaints == []
    redis_site.kill()
    try:
        expect(page.locator("#ss-pill")).to_have_text("Reconnecting…", timeout=60_000)
        expect(page.locator("#ss-lost")).to_contain_text("The values below are old.")
    finally:
        redis_site.start()
    expect(page.locator("#ss-pill")).to_have_text("Live", timeout=120_000)
    expect(page.locator("#ss-lost")).to_be_hidden()
    with redis_site.open():
        is_open(page, 1)
