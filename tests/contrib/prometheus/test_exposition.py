"""The text: in the format that a client asks for, readable by other parsers."""

from __future__ import annotations

import gzip

import pytest
from django.http import HttpResponse
from prometheus_client import REGISTRY
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text

from django_socket_status.contrib.prometheus.exposition import exposition
from tests.contrib.prometheus.test_families import numbers

OPENMETRICS = "application/openmetrics-text"
#: What Prometheus 2 and 3 send.
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0;q=0.75,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=0.0.4;q=0.25,"
    "*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
    "text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)


def answer(accept: str = "", encoding: str = "") -> HttpResponse:
    return exposition(numbers(), "deployment", accept, encoding)


@pytest.mark.parametrize("accept", ["", "text/plain", "*/*", "text/html, */*;q=0.8"])
def test_text_format_is_the_default(accept):
    response = answer(accept)
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    names = {it.name for it in parse_text(response.content.decode())}
    assert "django_socket_status_connections" in names


@pytest.mark.parametrize("accept", [OPENMETRICS, PROMETHEUS_2, PROMETHEUS_3])
def test_openmetrics_is_what_its_parser_reads(accept):
    response = answer(accept)
    assert response.headers["Content-Type"].startswith(f"{OPENMETRICS}; version=1.")
    body = response.content.decode()
    assert body.endswith("# EOF\n")
    samples = [it for family in parse_openmetrics(body) for it in family.samples]
    assert "django_socket_status_handshake_duration_seconds_created" in {
        it.name for it in samples
    }


@pytest.mark.parametrize("encoding", ["gzip", "br, GZIP;q=0.5", "gzip ; q=1.0"])
def test_gzip_is_given_to_those_that_take_it(encoding):
    response = answer("", encoding)
    assert response.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(response.content) == answer().content


@pytest.mark.parametrize("encoding", ["", "br", "gzip;q=0", "gzip; q=0.00", "x-gzip"])
def test_others_get_the_text_as_it_is(encoding):
    assert "Content-Encoding" not in answer("", encoding).headers


def test_short_text_is_not_compressed():
    response = exposition(None, "deployment", "", "gzip")
    assert "Content-Encoding" not in response.headers
    assert b"django_socket_status_stale 1.0" in response.content


def test_caches_keep_nothing_and_tell_formats_apart():
    response = answer()
    assert response.headers["Cache-Control"] == "private, no-store"
    assert response.headers["Vary"] == "Accept, Accept-Encoding"


def test_default_registry_is_neither_read_nor_written():
    before = list(REGISTRY.collect())
    body = answer().content
    assert [it.name for it in REGISTRY.collect()] == [it.name for it in before]
    assert b"python_info" not in body
