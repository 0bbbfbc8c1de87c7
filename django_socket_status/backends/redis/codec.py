"""Packs values for Redis as msgpack, the smallest format that is quick."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django_socket_status.exceptions import BackendError

try:
    import msgpack
except ImportError:
    msgpack = None

__all__ = ["HAS_MSGPACK", "pack", "packer", "unpack"]

HAS_MSGPACK = msgpack is not None


def pack(value: Any) -> bytes:
    """Return a value as msgpack."""
    return msgpack.packb(value)  # type: ignore[no-any-return]


def packer(*, for_script: bool = False) -> Callable[[Any], bytes]:
    """Return a function for one thread that packs values at half the cost of `pack`.

    It packs any mapping like a dictionary.

    Args:
        for_script: Whether a Lua script unpacks the values. It reads no bytes.
    """
    packer = msgpack.Packer(default=dict, use_bin_type=not for_script)
    return packer.pack  # type: ignore[no-any-return]


def unpack(packed: bytes) -> Any:
    """Return a value that was packed.

    Raises:
        BackendError: the value is damaged.
    """
    try:
        return msgpack.unpackb(packed)
    except (ValueError, TypeError, OverflowError, msgpack.UnpackException) as error:
        raise BackendError("What was reported to Redis is damaged.") from error
