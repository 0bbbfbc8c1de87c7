"""The OpenAPI and AsyncAPI documents, for everyone. They hold nothing of a site."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from django_socket_status.access import PUBLIC
from django_socket_status.views.guard import json_view

__all__ = ["asyncapi", "openapi"]

_FOLDER = Path(__file__).parent.parent / "schema"


@functools.cache
def _document(name: str) -> dict[str, Any]:
    text = (_FOLDER / name).read_text(encoding="utf-8")
    return json.loads(text)  # type: ignore[no-any-return]


def _openapi() -> dict[str, Any]:
    return _document("openapi.json")


async def _aopenapi() -> dict[str, Any]:
    return _document("openapi.json")


def _asyncapi() -> dict[str, Any]:
    return _document("asyncapi.json")


async def _aasyncapi() -> dict[str, Any]:
    return _document("asyncapi.json")


@json_view(access=PUBLIC, ask=_openapi, aask=_aopenapi)
def openapi(request: HttpRequest, document: dict[str, Any]) -> HttpResponse:
    """Answer with the OpenAPI document of the JSON endpoints, under this URL."""
    mounted_at = request.path.removesuffix("/schema/openapi.json")
    return JsonResponse({**document, "servers": [{"url": mounted_at or "/"}]})


@json_view(access=PUBLIC, ask=_asyncapi, aask=_aasyncapi)
def asyncapi(request: HttpRequest, document: dict[str, Any]) -> HttpResponse:
    """Answer with the AsyncAPI document of live push."""
    return JsonResponse(document)
