"""Whether ``BACKEND`` names a backend, and ``OPTIONS`` are what it takes."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.checks import CheckMessage, Error
from django.utils.module_loading import import_string

from django_socket_status.backends.base import BaseBackend
from django_socket_status.conf import SETTING, SQLITE_BACKEND, get_settings

__all__ = ["check_backend", "option_names"]

PACKAGE = "django_socket_status.backends"

#: The backends of this package, and words that name them in other settings.
BACKENDS = {
    SQLITE_BACKEND: ("sqlite",),
    f"{PACKAGE}.redis.RedisBackend": ("redis", "valkey"),
    f"{PACKAGE}.memory.MemoryBackend": ("memory", "locmem"),
}

#: How alike two paths must be, from 0 to 1, for one to be meant by the other.
ALIKE = 0.8


def check_backend(**kwargs: Any) -> list[CheckMessage]:
    """Check ``BACKEND`` and ``OPTIONS``, and run the checks of the backend."""
    dotted_path = get_settings().backend
    name = f"{SETTING}['BACKEND']"
    try:
        cls = import_string(dotted_path)
    except Exception as error:  # noqa: BLE001 - any code of the project's runs here
        return [
            Error(
                f"{name} must be the dotted path of a class; {dotted_path!r} cannot be "
                f"imported: {_reason(error)}",
                hint=f"{_suggestion(dotted_path)} Until it can be imported, each "
                "process answers for its own sockets alone.",
                id="django_socket_status.E007",
            )
        ]
    if not (isinstance(cls, type) and issubclass(cls, BaseBackend)):
        return [
            Error(
                f"{name} must be a subclass of {BaseBackend.__module__}.BaseBackend; "
                f"{dotted_path!r} is {_described(cls)}.",
                hint=_suggestion(dotted_path),
                id="django_socket_status.E008",
            )
        ]
    return list(_options(cls))


def option_names(dotted_path: str) -> list[str]:
    """Return the options of a backend; none if it cannot be imported."""
    try:
        return list(_parameters(import_string(dotted_path)))
    except Exception:  # noqa: BLE001 - any code of the project's runs here
        return []


def _options(cls: type[BaseBackend]) -> Iterator[CheckMessage]:
    options = get_settings().options
    parameters = _parameters(cls)
    takes = f"{cls.__name__} takes: {', '.join(parameters) or 'none'}."
    try:
        backend = cls(**options)
    except Exception as error:  # noqa: BLE001 - the backend may be the project's code
        wrong = _unknown(options, parameters)
        near = difflib.get_close_matches(wrong.lower(), parameters, n=1)
        meant = f"Did you mean {near[0]!r}? " if near else ""
        reason = f"it does not take {wrong!r}" if wrong else _reason(error)
        yield Error(
            f"{SETTING}['OPTIONS'] must be what {cls.__name__} takes: {reason}.",
            hint=f"{meant}{takes}",
            id="django_socket_status.E009",
        )
        return
    try:
        yield from backend.check()
    finally:
        backend.close()


def _parameters(cls: Any) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(cls).parameters)


def _unknown(
    options: Mapping[str, Any], parameters: Mapping[str, inspect.Parameter]
) -> str:
    """Return an option that the backend does not have, or an empty text."""
    if any(it.kind is it.VAR_KEYWORD for it in parameters.values()):
        return ""
    return next((key for key in options if key not in parameters), "")


def _suggestion(dotted_path: str) -> str:
    """Return the backend that was probably meant, or all backends."""
    given = dotted_path.lower()
    paths = {path.lower(): path for path in BACKENDS}
    near = [
        *difflib.get_close_matches(given, paths, n=1, cutoff=ALIKE),
        *(
            path.lower()
            for path, words in BACKENDS.items()
            if any(word in given for word in words)
        ),
    ]
    if near:
        return f"Did you mean {paths[near[0]]!r}?"
    return f"The backends of this package are {', '.join(map(repr, BACKENDS))}."


def _described(found: object) -> str:
    if isinstance(found, type):
        return f"the class {found.__module__}.{found.__qualname__}, which is none"
    return f"of the type {type(found).__name__}"


def _reason(error: Exception) -> str:
    """Return the text of an exception, without a final period."""
    text = str(error).rstrip(".")
    if isinstance(error, TypeError | ValueError) and text:
        return text
    return f"{type(error).__name__}: {text}"
