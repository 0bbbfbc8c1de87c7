"""The React hook under StrictMode, in a Vite application behind Vite's own proxy.

As it is developed, where StrictMode does everything twice, with the configuration that
the guide shows; and as it is built, with that of the example.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.browser.conftest import Site, Visit, wait_for
from tests.support.source import PACKAGE, ROOT

pytestmark = [pytest.mark.browser, pytest.mark.server]

GUIDE = ROOT / "docs" / "how-to" / "react.md"

ASKED = """performance.getEntriesByType("resource").filter(
  ({ name }) => new URL(name).pathname === "/socket-status/"
).length"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install and build the application of the example."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs Node")
    directory = tmp_path_factory.mktemp("frontend")
    shutil.copytree(
        ROOT / "example_project" / "frontend",
        directory,
        dirs_exist_ok=True,
        ignore=shutil.ignore_patterns("node_modules", "dist"),
    )
    manifest = directory / "package.json"
    text = manifest.read_text().replace("file:../..", f"file:{package(directory)}")
    manifest.write_text(text)
    run = [npm, "install", "--no-audit", "--no-fund", "--no-package-lock"]
    subprocess.run(run, cwd=directory, check=True, capture_output=True)
    subprocess.run(
        [npm, "run", "build"], cwd=directory, check=True, capture_output=True
    )
    return directory


@pytest.fixture(scope="module", params=["dev", "preview"])
def frontend(request: pytest.FixtureRequest, built: Path, site: Site) -> Iterator[str]:
    """Serve the application, and pass on to the site what is the site's."""
    vite = ["node", "node_modules/vite/bin/vite.js", request.param]
    if request.param == "dev":
        (built / "guide.config.js").write_text(configuration(site), encoding="utf-8")
        vite += ["--config", "guide.config.js"]
    server = subprocess.Popen(
        [*vite, "--host=127.0.0.1"],
        cwd=built,
        env={**os.environ, "EXAMPLE_PROJECT_URL": site.origin, "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    with server:
        try:
            said = ""
            while not (found := re.search(r"(http://127\.0\.0\.1:\d+)", said)):
                line = server.stdout.readline()
                assert line, said
                said += line
            yield found[1]
        finally:
            server.terminate()


def configuration(site: Site) -> str:
    """Return the configuration of the guide, with another site behind the proxy."""
    (text,) = re.findall(
        r"^```js\n(// vite\.config\.js\n.*?)^```$",
        GUIDE.read_text(encoding="utf-8"),
        re.M | re.S,
    )
    assert "http://127.0.0.1:8000" in text
    return str(text).replace("http://127.0.0.1:8000", site.origin)


def package(directory: Path) -> Path:
    """Return the JavaScript package: the static files of the Python one, for npm."""
    made = directory / "package"
    static = Path("django_socket_status", "static", "django_socket_status")
    shutil.copytree(PACKAGE.parent / static, made / static)
    shutil.copy(ROOT / "package.json", made)
    return made


def test_hook_follows_the_server(
    frontend: str, site: Site, visit: Callable[..., Visit]
) -> None:
    seen = visit(frontend)

    def total() -> str:
        return seen.page.locator("#total").inner_text()

    wait_for(lambda: seen.page.locator("#total").count() == 1)
    wait_for(lambda: "live" in seen.page.locator("h1").inner_text())
    with site.open(), site.open("/ws/stt/"):
        wait_for(lambda: total() == "2")
        assert "call: 1" in seen.page.locator("ul").inner_text()
    wait_for(lambda: total() == "0")
    assert seen.page.evaluate(ASKED) == 1
    assert sum("/socket-status/" in socket.url for socket in seen.sockets) == 1
    assert seen.violations() == []
    assert seen.complaints == []
