"""Searches the lists of connections by what no backend has an index for."""

from __future__ import annotations

from django_socket_status.status.search.walk import (
    Found,
    Search,
    aiter_pages,
    happened_at,
    iter_matching,
    iter_pages,
    search,
)

__all__ = [
    "Found",
    "Search",
    "aiter_pages",
    "happened_at",
    "iter_matching",
    "iter_pages",
    "search",
]
