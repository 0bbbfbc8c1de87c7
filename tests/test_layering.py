"""Imports point one way, and each optional package has one place."""

from __future__ import annotations

import subprocess
import sys
from graphlib import TopologicalSorter

import pytest

from tests.source import NAME, imports_of, modules

#: From what knows nothing to what knows everything. A module imports from its own
#: layer and those above it in this list; a name stands for what is below it, too.
LAYERS = {
    "words and settings": {
        "",
        "bounds",
        "conf",
        "counting",
        "exceptions",
        "naming",
        "patterns",
        "records",
        "signals",
        "taking",
        "users",
        "worker",
    },
    "what is open here, where it goes, and which URLs there are": {
        "backends",
        "endpoints",
        "forks",
        "holders",
        "lives",
        "registry",
        "routes",
        "socket_side",
    },
    "observing, reporting and reading": {
        "describe",
        "events",
        "labels",
        "lanes",
        "places",
        "readings",
        "reporter",
        "reports",
        "services",
        "status",
        "tracking",
    },
    "what users touch": {
        "access",
        "admin",
        "apps",
        "checks",
        "consumers",
        "hub",
        "listening",
        "live",
        "management",
        "metrics",
        "middleware",
        "origins",
        "routing",
        "templatetags",
        "testing",
        "urls",
        "views",
    },
}

#: Where each package that is not always there, or is the host's, may be imported.
PLACES = {
    "channels": {"consumers"},
    "prometheus_client": {"metrics"},
    "redis": {"backends.redis_client"},
    "msgpack": {"backends.redis_packing"},
}


def layer_of(module: str) -> int:
    """Return the number of a module's layer."""
    first = module.removeprefix(NAME).removeprefix(".").partition(".")[0]
    for number, members in enumerate(LAYERS.values()):
        if first in members:
            return number
    pytest.fail(f"{module} is in no layer; say in which it belongs")


def own_imports() -> dict[str, set[str]]:
    """Return the modules of the package that each of its modules imports."""
    found = modules()
    graph = {}
    for name, path in found.items():
        imported = {
            full if full in found else full.rpartition(".")[0]
            for full in imports_of(path)
        }
        graph[name] = (imported & found.keys()) - {name}
    return graph


def test_imports_point_one_way():
    wrong = [
        f"{module} imports {imported}"
        for module, all_imported in own_imports().items()
        for imported in all_imported
        if layer_of(imported) > layer_of(module)
    ]
    assert not wrong


def test_no_module_imports_itself_by_way_of_others():
    # A package that re-exports what its parts hold is no detour.
    TopologicalSorter(own_imports()).prepare()


@pytest.mark.parametrize(("package", "places"), list(PLACES.items()), ids=list(PLACES))
def test_package_is_imported_in_its_place_only(package, places):
    importers = {
        name.removeprefix(f"{NAME}.")
        for name, path in modules().items()
        if any(full.partition(".")[0] == package for full in imports_of(path))
    }
    assert importers <= places


def test_core_imports_without_the_optional_packages():
    """Also where they are installed: nothing may reach for them."""
    script = """
import sys
for name in ("redis", "msgpack", "prometheus_client"):
    sys.modules[name] = None
import django
django.setup()
from django_socket_status import apps, checks, consumers, middleware, services, urls
from django_socket_status.backends import memory, redis, sqlite
"""
    result = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr


def test_nothing_starts_at_import():
    """No thread, no file, no database: ``manage.py`` and reloaders import us, too."""
    script = """
import threading
import django
django.setup()
from django_socket_status import consumers, middleware, services, urls
from django.db import connection
assert threading.active_count() == 1, threading.enumerate()
assert connection.connection is None
"""
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
