"""JSON Schema (draft 2020-12) of the types that the JSON is made of."""

from __future__ import annotations

import collections.abc
import dataclasses
import datetime
import inspect
import types
import typing
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal, TypeAlias, Union

from django_socket_status.schema.texts import field_texts, plain

__all__ = ["JsonSchema", "Shape", "Shapes"]

JsonSchema: TypeAlias = dict[str, Any]

_PLAIN: Mapping[Any, JsonSchema] = {
    Any: {},
    bool: {"type": "boolean"},
    datetime.datetime: {"type": "string", "format": "date-time"},
    float: {"type": "number"},
    int: {"type": "integer"},
    str: {"type": "string"},
    types.NoneType: {"type": "null"},
}
_LISTS = (list, tuple, collections.abc.Sequence)
_OBJECTS = (dict, collections.abc.Mapping)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A component: a class whose fields are the keys of the JSON."""

    name: str
    """What the component is called in the document."""
    cls: Any
    """The class, or a generic one with its argument."""
    record: type | None = None
    """The record that the JSON is made of; its docstrings are used, too."""
    also: Collection[str] = ()
    """Properties of the class that are keys as well."""
    optional: Collection[str] = ()
    """Keys that may be missing."""


class Shapes:
    """The components of one document.

    Args:
        shapes: All components. A type that is used elsewhere becomes a reference.
        prefix: Where they stand in the document.
    """

    def __init__(self, *shapes: Shape, prefix: str = "#/components/schemas/") -> None:
        self._shapes = shapes
        self._names = {
            kind: shape.name
            for shape in shapes
            for kind in (shape.cls, shape.record)
            if kind is not None
        }
        self._prefix = prefix

    def components(self) -> dict[str, JsonSchema]:
        """Return the schema of each component, by name."""
        return {shape.name: self._object(shape) for shape in self._shapes}

    def ref(self, name: str) -> JsonSchema:
        """Return a reference to a component."""
        return {"$ref": f"{self._prefix}{name}"}

    def of(self, kind: Any, given: Mapping[Any, Any] | None = None) -> JsonSchema:
        """Return the schema of a type.

        Args:
            kind: The type.
            given: The types that stand for the variables of a generic class.

        Raises:
            TypeError: the type has no JSON form here.
        """
        kind = (given or {}).get(kind, kind)
        if kind in self._names:
            return self.ref(self._names[kind])
        if kind in _PLAIN:
            return dict(_PLAIN[kind])
        origin, parts = typing.get_origin(kind), typing.get_args(kind)
        if origin is Annotated:
            # The metadata is the type that the JSON is written from.
            return self.of(parts[1], given)
        if origin is Literal:
            return {"type": "string", "enum": list(parts)}
        if origin in (Union, types.UnionType):
            return _any_of([self.of(part, given) for part in parts])
        if origin in _LISTS:
            return {"type": "array", "items": self.of(parts[0], given)}
        if origin in _OBJECTS:
            values = self.of(parts[1], given)
            return {"type": "object", "additionalProperties": values or True}
        raise TypeError(f"{kind} has no JSON form.")

    def _object(self, shape: Shape) -> JsonSchema:
        cls = typing.get_origin(shape.cls) or shape.cls
        variables = getattr(cls, "__parameters__", ())
        given = dict(zip(variables, typing.get_args(shape.cls), strict=True))
        texts = {
            **(field_texts(shape.record) if shape.record else {}),
            **field_texts(cls),
        }
        hints = typing.get_type_hints(cls, include_extras=True)
        properties = {
            name: self._property(hints[name], texts.get(name, ""), given)
            for name in _field_names(cls)
        }
        for name in shape.also:
            getter = inspect.getattr_static(cls, name).fget
            kind = typing.get_type_hints(getter)["return"]
            properties[name] = self._property(kind, plain(getter.__doc__ or ""), given)
        return {
            "type": "object",
            "description": plain((inspect.getdoc(cls) or "").partition("\n\n")[0]),
            "properties": properties,
            "required": [name for name in properties if name not in shape.optional],
        }

    def _property(self, kind: Any, text: str, given: Mapping[Any, Any]) -> JsonSchema:
        schema = self.of(kind, given)
        return {**schema, "description": text} if text else schema


def _field_names(cls: Any) -> list[str]:
    """Return the keys of a record or a ``TypedDict``, in the order of the code."""
    if dataclasses.is_dataclass(cls):
        return [field.name for field in dataclasses.fields(cls)]
    return list(cls.__annotations__)


def _any_of(schemas: list[JsonSchema]) -> JsonSchema:
    """Return the schema of a union; of a plain type or null, a list of two types."""
    first, *others = schemas
    if others == [{"type": "null"}] and set(first) <= {"type", "format"}:
        return {**first, "type": [first["type"], "null"]}
    return {"anyOf": schemas}
