"""The filters of a list that its search tries on each connection, or on each worker."""

from __future__ import annotations

import argparse

__all__ = ["OPTIONS", "with_search_filters"]

#: What the filters are called, without hyphens.
OPTIONS = ("endpoint", "worker", "host", "release", "older", "younger")


def with_search_filters(group: argparse._ArgumentGroup) -> argparse._ArgumentGroup:
    """Return a group of filters with those of a search added."""
    add = group.add_argument
    add("--endpoint", metavar="PATTERN", help="only those of this route pattern")
    add("--worker", metavar="ID", help="only those of the process with this id")
    add("--host", help="only those of processes of this host that report now")
    add("--release", help="only those of processes with this release")
    add("--older", metavar="AGE", help="only those older than 30s, 2h, ...")
    add("--younger", metavar="AGE", help="only those that are younger")
    return group
