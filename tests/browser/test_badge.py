"""The badge, the client and live push, in a real browser against a real server."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import (
    COLOURS,
    SETTINGS,
    Site,
    Visit,
    serving,
    wait_for,
)
from tests.support.asking import visitor

pytestmark = [pytest.mark.browser, pytest.mark.server]

Visits = Callable[..., Visit]

PAGES = ["/badge/", "/", "/accounts/login/"]

MANY = {"total_sockets": 12345, "sockets_by_type": {}, "stale": False}

ERROR = "globalThis[Symbol.for('django-socket-status/v1')].getSnapshot().error"


def test_number_is_painted_without_javascript(site: Site, visit: Visits) -> None:
    with site.open():
        wait_for(lambda: site.total() == 1)
        seen = visit(f"{site.origin}/badge/", java_script_enabled=False)
        shown = seen.page.locator("socket-status").first.inner_text()
        assert shown.startswith("1 live as of ")


def test_number_follows_sockets_of_both_workers(site: Site, visit: Visits) -> None:
    seen = visit(f"{site.origin}/badge/")
    seen.says("0 live")
    wait_for(lambda: seen.connection() == "live")
    with contextlib.ExitStack() as stack:
        for count in range(1, 9):
            stack.enter_context(site.open())
            seen.says(f"{count} live")
        stack.enter_context(site.open("/ws/stt/"))
        seen.says("9 live")
        seen.says("8 live", index=1)
    seen.says("0 live")
    assert seen.complaints == []


def test_server_that_is_killed_and_back(site: Site, visit: Visits) -> None:
    seen = visit(f"{site.origin}/badge/")
    with site.open():
        seen.says("1 live")
        wait_for(lambda: seen.connection() == "live")
        site.kill()
        seen.says("1 live, not up to date")
        state = seen.page.locator("socket-status").first.get_attribute("state")
        assert state == "unknown"
    site.start()
    seen.says("0 live")
    wait_for(lambda: seen.connection() == "live")


HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_hidden_tab_sends_no_request(site: Site, visit: Visits) -> None:
    seen = visit(f"{site.origin}/badge/")
    wait_for(lambda: seen.connection() == "live")
    requests: list[str] = []
    seen.page.on("request", lambda request: requests.append(request.url))
    seen.page.evaluate(HIDE, True)
    wait_for(lambda: seen.connection() == "idle" and seen.sockets[-1].is_closed())
    opened = len(seen.sockets)
    with site.open():
        wait_for(lambda: site.total() == 1)
        # Longer than the server's tick: a listener would have been told by now.
        seen.page.wait_for_timeout(1500)
        assert seen.badge() == "0 live"
        assert requests == []
        assert len(seen.sockets) == opened
        seen.page.evaluate(HIDE, False)
        seen.says("1 live")


VIOLATIONS = """() => new Promise((resolve) => {
  const reports = new ReportingObserver((found) => resolve(found.length), {
    types: ["csp-violation"], buffered: true,
  });
  reports.observe();
  setTimeout(() => resolve(reports.takeRecords().length), 500);
})"""


@pytest.fixture(scope="module", params=[SETTINGS, "tests.browser.site.with_django_csp"])
def strict(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Serve the site under the policy of Django itself, and under django-csp's."""
    if request.param == SETTINGS:
        yield request.getfixturevalue("site")
        return
    directory = tmp_path_factory.mktemp("strict")
    with serving(directory, DJANGO_SETTINGS_MODULE=request.param) as site:
        yield site


@pytest.mark.parametrize("path", PAGES)
def test_nothing_breaks_the_strictest_policy(
    strict: Site, visit: Visits, path: str
) -> None:
    policy = visitor.get(f"{strict.origin}{path}").headers["Content-Security-Policy"]
    assert "strict-dynamic" in policy
    assert "unsafe" not in policy
    seen = visit(f"{strict.origin}{path}")
    wait_for(lambda: seen.connection() == "live")
    assert seen.page.evaluate(VIOLATIONS) == 0
    assert seen.complaints == []


def test_names_with_hashes_alone_are_enough(
    tmp_path_factory: pytest.TempPathFactory, visit: Visits
) -> None:
    module = "tests.browser.site.hashed"
    directory = tmp_path_factory.mktemp("hashed")
    with serving(directory, DJANGO_SETTINGS_MODULE=module) as site:
        plain = f"{site.origin}/static/django_socket_status/socket-status.js"
        assert visitor.get(plain).status_code == 404
        seen = visit(f"{site.origin}/mapped/")
        with site.open():
            seen.says("1 live")
            wait_for(lambda: seen.page.inner_text("output") == "1")
        wait_for(lambda: seen.connection() == "live")
        assert len(seen.sockets) == 1
        assert seen.complaints == []


