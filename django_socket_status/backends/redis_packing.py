"""How values are packed in Redis: as msgpack, the smallest that is quick."""

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
    """Return a value as it is kept."""
    return msgpack.packb(value)  # type: ignore[no-any-return]


def packer(*, for_script: bool = False) -> Callable[[Any], bytes]:
    """Return what packs many values, for one thread, at half the cost of each.

    A mapping that is no dictionary is packed like one.

    Args:
        for_script: Whether Redis unpacks them: its Lua knows no bytes, but text alone.
    """
    packer = msgpack.Packer(default=dict, use_bin_type=not for_script)
    return packer.pack  # type: ignore[no-any-return]


def unpack(packed: bytes) -> Any:
    """Return a value that was packed.

    Raises:
        BackendError: somebody else has written it.
    """
    try:
        return msgpack.unpackb(packed)
    except (ValueError, msgpack.UnpackException) as error:
        raise BackendError("What was reported to Redis is damaged.") from error
