"""Names for the types of the ASGI interface.

``asgiref.typing`` describes each message that a server or an application should send.
This package has to accept whatever an application does send, so its types are wider.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

__all__ = ["Application", "Message", "Receive", "Scope", "Send"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Any], Awaitable[Any]]
Application = Callable[[Scope, Receive, Send], Awaitable[Any]]
