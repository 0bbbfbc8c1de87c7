"""The manifests of the how-to parse, and what they read is in our answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from django.test import Client

from django_socket_status.testing import isolated_socket_status
from tests.support.held_sockets import CallConsumer, open_socket
from tests.support.source import ROOT

PAGE = (ROOT / "docs/how-to/autoscale.md").read_text("utf-8")
MANIFESTS = [
    yaml.safe_load(it) for it in re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.S)
]
MEMORY = "django_socket_status.backends.memory.MemoryBackend"


@pytest.fixture(autouse=True)
def public() -> Iterator[None]:
    with isolated_socket_status(BACKEND=MEMORY, METRICS_ACCESS="public"):
        yield


def triggers(kind: str) -> list[dict[str, Any]]:
    scaled = [it for it in MANIFESTS if it.get("kind") == "ScaledObject"]
    found = [it for manifest in scaled for it in manifest["spec"]["triggers"]]
    return [it["metadata"] for it in found if it["type"] == kind]


def value_at(answer: Any, path: str) -> Any:
    """Return what a GJSON path of plain keys finds, as KEDA reads it."""
    for key in path.split("."):
        answer = answer[key]
    return answer


def test_manifests_are_those_that_the_page_speaks_of():
    kinds = [it["kind"] for it in MANIFESTS if "kind" in it]
    assert kinds == [
        "ScaledObject",
        "TriggerAuthentication",
        "ScaledObject",
        "HorizontalPodAutoscaler",
    ]


def test_paths_lead_to_the_number_of_sockets():
    for _ in range(3):
        open_socket(CallConsumer)
    (trigger,) = triggers("metrics-api")
    paths = {trigger["valueLocation"], *re.findall(r"`(sockets_by_type\.\w+)`", PAGE)}
    assert paths == {"total_sockets", "sockets_by_type.call"}
    answer = Client().get("/socket-status/").json()
    assert {value_at(answer, path) for path in paths} == {3}
    assert trigger["url"].endswith("/socket-status/")


def test_host_that_keda_sends_has_to_be_allowed(settings):
    (trigger,) = triggers("metrics-api")
    url = urlsplit(trigger["url"])
    (name,) = re.findall(r"add `(\S+)` to `ALLOWED_HOSTS`", PAGE)
    (exempt,) = re.findall(r"`SECURE_REDIRECT_EXEMPT = \[r\"(\S+)\"\]`", PAGE)
    settings.ALLOWED_HOSTS = ["www.example.com"]
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_REDIRECT_EXEMPT = [exempt]
    security = "django.middleware.security.SecurityMiddleware"
    settings.MIDDLEWARE = [security, "django.middleware.common.CommonMiddleware"]
    assert Client(headers={"host": url.netloc}).get(url.path).status_code == 400
    settings.ALLOWED_HOSTS = [name]
    assert Client(headers={"host": url.netloc}).get(url.path).status_code == 200


@pytest.mark.parametrize("url", ["metrics/", "metrics/worker/"])
def test_metrics_that_are_named_are_exported(url):
    open_socket(CallConsumer)
    Client().get("/socket-status/")
    text = Client().get(f"/socket-status/{url}").content.decode()
    named = set(re.findall(r"\bdjango_socket_status_\w+", str(MANIFESTS)))
    assert named == {"django_socket_status_connections"}
    assert 'django_socket_status_connections{type="call"} 1.0' in text
