"""Finds the applications that a middleware wraps, without running its code.

Applications and middlewares are the project's code. Reading an attribute in the usual
way could run a property, a ``__getattr__`` or a lazy proxy. So this module reads only
what the interpreter stores: instance dictionaries, slots, closures, and the globals
that a function names.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Iterator
from typing import Any

__all__ = [
    "MISSING",
    "attributes",
    "is_tracked",
    "static_attribute",
    "unwrapped",
    "wrapped_applications",
]

MISSING = object()

#: The most attributes to read of one object. A middleware has a handful.
MAX_ATTRIBUTES = 1000

#: The most wrappers to look through for the ``__call__`` of the mixin.
MAX_WRAPPERS = 20

#: Names of the wrapped application in Channels, Starlette, functools and most other
#: libraries, without leading and trailing underscores.
USUAL_NAMES = frozenset({"app", "application", "asgi_app", "inner", "wrapped"})


def unwrapped(holder: object) -> object:
    """Return the object inside the transparent proxies of a monitoring agent.

    A proxy of ``wrapt``, or of a copy under another name, has the attributes of the
    object inside but another class, so the object's kind cannot be seen from outside.
    A lazy proxy, which creates its object at the first use, is returned as it is.
    """
    for _ in range(MAX_WRAPPERS):
        members = [vars(cls) for cls in type(holder).__mro__]
        slots = (it["__wrapped__"] for it in members if "__wrapped__" in it)
        slot = next(slots, None)
        is_lazy = any("__wrapped_factory__" in it for it in members[:-1])
        if is_lazy or type(slot) is not types.GetSetDescriptorType:
            break
        try:
            holder = slot.__get__(holder)
        except (AttributeError, ValueError):
            # The proxy has not been initialized.
            break
    return holder


def attributes(holder: object) -> dict[str, Any]:
    """Return the attributes in an instance's dictionary and slots."""
    found: dict[str, Any] = {}
    for cls in type(holder).__mro__:
        members = vars(cls)
        if "__slots__" in members:
            found.update(_filled_slots(holder, members))
        # A class may define a property ``__dict__``; then a base has the descriptor.
        stored = members.get("__dict__")
        if type(stored) is types.GetSetDescriptorType:
            found.update(list(stored.__get__(holder).items())[:MAX_ATTRIBUTES])
    return found


def static_attribute(holder: object, name: str) -> Any:
    """Return the stored attribute of an object or of its class, else ``MISSING``.

    For a class, return its own or inherited attribute.
    """
    is_class = issubclass(type(holder), type)
    if not is_class and name in (own := attributes(holder)):
        return own[name]
    classes: tuple[type, ...] = (holder if is_class else type(holder)).__mro__  # type: ignore[attr-defined]
    return next((vars(cls)[name] for cls in classes if name in vars(cls)), MISSING)


def is_tracked(cls: type) -> bool:
    """Return whether the mixin counts the connections of a consumer class.

    The mixin marks the ``__call__`` of the class. Other code may have wrapped it since.
    """
    waiting: list[object] = [static_attribute(cls, "__call__")]
    for _ in range(MAX_WRAPPERS):
        if not waiting:
            break
        call = unwrapped(waiting.pop(0))
        if attributes(call).get("is_tracked") is True:
            return True
        waiting += next(wrapped_applications(call))
    return False


def wrapped_applications(holder: object) -> Iterator[list[object]]:
    """Yield three groups of objects that may be the wrapped application.

    First the objects stored under a usual name, then all others that are stored, then
    globals and class attributes. If one group leads to an endpoint, do not read the
    next: it may hold the fallback of a middleware, which is not what it wraps.
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
    """Return whether a value is callable, or a mapping with a callable "websocket".

    Classes are not applications: middlewares hold models, forms and serializers.
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
        # The object of a bound method stores the wrapped application.
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
            # The enclosing function has not assigned the variable, or deleted it.
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
    """Return a class attribute, or ``None`` for a plain function (a method)."""
    if type(value) is staticmethod:
        return value.__func__
    return None if type(value) is types.FunctionType else value


def _globals_named_in(function: object) -> Iterator[Any]:
    """Yield the globals that an application names in its code.

    Only a function with a parameter ``scope`` is an application. The globals of its
    helper functions are left alone, because a helper may name any application.
    """
    if type(function) is not types.FunctionType:
        return
    code = function.__code__
    if "scope" not in code.co_varnames[: min(code.co_argcount, 2)]:
        return
    # ``co_names`` also has names of attributes. Such a name yields an unused global,
    # which is an endpoint only if it is an application too.
    yield from map(function.__globals__.get, code.co_names)
