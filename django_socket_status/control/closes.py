"""What a close frame that a command asks for may say."""

from __future__ import annotations

import math
from typing import Any

from django_socket_status.limits import bounded_text

__all__ = ["MAX_REASON_BYTES", "valid_close", "valid_frame", "valid_number"]

#: A control frame has 125 bytes, and the code takes two: RFC 6455, section 5.5.
MAX_REASON_BYTES = 123
MAX_REQUESTED_BY = 128
MAX_WAIT_SECONDS = 60.0
#: What else may be sent: RFC 6455, section 7.4.2, and IANA's registry for 1012.
_CODES = (1000, 1012)


def valid_frame(
    *, code: object, reason: object, requested_by: object
) -> dict[str, Any]:
    """Return the code, the reason and who asks, if they are valid.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument is out of range; the message names the rule.
    """
    if type(code) is not int:
        raise TypeError(f"code must be an int, not {type(code).__name__}.")
    if code not in _CODES and not 3000 <= code <= 4999:
        raise ValueError(f"code must be 1000, 1012 or from 3000 to 4999, not {code}.")
    if not isinstance(reason, str) or not isinstance(requested_by, str):
        raise TypeError("reason and requested_by must be strings.")
    size = len(reason.encode(errors="replace"))
    if size > MAX_REASON_BYTES:
        raise ValueError(
            f"reason must have at most {MAX_REASON_BYTES} bytes of UTF-8, not {size}: "
            "a close frame has no room for more."
        )
    return {
        "code": code,
        "reason": reason.encode(errors="replace").decode(),
        "requested_by": bounded_text(requested_by, MAX_REQUESTED_BY),
    }


def valid_close(
    *,
    code: object,
    reason: object,
    rate: object,
    wait_seconds: object,
    dry_run: object,
    requested_by: object,
) -> dict[str, Any]:
    """Return the arguments that say how to close, if they are valid.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument is out of range; the message names the rule.
    """
    if not isinstance(dry_run, bool):
        raise TypeError(f"dry_run must be a bool, not {type(dry_run).__name__}.")
    return {
        **valid_frame(code=code, reason=reason, requested_by=requested_by),
        "rate": None if rate is None else valid_number("rate", rate, 0.01, 1e6),
        "wait_seconds": valid_number(
            "wait_seconds", wait_seconds, 0.0, MAX_WAIT_SECONDS
        ),
        "dry_run": dry_run,
    }


def valid_number(name: str, value: object, lowest: float, highest: float) -> float:
    """Return a number if it is in a range.

    Raises:
        TypeError: it is no number.
        ValueError: it is out of range.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number, not {type(value).__name__}.")
    if not lowest <= value <= highest or math.isnan(value):
        raise ValueError(f"{name} must be from {lowest:g} to {highest:g}, not {value}.")
    return float(value)