LOOKS = [
    {"color_scheme": scheme, "forced_colors": forced}
    for scheme in ("light", "dark")
    for forced in ("none", "active")
]


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("path", PAGES)
def test_page_is_accessible_however_it_looks(
    site: Site, visit: Visits, path: str, width: int
) -> None:
    viewport = {"width": width, "height": 844}
    seen = visit(f"{site.origin}{path}", bypass_csp=True, viewport=viewport)
    wait_for(lambda: seen.connection() == "live")
    for direction in ("ltr", "rtl"):
        seen.page.evaluate("(it) => (document.documentElement.dir = it)", direction)
        assert seen.violations() == [], direction
        for look in LOOKS:
            seen.page.emulate_media(**look)
            assert seen.violations(*COLOURS) == [], (direction, look)
        assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [("light", "rgb(110, 119, 129)"), ("light dark", "rgb(145, 152, 161)")],
)
def test_colours_are_for_what_the_page_can_do(
    site: Site, visit: Visits, scheme: str, expected: str
) -> None:
    """A page without a dark side stays white on a dark system, and so does the dot."""
    seen = visit(f"{site.origin}/badge/?scheme={scheme}", color_scheme="dark")
    seen.says("0 live")
    dot = seen.page.locator("socket-status [part=dot]").first
    assert dot.evaluate("(dot) => getComputedStyle(dot).borderTopColor") == expected


def test_number_stands_on_the_line_of_the_text_around_it(
    site: Site, visit: Visits
) -> None:
    seen = visit(f"{site.origin}/badge/")
    seen.says("0 live")
    text, label = seen.page.locator("socket-status").first.evaluate(
        """(badge) => {
          const label = badge.shadowRoot.querySelector("[part=label]");
          return [badge.previousSibling, label.firstChild].map((text) => {
            const range = document.createRange();
            range.selectNode(text);
            return range.getBoundingClientRect().bottom;
          });
        }"""
    )
    assert label == pytest.approx(text, abs=0.1)


def test_screen_readers_announce_only_with_the_attribute(
    site: Site, visit: Visits
) -> None:
    seen = visit(f"{site.origin}/badge/")
    seen.says("0 live")
    assert seen.page.get_by_role("status").count() == 0
    badge = seen.page.locator("socket-status").first
    badge.evaluate("(badge) => badge.setAttribute('announce', '')")
    assert seen.page.get_by_role("status").all_inner_texts() == ["0 live"]
    badge.evaluate("(badge) => badge.removeAttribute('announce')")
    assert seen.page.get_by_role("status").count() == 0


@pytest.mark.parametrize(
    ("language", "expected"), [("en_GB", "12,345 live"), ("no such", "12,345 live")]
)
def test_language_that_browsers_do_not_know_hides_no_number(
    site: Site, visit: Visits, language: str, expected: str
) -> None:
    seen = visit("about:blank", locale="en-GB")
    seen.page.route("**/socket-status/", lambda route: route.fulfill(json=MANY))
    seen.page.goto(f"{site.origin}/badge/?lang={language}")
    seen.says(expected)
    assert seen.complaints == []


def test_number_is_written_as_the_page_does(site: Site, visit: Visits) -> None:
    seen = visit("about:blank")
    seen.page.route("**/socket-status/", lambda route: route.fulfill(json=MANY))
    seen.page.goto(f"{site.origin}/badge/?language=de&lang=de&dir=rtl")
    seen.says("12.345 live")
    dot, label = seen.page.evaluate(
        """() => {
          const root = document.querySelector("socket-status").shadowRoot;
          const at = (part) => root.querySelector(`[part=${part}]`);
          return [at("dot"), at("label")].map((it) => it.getBoundingClientRect().x);
        }"""
    )
    assert dot > label, "right to left, what comes first is on the right"


ODD = {
    "total_sockets": 1,
    "sockets_by_type": {"toString": 1},
    "ws_endpoints": {"constructor": "/ws/a/", "__proto__": "/ws/b/"},
    "stale": False,
}


def test_example_lists_types_with_the_names_of_inherited_properties(
    site: Site, visit: Visits
) -> None:
    seen = visit("about:blank")
    seen.page.route("**/socket-status/", lambda route: route.fulfill(json=ODD))
    seen.page.goto(f"{site.origin}/")
    rows = seen.page.locator("#types tr")
    wait_for(lambda: rows.count() == 3)
    assert [row.split() for row in rows.all_inner_texts()] == [
        ["__proto__", "0"],
        ["constructor", "0"],
        ["toString", "1"],
    ]


def test_logout_ends_what_only_users_may_see(
    tmp_path_factory: pytest.TempPathFactory, visit: Visits
) -> None:
    module = "tests.browser.site.private"
    directory = tmp_path_factory.mktemp("private")
    with serving(directory, DJANGO_SETTINGS_MODULE=module) as site:
        seen = visit(f"{site.origin}/accounts/login/")
        seen.page.fill("[name=username]", "ada")
        seen.page.fill("[name=password]", "ada")
        seen.page.click("main button")
        wait_for(lambda: seen.connection() == "live")
        other = seen.page.context.new_page()
        other.goto(site.origin)
        other.click("text=Log out")
        wait_for(lambda: seen.connection() == "error", seconds=30)
        # The words of the close code 4401: it was no answer to a question.
        assert seen.page.evaluate(ERROR) == {
            "code": "http_401",
            "message": "sign in",
            "status": 401,
        }
        assert seen.sockets[-1].is_closed()


def test_twenty_tabs_at_once(site: Site, browser: Browser) -> None:
    context = browser.new_context()
    visits = [Visit(context) for _ in range(20)]
    for seen in visits:
        seen.page.goto(f"{site.origin}/badge/")
    with site.open():
        for seen in visits:
            seen.says("1 live")
    for seen in visits:
        assert seen.complaints == []
    context.close()
