"""The package's own source, for the tests that read it instead of running it."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import django_socket_status

ROOT = Path(__file__).resolve().parents[2]

NAME = "django_socket_status"

#: Where the package that is tested lies: the checkout, or the installed wheel.
PACKAGE = Path(django_socket_status.__file__).resolve().parent


@functools.cache
def modules() -> dict[str, Path]:
    """Return every module of the package: its full name, and its file."""
    return dict(sorted((name_of(path), path) for path in PACKAGE.rglob("*.py")))


@functools.cache
def tree_of(path: Path) -> ast.Module:
    """Return the syntax tree of a file, parsed once for all tests of this process."""
    return ast.parse(path.read_text(encoding="utf-8"))


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


@functools.cache
def imports_of(path: Path) -> tuple[str, ...]:
    """Return the full name of everything that a file imports, at any depth of it.

    ``from a import b`` is ``a.b``, since only its caller knows the modules. What
    stands below ``if TYPE_CHECKING`` counts as well: it is knowledge all the same.
    """
    return tuple(_imports_in(tree_of(path), path))


def _imports_in(tree: ast.Module, path: Path) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: imports are absolute here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
