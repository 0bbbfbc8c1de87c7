"""The documents equal the code, are valid, and are true of real answers."""

from __future__ import annotations

import copy
import gzip
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from django.test import Client

from django_socket_status.exceptions import BackendError
from django_socket_status.live.application import LiveStatus
from django_socket_status.live.listener import PING
from django_socket_status.schema import asyncapi, openapi
from django_socket_status.schema.__main__ import FOLDER, documents, text_of
from django_socket_status.schema.parameters import parameters_of
from django_socket_status.testing import isolated_socket_status
from django_socket_status.urls import urlpatterns
from django_socket_status.views.guard import JsonView
from django_socket_status.views.parameters import COMMON
from tests.status import test_lists as lists
from tests.support.held_sockets import open_socket
from tests.support.live_push import PATH, Visitor, listening
from tests.support.scripted_backend import SCRIPTED, fails_with, scripted
from tests.support.source import ROOT

SPECS = Path(__file__).parent / "specs"
OFFICIAL = {
    "asyncapi.json": "asyncapi-3.0.0.json.gz",
    "openapi.json": "openapi-3.1.json.gz",
}


def shipped(name: str) -> Any:
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


OPENAPI = shipped("openapi.json")


def test_documents_are_these():
    assert documents() == {
        "asyncapi.json": asyncapi.asyncapi,
        "openapi.json": openapi.openapi,
    }


@pytest.mark.parametrize("name", OFFICIAL)
def test_document_is_what_the_code_says(name):
    """If not, run ``python -m django_socket_status.schema``."""
    assert (FOLDER / name).read_text(encoding="utf-8") == text_of(documents()[name]())


@pytest.mark.parametrize("name", OFFICIAL)
def test_document_is_valid(name):
    official = json.loads(gzip.decompress((SPECS / OFFICIAL[name]).read_bytes()))
    validator = jsonschema_rs.validator_for(official)
    validator.validate(shipped(name))
    assert not validator.is_valid({**shipped(name), "info": {}})


@pytest.mark.parametrize("name", OFFICIAL)
def test_each_component_is_a_valid_schema(name):
    for schema in shipped(name)["components"]["schemas"].values():
        jsonschema_rs.Draft202012Validator(
            {"$ref": "https://json-schema.org/draft/2020-12/schema"}
        ).validate(schema)


@pytest.mark.parametrize("name", OFFICIAL)
def test_each_reference_leads_somewhere(name):
    document = shipped(name)
    for reference in references(document):
        found = document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from [it for key, it in value.items() if key == "$ref"]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from references(item)


def test_each_json_view_is_described():
    views = {
        f"/{route.pattern}"
        for route in urlpatterns
        if isinstance(route.callback, JsonView)
    }
    assert views - OPENAPI["paths"].keys() == {
        "/metrics/",
        "/metrics/worker/",
        "/schema/asyncapi.json",
        "/schema/openapi.json",
    }


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("connections", {"after"}),
        ("closed", {"cause", "code"}),
        ("rejected", {"code"}),
    ],
)
def test_each_parameter_of_a_list_is_described(name, more):
    names = {it["name"] for it in parameters_of(name)}
    assert names == COMMON | more | {"labels"}


def test_each_field_has_its_meaning():
    """Those of ``Error`` and of a message have only their name."""
    without = [
        f"{name}.{key}"
        for name, schema in OPENAPI["components"]["schemas"].items()
        for key, it in schema["properties"].items()
        if "description" not in it
    ]
    assert without == ["Error.error"]


# What is answered.


def strictly(schema: dict[str, Any], document: dict[str, Any]) -> Any:
    """Return a validator that allows no key that the document does not have."""
    components = copy.deepcopy(document["components"])
    for component in components["schemas"].values():
        component["additionalProperties"] = False
    whole = {**schema, "components": components}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("README.md", ["Summary"]),
        ("docs/reference/json.md", ["Summary", "ConnectionPage", "Workers", "Error"]),
        ("docs/reference/json-activity.md", ["ClosedPage", "Totals", "History"]),
        ("docs/reference/json-health.md", ["Health", "Health"]),
    ],
)
def test_examples_in_the_documentation_are_as_described(page, names):
    text = (ROOT / page).read_text(encoding="utf-8")
    examples = re.findall(r"^```json\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    for name, example in zip(names, examples, strict=True):
        schema = {"$ref": f"#/components/schemas/{name}"}
        strictly(schema, OPENAPI).validate(json.loads(example))


@pytest.fixture
def staff(admin_client: Client) -> Callable[..., Any]:
    """Return what validates the answer of a path for staff."""

    def get(path: str, status: int = 200) -> Any:
        response = admin_client.get(f"/socket-status{path}")
        assert response.status_code == status, response.content
        return validated(path, status, response.content)

    return get


def validated(path: str, status: int, content: bytes) -> Any:
    body = json.loads(content)
    described = OPENAPI["paths"][path]["get"]["responses"][str(status)]
    if "$ref" in described:
        described = OPENAPI["components"]["responses"][str(status)]
    schema = described["content"]["application/json"]["schema"]
    strictly(schema, OPENAPI).validate(body)
    return body


@pytest.mark.django_db
def test_answers_are_as_described(staff):
    with isolated_socket_status(BACKEND=lists.MEMORY):
        lists.keep(lists.ended(1, user="7", room="blue"), lists.ended(2, code=None))
        lists.reject(1)
        open_socket(room="blue")
        assert len(staff("/closed/")["connections"]) == 2
        assert staff("/rejected/")["connections"]
        assert staff("/connections/")["connections"]
        assert staff("/workers/")["workers"]
        for path in ("/", "/totals/", "/history/", "/health/"):
            assert staff(path)
        assert staff("/health/live/") == {"status": "ok", "checks": {}}
        assert staff("/health/ready/")["checks"] == {"drain": "ok"}


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/closed/", "/rejected/", "/totals/", "/history/"])
def test_what_is_not_kept_is_as_described(staff, settings, path):
    name = f"{lists.__name__}.{lists.KeepsNothing.__qualname__}"
    settings.SOCKET_STATUS = {"BACKEND": name}
    staff(path, 501)


@pytest.mark.parametrize("status", [401, 405])
def test_refusals_are_as_described(client, status):
    method = client.get if status == 401 else client.post
    response = method("/socket-status/connections/")
    assert response.status_code == status
    validated("/connections/", status, response.content)


@pytest.mark.parametrize("path", ["/", "/workers/", "/health/"])
@pytest.mark.django_db
def test_outage_is_as_described(staff, settings, path):
    settings.SOCKET_STATUS = {"BACKEND": SCRIPTED}
    scripted().before_read = fails_with(BackendError("no answer"))
    staff(path, 503)


async def test_messages_of_live_push_are_as_described(settings):
    settings.ALLOWED_HOSTS = ["example.com"]
    document = shipped("asyncapi.json")
    components = document["components"]["schemas"]
    open_socket()
    visitor = Visitor(headers=[(b"origin", b"https://example.com")])
    async with listening(LiveStatus(), visitor):
        await visitor.is_told(1)
    strictly(components["SummaryMessage"], document).validate(visitor.heard[0])
    strictly(components["PingMessage"], document).validate(json.loads(PING))


def test_live_push_has_its_path_and_its_closes():
    (channel,) = shipped("asyncapi.json")["channels"].values()
    assert channel["address"] == PATH
    closes = {(it["code"], it["reason"]) for it in channel["x-close-codes"]}
    assert {(4401, "sign in"), (4408, "too slow"), (1012, "connect again")} <= closes
