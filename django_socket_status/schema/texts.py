"""The texts of the documents, from the docstrings of the code."""

from __future__ import annotations

import ast
import functools
import inspect
import itertools
import re

__all__ = ["field_texts", "plain", "summary_of"]

_ROLE = re.compile(r":\w+:`~?(?:[^`<]*<)?([^`>]+)>?`")


def plain(text: str) -> str:
    """Return the text of a docstring in one line, as Markdown."""
    named = _ROLE.sub(lambda it: f"`{it[1].lstrip('~.').rpartition('.')[2]}`", text)
    return " ".join(named.replace("``", "`").split())


def summary_of(value: object) -> str:
    """Return the first line of a docstring, without its full stop."""
    return plain((inspect.getdoc(value) or "").partition("\n")[0]).rstrip(".")


@functools.cache
def field_texts(cls: type) -> dict[str, str]:
    """Return the docstring below each field of a class, by the name of the field."""
    tree = ast.parse(inspect.getsource(inspect.getmodule(cls) or cls))
    body = next(
        node.body
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and node.name == cls.__name__
    )
    return {
        field.target.id: plain(after.value.value)
        for field, after in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(after, ast.Expr)
        and isinstance(after.value, ast.Constant)
        and isinstance(after.value.value, str)
    }
