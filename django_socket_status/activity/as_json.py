"""Records of what happened, as JSON has them."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["as_json"]


def as_json(value: Any) -> Any:
    """Return a record as an object of its fields, and a time as ISO 8601 in UTC."""
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {name: as_json(it) for name, it in value.items()}
    if dataclasses.is_dataclass(value):
        fields = dataclasses.fields(value)
        return {it.name: as_json(getattr(value, it.name)) for it in fields}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [as_json(it) for it in value]
    return value
