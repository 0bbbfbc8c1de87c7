"""Turns what redis-py raises into errors of this package, without a password."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django_socket_status.backends.redis.address import Address
from django_socket_status.backends.redis.driver import HAS_DRIVER, redis_exceptions
from django_socket_status.exceptions import BackendError, BackendUnusableError

__all__ = ["Translated", "is_allowed"]

#: The fix if an access control list denies a command.
DENIED = (
    "Give that user +@scripting, +@read, +@write and +time on the keys of "
    "OPTIONS['prefix']."
)

#: The fix if a command of a script was renamed. A script cannot call it by another
#: name.
LACKING = (
    "Undo its rename-command: 'manage.py check --tag socket_status' names the command."
)

#: What Redis answers if it denies a command of a script. Such an answer has no code.
DENIALS = ("The user executing the script can't", "ACL failure in script")

#: What Redis answers to a command that was renamed or does not exist.
UNKNOWN = ("unknown command", "unknown redis command", "unknown subcommand")

#: What redis-py says if it does not know an option.
NO_OPTIONS = ("unexpected keyword argument", "Invalid value for")


class Translated:
    """A context that turns errors of redis-py into errors of this package."""

    def __init__(self, address: Address) -> None:
        self._address = address

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        """Translate an error. Errors of this package and ``SystemExit`` pass."""
        if isinstance(error, BackendError) or not isinstance(error, Exception):
            return
        reason = _without(self._address.secrets, str(error)) or type(error).__name__
        if HAS_DRIVER and _is_denied(error):
            msg = f"Redis at {self._address} denies a command: {reason} {DENIED}"
            raise BackendUnusableError(msg) from None
        if HAS_DRIVER and not is_allowed(error):
            msg = f"Redis at {self._address} lacks a command: {reason} {LACKING}"
            raise BackendUnusableError(msg) from None
        if any(text in str(error) for text in NO_OPTIONS):
            raise BackendUnusableError(
                f"redis-py does not take the options for {self._address}: {reason}. "
                "Look at the parameters of OPTIONS['url'], and at "
                "OPTIONS['client_options']."
            ) from None
        if HAS_DRIVER and _is_refused(error):
            raise BackendUnusableError(
                f"Redis at {self._address} refuses the user or the password. Put the "
                "right ones into OPTIONS['url'], or 'username' and 'password' into "
                "OPTIONS['client_options']."
            ) from None
        # Not only RedisError: RedisClusterException is not one, nor are the errors of a
        # socket that another thread has closed.
        raise BackendError(
            f"Redis at {self._address} cannot be used: {reason}"
        ) from None


def _is_denied(error: BaseException) -> bool:
    """Return whether an access control list denies a command, or one of a script's."""
    return isinstance(error, redis_exceptions.NoPermissionError) or any(
        text in str(error) for text in DENIALS
    )


def is_allowed(reply: Any) -> bool:
    """Return whether a reply shows that the server lets us run the command."""
    if not isinstance(reply, BaseException):
        return True
    text = str(reply).lower()
    return not (_is_denied(reply) or any(it in text for it in UNKNOWN))


def _is_refused(error: BaseException | None) -> bool:
    """Return whether the user or password is wrong. A Cluster wraps that error."""
    while error is not None:
        if isinstance(error, redis_exceptions.AuthenticationError):
            return True
        error = error.__cause__
    return False


def _without(secrets: Iterable[str], text: str) -> str:
    """Return a text without secrets. A server may repeat them in its answer."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return text
