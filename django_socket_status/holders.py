"""Finds what an object holds that may be an ASGI application, without touching it.

An application, and whatever is wrapped around it, belongs to the host, so nothing of
the host's runs here: no property, ``__getattr__`` or lazy proxy is asked, and nothing
is called. Only what the interpreter itself stores is read: instance dictionaries,
slots, closures, and the globals that a function names.
"""

from __future__ import annotations

import dis
import functools
import types
from collections.abc import Iterator
from typing import Any

__all__ = ["MISSING", "attributes", "held_applications", "static_attribute"]

MISSING = object()

#: How many attributes of one object are looked at. A middleware has a handful.
MAX_ATTRIBUTES = 1000

#: What Channels, Starlette, functools and nearly everybody else call the application
#: that comes next, underscores aside.
USUAL_NAMES = frozenset({"app", "application", "asgi_app", "inner", "wrapped"})


def attributes(holder: object) -> dict[str, Any]:
    """Return what an instance stores: its dictionary and its slots."""
    found: dict[str, Any] = {}
    for cls in type(holder).__mro__:
        members = vars(cls)
        if "__slots__" in members:
            found.update(_filled_slots(holder, members))
        # Where a class has a property of this name, a base has the real thing.
        stored = members.get("__dict__")
        if type(stored) is types.GetSetDescriptorType:
            found.update(list(stored.__get__(holder).items())[:MAX_ATTRIBUTES])
    return found


def static_attribute(holder: object, name: str) -> Any:
    """Return an attribute of an object, as it is stored there or on its class.

    A class is asked for its own and inherited attributes. ``MISSING`` if there is none.
    """
    is_class = issubclass(type(holder), type)
    if not is_class and name in (own := attributes(holder)):
        return own[name]
    classes: tuple[type, ...] = (holder if is_class else type(holder)).__mro__  # type: ignore[attr-defined]
    return next((vars(cls)[name] for cls in classes if name in vars(cls)), MISSING)


def held_applications(holder: object) -> Iterator[list[object]]:
    """Yield groups of what may be the next application, the likeliest first.

    What is stored under a usual name; what else is stored; what is known by a global
    name or from the class. Whoever finds something in one group should not look at the
    next, or the fallback of a middleware is taken for what it wraps.
    """
    usual: list[object] = []
    others: list[object] = []
    for name, value in _stored(holder):
        if _may_be_application(value):
            (usual if name.strip("_") in USUAL_NAMES else others).append(value)
    yield usual
    yield others
    yield [value for value in _known(holder) if _may_be_application(value)]


def _may_be_application(value: Any) -> bool:
    """Return whether a value can be called as one, or has one for "websocket".

    Classes are left out: middlewares hold models, forms and serializers.
    """
    if issubclass(type(value), dict):
        return callable(dict.get(value, "websocket"))
    return callable(value) and not issubclass(type(value), type)


def _filled_slots(
    holder: object, members: types.MappingProxyType[str, Any]
) -> Iterator[tuple[str, Any]]:
    for name, slot in members.items():
        if type(slot) is types.MemberDescriptorType:
            try:
                yield name, slot.__get__(holder)
            except AttributeError:
                continue


def _stored(holder: object) -> Iterator[tuple[str, Any]]:
    if type(holder) is types.FunctionType:
        yield from _stored_by_function(holder)
    elif type(holder) is types.MethodType:
        # The application is a method, and its object holds what comes next.
        yield from attributes(holder.__self__).items()
    elif type(holder) is functools.partial:
        yield from holder.keywords.items()
        yield from (("", value) for value in (*holder.args, holder.func))
    yield from attributes(holder).items()


def _stored_by_function(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    names = function.__code__.co_freevars
    for name, cell in zip(names, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:
            # The enclosing function has not set it, or has deleted it.
            continue
    yield from (("", value) for value in function.__defaults__ or ())
    yield from (function.__kwdefaults__ or {}).items()


def _known(holder: object) -> Iterator[Any]:
    if type(holder) is types.FunctionType:
        yield from _globals_named_in(holder)
    elif type(holder) is types.MethodType:
        yield from _globals_named_in(holder.__func__)
    elif type(holder) is not functools.partial:
        yield from _globals_named_in(static_attribute(type(holder), "__call__"))
        for cls in type(holder).__mro__[:-1]:
            yield from map(_unbound, vars(cls).values())


def _unbound(value: object) -> Any:
    """Return what a class holds; of its functions, only what ``staticmethod`` wraps."""
    if type(value) is staticmethod:
        return value.__func__
    return None if type(value) is types.FunctionType else value


def _globals_named_in(function: object) -> Iterator[Any]:
    """Yield the globals of a function that takes a scope, as an application does.

    Of no other function: the helpers of an application lead anywhere.
    """
    if type(function) is not types.FunctionType:
        return
    code = function.__code__
    if "scope" not in code.co_varnames[: min(code.co_argcount, 2)]:
        return
    for instruction in dis.get_instructions(code):
        if instruction.opname == "LOAD_GLOBAL":
            yield function.__globals__.get(instruction.argval)
