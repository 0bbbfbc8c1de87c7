"""Encodes numbers as text, in the format that the client asks for."""

from __future__ import annotations

import gzip
from collections.abc import Iterable

from django.http import HttpResponse
from django.utils.cache import patch_vary_headers
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from django_socket_status.conf import get_settings
from django_socket_status.contrib.prometheus.families import families
from django_socket_status.contrib.prometheus.numbers import Numbers, Scope

__all__ = ["exposition"]

#: Smaller texts are not compressed.
GZIP_FROM_BYTES = 1024


class _Snapshot(Collector):
    """The families of one instant. Collecting them does no I/O."""

    def __init__(self, found: Iterable[Metric]) -> None:
        self._found = list(found)

    def collect(self) -> Iterable[Metric]:
        return self._found

    def describe(self) -> Iterable[Metric]:
        return ()


def exposition(
    numbers: Numbers | None, scope: Scope, accept: str, accept_encoding: str
) -> HttpResponse:
    """Return the response with the metrics.

    Args:
        numbers: What to export; ``None`` if that is not known.
        scope: Whose numbers they are.
        accept: The header ``Accept``: OpenMetrics, or else Prometheus' text format.
        accept_encoding: The header ``Accept-Encoding``.
    """
    # A registry for each request: the default one has the metrics of the project.
    registry = CollectorRegistry()
    registry.register(_Snapshot(families(numbers, scope, _backend_name())))
    encode, content_type = choose_encoder(accept)
    body, headers = encode(registry), {}
    if len(body) >= GZIP_FROM_BYTES and _takes_gzip(accept_encoding):
        body, headers = gzip.compress(body, 1), {"Content-Encoding": "gzip"}
    response = HttpResponse(body, content_type=content_type, headers=headers)
    response.headers["Cache-Control"] = "private, no-store"
    patch_vary_headers(response, ["Accept", "Accept-Encoding"])
    return response


def _backend_name() -> str:
    return get_settings().backend.rpartition(".")[2]


def _takes_gzip(accept_encoding: str) -> bool:
    """Return whether a client takes gzip (RFC 9110, section 12.5.3)."""
    for part in accept_encoding.lower().split(","):
        coding, *parameters = (it.strip() for it in part.split(";"))
        if coding == "gzip":
            return not any(_is_zero(it) for it in parameters)
    return False


def _is_zero(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    return name.strip() == "q" and not value.strip(" 0.")
