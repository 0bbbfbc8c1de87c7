"""What a module offers is written in its ``__all__``, and each name is documented."""

from __future__ import annotations

import ast
import importlib
import inspect
import typing
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("name", offering())
def test_module_says_what_it_offers(name):
    module = importlib.import_module(name)
    assert module.__doc__, "a module says what it is for"
    assert len(module.__all__) == len(set(module.__all__))
    for exported in module.__all__:
        assert hasattr(module, exported), f"{exported} does not exist"


@pytest.mark.parametrize("name", offering())
def test_what_a_module_offers_is_documented(name):
    module = importlib.import_module(name)
    offered = {exported: getattr(module, exported) for exported in module.__all__}
    undocumented = [
        exported
        for exported, value in offered.items()
        if (inspect.isclass(value) or inspect.isroutine(value))
        # An alias of a type has no docstring; Python 3.10 takes it for a class.
        and typing.get_origin(value) is None
        and not inspect.getdoc(value)
    ]
    assert not undocumented


@pytest.mark.parametrize("name", offering())
def test_class_is_offered_or_has_an_underscore(name):
    """A public class that is left out was forgotten, or is not meant for others."""
    module = importlib.import_module(name)
    tree = tree_of(modules()[name])
    public = {
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    }
    assert public <= set(module.__all__)
