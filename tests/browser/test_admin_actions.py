"""Connections are disconnected from the admin, in a real browser on two workers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
from playwright.sync_api import Page
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from tests.browser.conftest import Site, Visit, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.server]

Visits = Callable[..., Visit]

PATH = "/admin/django_socket_status/socketstatus/"
SECONDS = 60_000
XSS = '"><img src=x onerror=alert(1)>'


@pytest.fixture
def sockets(site: Site) -> Iterator[list[ClientConnection]]:
    """Five calls, on whichever worker."""
    with five_calls(site) as held:
        yield held


@contextlib.contextmanager
def five_calls(site: Site) -> Iterator[list[ClientConnection]]:
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(site.open(f"/ws/call/r{n}/")) for n in range(5)]
        wait_for(lambda: site.total() == len(held))
        yield held
    wait_for(lambda: site.total() == 0)


def signed_in(site: Site, visit: Visits, **options: object) -> Visit:
    seen = visit(f"{site.origin}/admin/", **options)
    seen.page.fill("#id_username", "ada")
    seen.page.fill("#id_password", "ada")
    seen.page.click("[type=submit]")
    seen.page.wait_for_selector("#user-tools", timeout=SECONDS)
    # The browser asks for an icon that the example does not have.
    seen.complaints.clear()
    return seen


def sure(page: Page, reason: str = "enough") -> None:
    """Answer what the page asks before it disconnects."""
    page.fill("#id_code", "4001")
    page.fill("#id_reason", reason)
    page.locator("#id_reason").press("Enter")
    page.wait_for_selector(".ss-progress", timeout=SECONDS)


def reaches_the_end(page: Page) -> None:
    page.wait_for_selector("[data-ss-final]", state="attached", timeout=SECONDS)
    assert page.locator(".ss-progress").get_attribute("data-state") == "done"


def number(page: Page, name: str) -> str:
    return page.locator(f"tr[data-name={name}] td.ss-number").inner_text()


def closed_by_us(sockets: list[ClientConnection]) -> int:
    """Return how many were closed, each with our code and reason."""
    found = 0
    for socket in sockets:
        try:
            while True:
                socket.recv(timeout=0.2)
        except TimeoutError:
            continue
        except ConnectionClosed as error:
            assert error.rcvd is not None
            assert (error.rcvd.code, error.rcvd.reason) == (4001, "enough")
            found += 1
    return found


def test_selection_is_disconnected_and_the_result_reaches_its_end(
    site: Site, visit: Visits, sockets: list[ClientConnection]
) -> None:
    three_of_five_are_disconnected(site, visit, sockets)


def three_of_five_are_disconnected(
    site: Site, visit: Visits, sockets: list[ClientConnection]
) -> None:
    """Disconnect three of five, with the keyboard alone."""
    seen = signed_in(site, visit)
    page = seen.page
    page.goto(f"{site.origin}{PATH}open/?type=call")
    boxes = page.locator("input[name=connection_id]")
    for index in range(3):
        boxes.nth(index).press("Space")
    page.locator("text=Disconnect selected…").press("Enter")
    page.wait_for_selector("#id_code", timeout=SECONDS)
    assert page.locator("h1").last.inner_text() == "Disconnect 3 connections?"
    sure(page)
    reaches_the_end(page)
    assert number(page, "closed") == "3"
    assert number(page, "unsent") == "0"
    assert closed_by_us(sockets) == 3
    assert seen.violations() == []
    page.locator("text=History").press("Enter")
    page.wait_for_selector("text=3 selected connections", timeout=SECONDS)
    assert seen.complaints == []


def test_filter_is_disconnected_without_javascript(
    site: Site, visit: Visits, sockets: list[ClientConnection]
) -> None:
    page = signed_in(site, visit, java_script_enabled=False).page
    page.goto(f"{site.origin}{PATH}open/?label.room=r1")
    page.click("text=Disconnect all that match…")
    assert page.locator("h1").last.inner_text() == "Disconnect 1 connection?"
    sure(page)

    def is_done() -> bool:
        state = page.locator(".ss-progress").get_attribute("data-state")
        if state == "running":
            page.click("text=Refresh")
        return state == "done"

    wait_for(is_done)
    assert number(page, "closed") == "1"
    assert closed_by_us(sockets) == 1


def test_workers_of_the_host_are_drained_and_the_result_reaches_its_end(
    site: Site, visit: Visits, sockets: list[ClientConnection]
) -> None:
    seen = signed_in(site, visit)
    page = seen.page
    page.goto(f"{site.origin}{PATH}drain/")
    page.locator("main ul a[href*='?host=']").click()
    page.wait_for_selector("#id_over_seconds", timeout=SECONDS)
    page.fill("#id_grace_seconds", "0")
    page.fill("#id_over_seconds", "1")
    sure(page)
    reaches_the_end(page)
    assert closed_by_us(sockets) == 5
    assert "0 connections are left" in page.locator(".ss-progress").inner_text()
    assert seen.violations() == []
    assert seen.complaints == []


def test_payload_stays_text(
    site: Site, visit: Visits, sockets: list[ClientConnection]
) -> None:
    seen = signed_in(site, visit)
    page = seen.page
    said: list[str] = []
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    page.goto(f"{site.origin}{PATH}disconnect/?label.room={quote(XSS)}")
    assert XSS in page.locator(".ss-facts").inner_text()
    page.goto(f"{site.origin}{PATH}disconnect/?label.room=r2")
    sure(page, XSS)
    reaches_the_end(page)
    assert number(page, "closed") == "1"
    assert XSS in page.locator(".ss-facts").inner_text()
    page.click("text=History")
    page.wait_for_selector("text=onerror", timeout=SECONDS)
    page.goto(f"{site.origin}/admin/")
    assert page.locator("img[src=x]").count() == 0
    assert said == []
    assert seen.complaints == []
