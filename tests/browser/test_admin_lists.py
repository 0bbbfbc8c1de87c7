"""The lists of the admin in a real browser, under a strict policy."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import expect
from websockets.asyncio.client import connect

from tests.browser.conftest import wait_for

pytestmark = pytest.mark.browser

# A busy machine is slow, and not wrong.
expect.set_options(timeout=60_000)

LISTS = "/admin/django_socket_status/socketstatus/"
ROWS = ".ss-table tbody tr"


@pytest.fixture(scope="module")
def signed_in(browser, site) -> Any:
    """Return the cookies of a superuser, who signs in once."""
    with contextlib.closing(browser.new_context()) as context:
        page = context.new_page()
        page.goto(f"{site.origin}/admin/login/?next=/")
        page.fill("#id_username", "ada")
        page.fill("#id_password", "ada")
        page.click("[type=submit]")
        page.wait_for_url(f"{site.origin}/")
        yield context.storage_state()


@pytest.fixture
def see(visit, site, signed_in):
    def see(path: str, **options: Any) -> Any:
        return visit(f"{site.origin}{LISTS}{path}", storage_state=signed_in, **options)

    return see


@contextlib.contextmanager
def opened(site, *paths: str) -> Iterator[list[Any]]:
    """Open sockets, and wait until the status counts them."""
    before = site.total()
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(site.open(path)) for path in paths]
        wait_for(lambda: site.total() == before + len(paths))
        yield sockets
    wait_for(lambda: site.total() == before)


def test_list_is_filtered_by_the_form_and_by_links(see, site):
    with opened(site, "/ws/call/blue/", "/ws/call/red/", "/ws/stt/room/"):
        visit = see("open/")
        page = visit.page
        expect(page.locator(ROWS)).to_have_count(3)
        page.get_by_text("Filters and columns").click()
        page.get_by_label("Type", exact=True).first.select_option("call")
        page.get_by_role("checkbox", name="Endpoint").uncheck()
        page.get_by_role("button", name="Apply").click()
        expect(page.locator(ROWS)).to_have_count(2)
        query = page.url.partition("?")[2]
        assert query == "type=call&cols=user_id,type,labels,age,worker_id"
        page.get_by_role("link", name="room=red").click()
        expect(page.locator(ROWS)).to_have_count(1)
        expect(page.locator("th", has_text="Endpoint")).to_have_count(0)
        page.get_by_role("link", name="Remove the filter room").click()
        expect(page.locator(ROWS)).to_have_count(2)
        assert visit.complaints == []


def test_newer_rows_wait_until_they_are_asked_for(see, site):
    with opened(site, "/ws/call/blue/"):
        seen = see("open/")
        page = seen.page
        page.clock.install()
        page.reload()
        expect(page.locator(ROWS)).to_have_count(1)
        with opened(site, "/ws/call/red/", "/ws/call/red/"):
            page.clock.fast_forward(11_000)
            link = page.get_by_role("link", name="2 newer, show")
            expect(link).to_be_visible()
            expect(page.locator(ROWS)).to_have_count(1)
            link.click()
            expect(page.locator(ROWS)).to_have_count(3)
        assert seen.complaints == []


def test_command_is_copied(see, site):
    seen = see(
        "open/?type=call&label.room=a%20b",
        permissions=["clipboard-read", "clipboard-write"],
    )
    page = seen.page
    page.get_by_text("Copy as command").click()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == (
        "python manage.py socket_status list --type=call '--label=room=a b'"
    )
    assert seen.complaints == []


def test_text_of_a_client_is_only_text(see, site):
    room = "<img src=x onerror=alert(1)>\u202egnp"
    with opened(site, f"/ws/any/{quote(room)}/"):
        seen = see("open/")
        dialogs: list[str] = []
        seen.page.on("dialog", lambda dialog: dialogs.append(dialog.message))
        shown = seen.page.locator(ROWS).get_by_text("<img src=x")
        expect(shown).to_have_text("room=<img src=x onerror=alert(1)>\ufffdgnp")
        shown.click()
        expect(seen.page.locator(ROWS)).to_have_count(1)
        seen.page.get_by_role("link", name="Details of connection").click()
        expect(seen.page.locator(".ss-facts").first).to_contain_text("<img src=x")
        assert seen.page.locator("#main img").count() == 0
        assert (dialogs, seen.complaints) == ([], [])


class ManySockets:
    """Many sockets in one event loop: Playwright has that of this thread."""

    def __init__(self, site, count: int) -> None:
        self._site, self._count = site, count
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> ManySockets:
        self._thread.start()
        self._sockets = [self._open() for _ in range(self._count)]
        return self

    def __exit__(self, *error: object) -> None:
        while self._sockets:
            self.close_oldest()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def _open(self) -> Any:
        url = f"ws://127.0.0.1:{self._site.port}/ws/any/many/"
        options = {"origin": self._site.origin, "proxy": None, "open_timeout": 60}
        return self._run(self._connect(url, **options))

    async def _connect(self, url: str, **options: Any) -> Any:
        return await connect(url, **options)

    def open_and_close(self) -> None:
        """Open another one, and close it at once."""
        socket = self._open()
        self._run(socket.close())

    def close_oldest(self) -> None:
        self._run(self._sockets.pop(0).close())


def test_pages_go_on_while_connections_close(see, site):
    """The first one after the page closes before the next page is asked for."""
    with ManySockets(site, 103) as sockets:
        wait_for(lambda: site.total() == 103)
        page = see("open/?label.room=many").page
        first = ids(page)
        assert len(first) == 100
        sockets.close_oldest()
        wait_for(lambda: site.total() == 102)
        page.get_by_role("link", name="Older").click()
        page.wait_for_url("**after=**")
        rest = ids(page)
        assert len(rest) == 2
        assert not set(rest) & set(first)
    wait_for(lambda: site.total() == 0)


def ids(page) -> list[str]:
    return page.get_by_role("link", name="Details of connection").evaluate_all(
        "(links) => links.map((it) => it.href)"
    )
