"""Whether a dotted path can be imported, checked without running its module.

Importing an application may take seconds and have any effect. So this module gets the
module's source from Python's finders, and looks for the name in it.
"""

from __future__ import annotations

import ast
import difflib
import importlib.machinery
import pkgutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from django.core.exceptions import ImproperlyConfigured

__all__ = ["Missing", "find_missing", "import_failure"]

#: Names whose use may define other names: such a module is not judged.
DYNAMIC = {"__getattr__", "exec", "globals", "locals", "setattr", "vars"}


@dataclass(frozen=True, slots=True)
class Missing:
    """Why a dotted path names nothing."""

    reason: str
    #: The dotted path that was probably meant; empty if there is none like it.
    near: str = ""


def find_missing(dotted_path: str) -> Missing | None:
    """Return why a dotted path names nothing; ``None`` if it may name something."""
    module, _, name = dotted_path.rpartition(".")
    if not module or not all(it.isidentifier() for it in dotted_path.split(".")):
        return Missing(
            "it is not the dotted path of a module and a name in it",
            # As ASGI servers take it.
            dotted_path.replace(":", ".") if ":" in dotted_path else "",
        )
    if module in sys.modules:
        loaded = sys.modules[module]
        return None if hasattr(loaded, name) else _no_name(module, name, dir(loaded))
    try:
        return _search(module.split("."), name)
    except Exception:  # noqa: BLE001 - calls any finder
        return None


def import_failure(error: BaseException) -> str:
    """Return why importing a dotted path failed, with the kind of the exception."""
    if isinstance(error, ImproperlyConfigured):
        return str(error)
    return f"{type(error).__name__}: {error}"


def _search(parts: list[str], name: str) -> Missing | None:
    known = parts[0]
    spec = _find(known, None)
    for part in parts[1:]:
        path = spec.submodule_search_locations if spec else None
        if path is None:
            break
        spec = _find(f"{known}.{part}", path)
        if spec is None:
            return _no_module(known, part, path, name)
        known = f"{known}.{part}"
    if spec is None or known != ".".join(parts):
        return Missing(f"there is no module {'.'.join(parts)}")
    return _missing_name(known, name, spec)


def _find(
    module: str, path: Sequence[str] | None
) -> importlib.machinery.ModuleSpec | None:
    if module in sys.modules and (spec := sys.modules[module].__spec__):
        return spec
    specs = (finder.find_spec(module, path) for finder in sys.meta_path)
    return next((spec for spec in specs if spec is not None), None)


def _no_module(parent: str, part: str, path: Sequence[str], name: str) -> Missing:
    siblings = [it.name for it in pkgutil.iter_modules(path)]
    near = difflib.get_close_matches(part, siblings, n=1)
    return Missing(
        f"there is no module {parent}.{part}",
        f"{parent}.{near[0]}.{name}" if near else "",
    )


def _no_name(module: str, name: str, names: Iterable[str]) -> Missing:
    near = difflib.get_close_matches(name, list(names), n=1)
    return Missing(
        f"the module {module} has no name {name!r}",
        f"{module}.{near[0]}" if near else "",
    )


def _missing_name(
    module: str, name: str, spec: importlib.machinery.ModuleSpec
) -> Missing | None:
    get_source = getattr(spec.loader, "get_source", None)
    if get_source is None or _is_submodule(name, spec):
        return None
    try:
        tree = ast.parse(get_source(module) or "raise")
    except (ImportError, SyntaxError, ValueError) as error:
        return Missing(f"the module {module} cannot be read: {error}")
    names = set(_names(tree))
    if name in names or "*" in names or not names.isdisjoint(DYNAMIC):
        return None
    if any(isinstance(it, ast.Raise) for it in tree.body):
        # The module may raise before it defines more names.
        return None
    return _no_name(module, name, names)


def _is_submodule(name: str, spec: importlib.machinery.ModuleSpec) -> bool:
    path = spec.submodule_search_locations
    return bool(path) and name in [it.name for it in pkgutil.iter_modules(path)]


def _names(tree: ast.Module) -> Iterator[str]:
    """Return every name that the module may define, and the dynamic ones it uses."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Store) or node.id in DYNAMIC:
                yield node.id
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
