"""Make ``live.gif``, the picture of the README: the example follows its WebSockets.

``python docs/images/picture.py`` in a clone, with the dependency groups ``picture`` and
``browser`` and Debian's Chromium.
"""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).resolve().parent
SIZE = {"width": 1180, "height": 620}
MILLISECONDS = 1100

#: The forms to submit, in order, by the path of the WebSocket that each opens.
STEPS = (
    "/ws/call/{room}/",
    "/ws/call/{room}/",
    "/ws/stt/",
    "/ws/stt/room/?role={role}&name={name}",
    "/ws/call/{room}/",
)


@contextmanager
def example() -> Iterator[str]:
    """Run the example on a free port; yield its address."""
    with tempfile.TemporaryDirectory() as directory:
        process = subprocess.Popen(
            [sys.executable, "-m", "example_project", "--port", "0"],
            cwd=HERE.parents[1],
            env={**os.environ, "EXAMPLE_PROJECT_DATABASE": f"{directory}/db"},
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            for line in process.stdout or ():
                if found := re.search(r"http://[\w.:]+", line):
                    yield found[0]
                    break
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(20)


def frames(page: Page) -> Iterator[Image.Image]:
    """Yield a picture of the page after each WebSocket that opens or closes."""

    def wait_for(count: int) -> Image.Image:
        page.wait_for_function(
            f"document.getElementById('total').textContent === '{count}'"
        )
        shot = Image.open(io.BytesIO(page.screenshot(animations="disabled")))
        return shot.convert("P", palette=Image.Palette.ADAPTIVE, colors=64)

    yield wait_for(0)
    for count, path in enumerate(STEPS, start=1):
        page.locator(f'form[data-path="{path}"] button').click()
        yield wait_for(count)
    page.locator("#sockets button").first.click()
    yield wait_for(len(STEPS) - 1)
    page.locator("#close-all").click()
    yield wait_for(0)


def main() -> None:
    """Write the picture beside this file."""
    with example() as origin, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"),
            args=["--no-sandbox", "--disable-gpu"],
        )
        page = browser.new_page(viewport=SIZE)
        page.goto(origin)
        page.wait_for_function(
            "document.getElementById('connection').textContent === 'live'"
        )
        first, *others = list(frames(page))
        first.save(
            HERE / "live.gif",
            save_all=True,
            append_images=others,
            duration=MILLISECONDS,
            loop=0,
            optimize=True,
        )
        browser.close()


if __name__ == "__main__":
    main()
