"""Copy the suite, and what it reads, to a directory that does not hold the package.

``python tests/stage.py DIRECTORY`` is how tox makes sure that the tests import the
installed wheel: from the checkout itself, Python would find the package beside them.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

STAGED = (
    ".github",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "README.md",
    "SECURITY.md",
    "benchmarks",
    "conftest.py",
    "docs",
    "example_project",
    "package.json",
    "pyproject.toml",
    "tests",
    "tox.ini",
)

LEFT_OUT = ("__pycache__", "_build", "db.sqlite3*", "node_modules")


def stage(directory: Path) -> None:
    """Empty ``directory``, and fill it."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    ignore = shutil.ignore_patterns(*LEFT_OUT)
    for source in map(ROOT.joinpath, STAGED):
        if source.is_dir():
            shutil.copytree(source, directory / source.name, ignore=ignore)
        elif source.exists():
            shutil.copy(source, directory)


if __name__ == "__main__":
    stage(Path(sys.argv[1]))
