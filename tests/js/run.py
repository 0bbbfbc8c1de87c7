"""Check the JavaScript package in a separate directory: ``python run.py DIRECTORY``.

A machine without Node is told so and passes, unless ``CI_NO_SKIPS`` is set.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

NEEDED = (
    "package.json",
    "README.md",
    "LICENSE",
    "django_socket_status/__init__.py",
    "django_socket_status/static",
    "docs/how-to/react.md",
    "docs/how-to/show-it-in-a-page.md",
    "tests/js",
)


def main(directory: Path) -> int:
    """Copy what the package needs, install its tools, and run every check."""
    npm = shutil.which("npm")
    if npm is None:
        print("skipped: needs Node and npm")  # noqa: T201
        return 1 if os.environ.get("CI_NO_SKIPS") else 0
    shutil.rmtree(directory, ignore_errors=True)
    for name in NEEDED:
        source = ROOT / name
        target = directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(
                source, target, ignore=shutil.ignore_patterns("node_modules")
            )
        else:
            shutil.copy(source, target)
    for words in (
        ["install", "--no-audit", "--no-fund", "--no-package-lock"],
        ["run", "check"],
    ):
        status = subprocess.run([npm, *words], cwd=directory, check=False).returncode
        if status:
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
