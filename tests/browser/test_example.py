"""The page of the example, as a visitor sees it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import COLOURS, wait_for
from tests.test_example_project import open_socket, running

pytestmark = pytest.mark.browser

NARROW = {"width": 390, "height": 844}
WIDE = {"width": 1400, "height": 900}


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("example")) as origin:
        yield origin


@pytest.mark.parametrize("viewport", [NARROW, WIDE], ids=["narrow", "wide"])
@pytest.mark.parametrize("direction", ["ltr", "rtl"])
def test_page_fits_and_has_no_axe_violation(visit, origin, viewport, direction):
    page = visit(origin, viewport=viewport, color_scheme="light")
    page.page.evaluate(f"document.documentElement.dir = '{direction}'")
    expect(page.page.locator("#total")).to_have_text(re.compile(r"\d+"))
    width = page.page.evaluate("document.documentElement.scrollWidth")
    assert width <= viewport["width"]
    assert page.violations() == []
    page.page.emulate_media(color_scheme="dark")
    assert page.violations(*COLOURS) == []
    assert page.page.evaluate("document.documentElement.scrollWidth") == width


def test_status_comes_first_on_a_narrow_screen(visit, origin):
    page = visit(origin, viewport=NARROW).page
    box = page.locator("#total").bounding_box()
    assert box is not None
    assert box["y"] < NARROW["height"]
    assert page.locator("main section h2").first.inner_text() == "Open WebSockets"


def test_number_stands_there_once_and_says_what_it_counts(visit, origin):
    page = visit(origin).page
    with open_socket(origin, "/ws/stt/"):
        expect(page.locator(".total")).to_contain_text(
            re.compile(r"^\s*1\s+socket\s*$")
        )
        assert page.locator("socket-status").count() == 0
    expect(page.locator(".total")).to_contain_text(re.compile(r"^\s*0\s+sockets\s*$"))


def test_each_type_has_one_name(visit, origin):
    page = visit(origin).page
    expect(page.locator("#types th")).to_have_count(5)
    listed = page.locator("#types th").all_inner_texts()
    assert sorted(listed) == sorted(page.locator("h3 code").all_inner_texts())


def test_answer_itself_is_what_the_command_prints(visit, origin):
    page = visit(origin).page
    command = page.locator(".command").inner_text()
    url = re.fullmatch(r"curl -s (\S+)", command)[1]
    page.get_by_text("The answer itself").click()
    shown = page.locator("#answer")
    expect(shown).to_contain_text("total_sockets")
    answer, real = json.loads(shown.inner_text()), httpx.get(url, timeout=60).json()
    del answer["timestamp"], real["timestamp"]
    assert answer == real
    with open_socket(origin, "/ws/call/blue/"):
        expect(shown).to_contain_text('"total_sockets": 1')


def test_whole_command_and_answer_are_to_be_seen_on_a_narrow_screen(visit, origin):
    page = visit(origin, viewport=NARROW).page
    page.get_by_text("The answer itself").click()
    expect(page.locator("#answer")).to_contain_text("timestamp")
    hidden = "(it) => it.scrollWidth > it.clientWidth"
    assert not page.locator(".command").evaluate(hidden)
    assert not page.locator("#answer").evaluate(hidden)


def test_number_is_grey_with_its_time_when_the_server_is_gone(visit, tmp_path: Path):
    with running(tmp_path) as origin:
        page = visit(origin).page
        expect(page.locator("#total")).to_have_text("0")
        expect(page.locator("#as-of")).to_be_hidden()
        present = _colour(page)
    expect(page.locator("#as-of")).to_have_text(re.compile(r"as of \d"), timeout=60_000)
    wait_for(lambda: _colour(page) != present)
    expect(page.locator("#total")).to_have_text("0")


def _colour(page) -> str:
    return page.locator("#total").evaluate("(it) => getComputedStyle(it).color")
