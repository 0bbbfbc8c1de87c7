"""Whether ``METRICS_ACCESS`` and ``METRICS_TOKEN`` are valid."""

from __future__ import annotations

import difflib
import importlib.util
import re
from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, Error, Warning

from django_socket_status.access import METRICS_ACCESS, load_rule
from django_socket_status.checks.access import is_text_given, missing_authentication
from django_socket_status.checks.importable import import_failure
from django_socket_status.conf import (
    AUTHENTICATED,
    PUBLIC,
    SETTING,
    STAFF,
    TOKEN,
    get_settings,
)

__all__ = ["check_metrics"]

WORDS = (TOKEN, STAFF, PUBLIC)
MIN_TOKEN = 16
#: What a bearer token may consist of (RFC 6750, section 2.1).
TOKEN_CHARACTERS = re.compile(r"[A-Za-z0-9._~+/-]+=*")


def check_metrics(**kwargs: Any) -> list[CheckMessage]:
    """Judge ``METRICS_ACCESS`` and ``METRICS_TOKEN``."""
    access = get_settings().metrics_access
    if not is_text_given(METRICS_ACCESS):
        access = ""
    return [*_access(access), *_token(access), *_extra(access)]


def _access(access: str) -> Iterator[CheckMessage]:
    if access in ("", TOKEN, PUBLIC):
        return
    if access == STAFF:
        yield from missing_authentication(METRICS_ACCESS, access)
        return
    try:
        if access == AUTHENTICATED:
            load_rule("", METRICS_ACCESS)
        load_rule(access, METRICS_ACCESS)
    except Exception as error:  # noqa: BLE001 - any code of the project's runs here
        yield Error(
            import_failure(error),
            hint=f"{_suggested(access)}As in 'myproject.access.may_scrape', a function "
            "that takes the request and returns a bool. Until then, no request gets "
            "the metrics.",
            id="django_socket_status.E070",
        )


def _suggested(given: str) -> str:
    near = difflib.get_close_matches(given.lower(), WORDS, n=1)
    return f"Did you mean {near[0]!r}? " if near else ""


def _token(access: str) -> Iterator[CheckMessage]:
    token = get_settings().metrics_token
    name = f"{SETTING}['METRICS_TOKEN']"
    if access != TOKEN:
        if token:
            yield Warning(
                f"{name} is set, and {SETTING}['METRICS_ACCESS'] does not use it.",
                hint="Set METRICS_ACCESS to 'token', or remove the token.",
                id="django_socket_status.W070",
            )
    elif not token:
        yield Error(
            f"{SETTING}['METRICS_ACCESS'] is 'token', and {name} is not set.",
            hint="Set it to a secret that Prometheus sends, such as the output of "
            "python -c 'import secrets; print(secrets.token_urlsafe())'.",
            id="django_socket_status.E071",
        )
    elif not TOKEN_CHARACTERS.fullmatch(token):
        yield Error(
            f"{name} must consist of letters, digits and -._~+/, and may end with =.",
            hint="Clients cannot send other characters in a bearer token (RFC 6750).",
            id="django_socket_status.E072",
        )
    elif len(token) < MIN_TOKEN:
        yield Warning(
            f"{name} must have at least {MIN_TOKEN} characters, and has {len(token)}.",
            hint="A short token can be guessed. Use the output of "
            "python -c 'import secrets; print(secrets.token_urlsafe())'.",
            id="django_socket_status.W071",
        )


def _extra(access: str) -> Iterator[CheckMessage]:
    if access and importlib.util.find_spec("prometheus_client") is None:
        yield Warning(
            f"{SETTING}['METRICS_ACCESS'] is set, and prometheus-client is not "
            "installed.",
            hint="Install 'django-socket-status[prometheus]', or remove the key.",
            id="django_socket_status.W072",
        )
