"""Takes screenshots of the admin page: each state, wide and narrow, light and dark.

``python -m tests.browser.screenshots DIRECTORY`` in a clone, with the dependency groups
``test``, ``browser`` and ``picture`` and Debian's Chromium. It starts the example with
made-up reports of workers, and writes a PNG for each page of each state and theme.
``--docs`` writes those of the documentation to ``docs/images`` instead.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.conftest import CHROMIUM, QUIET, Site, StatesSite, serving
from tests.browser.states.pages import ADMIN, PAGES
from tests.support.source import ROOT

IMAGES = ROOT / "docs/images"
WIDTHS = {"wide": 1400, "narrow": 390}
SCHEMES = ("light", "dark")
THEMES = ("unfold", "jazzmin", "grappelli")

#: The pages of each state. In the state "live", the actions.
STATES = {
    "new": ["", "open/", "drain/"],
    "idle": ["", "open/", "closed/"],
    "busy": ["?span=6h", *PAGES.values()],
    "unreadable": ["", "open/"],
    "stale": [""],
    "partial": ["", "open/"],
    "counts": ["", "open/"],
    "wsgi": [""],
    "many": ["", "open/", "drain/"],
    "draining": ["", "drain/"],
    "live": ["disconnect", "drain"],
}


class Shot(NamedTuple):
    """One picture of the documentation."""

    name: str
    state: str
    page: str
    width: int
    height: int
    scheme: str = "light"


DOCS = (
    Shot("admin-overview", "busy", "", 1400, 1150),
    Shot("admin-list", "busy", "open/", 1400, 800),
    Shot("admin-disconnect", "busy", "disconnect/?type=stt", 1400, 740),
    Shot("admin-narrow", "busy", "", 390, 900, "dark"),
    Shot("admin-stale", "stale", "", 1400, 500),
)


class Photographer:
    """Brings states about, and takes pictures of their pages.

    Args:
        site: The site of the states.
        browser: The browser.
        language: What the browser asks for.
    """

    def __init__(self, site: Site, browser: Browser, language: str = "en-US") -> None:
        self.site = site
        self.browser = browser
        self.language = language

    @contextmanager
    def visit(self, state: str, **options: Any) -> Iterator[tuple[Page, dict]]:
        """Yield a page that is signed in, and what can be named in the state."""
        context = self.browser.new_context(locale=self.language, **options)
        answer = context.request.get(f"{self.site.origin}/state/{state}/")
        assert answer.ok, answer.text()
        yield context.new_page(), answer.json()
        context.close()

    def go(self, page: Page, path: str) -> None:
        """Open a page of the admin, and wait until it has its final form."""
        page.goto(f"{self.site.origin}{ADMIN}{path}", wait_until="networkidle")

    def state(self, state: str, directory: Path) -> None:
        """Take the pictures of a state."""
        with self.visit(state) as (page, names):
            for number, path in enumerate(STATES[state]):
                self.go_to(page, state, path.format(**names))
                for width in WIDTHS:
                    page.set_viewport_size({"width": WIDTHS[width], "height": 900})
                    for scheme in SCHEMES:
                        page.emulate_media(color_scheme=scheme)
                        name = f"{state}-{number}-{width}-{scheme}.png"
                        page.screenshot(
                            path=directory / name,
                            full_page=True,
                            animations="disabled",
                        )

    def go_to(self, page: Page, state: str, path: str) -> None:
        """Open a page, or in the state "live" begin an action."""
        if state == "live":
            self.act(page, path)
            return
        self.go(page, path)
        if state == "stale":
            # Values are old after two seconds.
            while not page.locator("[data-ss-old]").count():
                page.reload()

    def act(self, page: Page, action: str) -> None:
        """Close the WebSockets of this site, and follow the result."""
        with ExitStack() as stack:
            for number in range(6):
                stack.enter_context(self.site.open(f"/ws/call/room{number}/"))
            while self.site.total() < 6:
                pass
            self.go(page, f"{action}/")
            if action == "drain":
                page.locator("td a[href*='?worker=']").first.click()
                page.fill("#id_grace_seconds", "0")
                page.fill("#id_over_seconds", "0")
            page.fill("#id_reason", "maintenance")
            page.click(".ss-danger")
            page.wait_for_selector("[data-ss-final]", state="attached")

    def documentation(self, shot: Shot) -> None:
        """Write a picture of the documentation."""
        # Of the dependency group "picture": the tests do without it.
        from PIL import Image

        size = {"width": shot.width, "height": shot.height}
        with self.visit(shot.state, color_scheme=shot.scheme, viewport=size) as (
            page,
            names,
        ):
            self.go_to(page, shot.state, shot.page.format(**names))
            picture = Image.open(io.BytesIO(page.screenshot()))
        # A quarter of the size, and no difference that is seen.
        small = picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=255)
        small.save(IMAGES / f"{shot.name}.png", optimize=True)


@contextmanager
def photographer(browser: Browser, **environment: str) -> Iterator[Photographer]:
    """Start a site of the states."""
    with (
        tempfile.TemporaryDirectory() as directory,
        serving(Path(directory), StatesSite, **environment) as site,
    ):
        yield Photographer(site, browser)


def take_all(
    browser: Browser, output: Path, states: Sequence[str], language: str
) -> None:
    """Write the pictures of states, and of every theme if all are wanted."""
    output.mkdir(parents=True, exist_ok=True)
    with photographer(browser) as ours:
        ours.language = language
        for state in states:
            ours.state(state, output)
    for theme in THEMES if len(states) == len(STATES) else ():
        directory = output / theme
        directory.mkdir(exist_ok=True)
        environment = {
            "DJANGO_SETTINGS_MODULE": "tests.browser.states.themed",
            "STATES_THEME": theme,
        }
        with photographer(browser, **environment) as theirs:
            theirs.state("busy", directory)


def main(arguments: Sequence[str]) -> None:
    """Take the screenshots."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("output", type=Path, nargs="?", default=Path("screenshots"))
    parser.add_argument("--docs", action="store_true", help="write docs/images alone")
    parser.add_argument("--state", action="append", choices=[*STATES], dest="states")
    parser.add_argument("--language", default="en-US")
    chosen = parser.parse_args(arguments)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        if chosen.docs:
            with photographer(browser) as ours:
                for shot in DOCS:
                    ours.documentation(shot)
        else:
            states = chosen.states or [*STATES]
            take_all(browser, chosen.output, states, chosen.language)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
