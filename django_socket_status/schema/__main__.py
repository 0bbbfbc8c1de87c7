"""``python -m django_socket_status.schema``: write the documents of this folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings

__all__ = ["FOLDER", "documents", "main", "text_of"]

FOLDER = Path(__file__).parent


def documents() -> Mapping[str, Callable[[], dict[str, Any]]]:
    """Return what makes each document, by the name of its file."""
    from django_socket_status.schema.asyncapi import asyncapi
    from django_socket_status.schema.openapi import openapi

    return {"asyncapi.json": asyncapi, "openapi.json": openapi}


def text_of(document: Mapping[str, Any]) -> str:
    """Return a document as its file has it."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the documents again."""
    if not settings.configured:
        settings.configure()
    for name, make in documents().items():
        (FOLDER / name).write_text(text_of(make()), encoding="utf-8")


if __name__ == "__main__":
    main()
