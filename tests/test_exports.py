"""What a module offers is written in its ``__all__``, and each name is documented."""

from __future__ import annotations

import ast
import importlib
import inspect
import typing
from pathlib import Path
from typing import Any

from tests.support.source import modules, tree_of

#: What Django imports by itself.
FOUND_BY_DJANGO = {"admin", "apps", "urls"}


def offering() -> list[str]:
    """Return the modules that people import from."""
    return [
        name
        for name, path in modules().items()
        if not is_docstring_alone(path)
        and not any(part.startswith("_") for part in name.split("."))
        and FOUND_BY_DJANGO.isdisjoint(name.split("."))
        and not {"management", "templatetags"} & set(name.split("."))
        and not name.endswith(".metrics")
    ]


def is_docstring_alone(path: Path) -> bool:
    """Return whether a module says what its folder is for, and no more."""
    tree = tree_of(path)
    return len(tree.body) == 1 and ast.get_docstring(tree) is not None


# Each of these looks at all modules: a test for each of three hundred takes most of its
# time to begin and to end.


def test_module_says_what_it_offers():
    for name in offering():
        module = importlib.import_module(name)
        assert module.__doc__, f"{name} does not say what it is for"
        assert len(module.__all__) == len(set(module.__all__)), name
        for exported in module.__all__:
            assert hasattr(module, exported), f"{name}.{exported} does not exist"


def test_what_a_module_offers_is_documented():
    undocumented = [
        f"{name}.{exported}"
        for name in offering()
        for exported, value in offered_by(name).items()
        if (inspect.isclass(value) or inspect.isroutine(value))
        # An alias of a type has no docstring; Python 3.10 takes it for a class.
        and typing.get_origin(value) is None
        and not inspect.getdoc(value)
    ]
    assert not undocumented


def offered_by(name: str) -> dict[str, Any]:
    module = importlib.import_module(name)
    return {exported: getattr(module, exported) for exported in module.__all__}


def test_class_is_offered_or_has_an_underscore():
    """A public class that is left out was forgotten, or is not meant for others."""
    left_out = [
        f"{name}.{node.name}"
        for name in offering()
        for node in tree_of(modules()[name]).body
        if isinstance(node, ast.ClassDef)
        and not node.name.startswith("_")
        and node.name not in offered_by(name)
    ]
    assert not left_out
