"""Imports point one way, and each optional package has one place."""

from __future__ import annotations

import ast
import statistics
import subprocess
import sys
from collections import Counter
from graphlib import TopologicalSorter

import pytest

from tests.support.source import NAME, imports_of, modules, tree_of

#: From what knows nothing to what knows everything. A module imports from its own
#: layer and those above it in this list. A name stands for everything below it, too.
LAYERS = {
    "words, settings, threads": {
        "",
        "asgi",
        "concurrency",
        "conf",
        "endings",
        "exceptions",
        "limits",
        "models",
        "signals",
    },
    "records, and what is known of the project": {
        "access",
        "activity",
        "endpoints",
        "pages",
        "records",
        "users",
        "validation",
    },
    "what is open here, and where reports go": {"backends", "registry"},
    "what a worker is ordered to do": {"control"},
    "what the backend is told": {"reporter"},
    "observing one socket, and reading all reports": {"status", "tracking"},
    "giving commands, and judging": {"health", "operations"},
    "entry points and the Python API": {
        "consumers",
        "labels",
        "middleware",
        "services",
    },
    "what users see": {
        "admin",
        "checks",
        "cli",
        "live",
        "management",
        "views",
        "wording",
    },
    "what projects mount": {
        "apps",
        "contrib",
        "pytest_plugin",
        "routing",
        "schema",
        "templatetags",
        "testing",
        "urls",
    },
}

#: Where each package that is not always there, or is the host's, may be imported.
PLACES = {
    "channels": {"consumers", "testing.sockets"},
    "health_check": {"contrib.health_check"},
    "redis": {"backends.redis.driver"},
    "msgpack": {"backends.redis.codec"},
    "opentelemetry": {
        "contrib.opentelemetry",
        "contrib.opentelemetry.instruments",
    },
    "prometheus_client": {
        "contrib.prometheus.exposition",
        "contrib.prometheus.families",
    },
}

#: The most modules in one folder, and lines in one module.
MODULES = 22
LINES = 300
#: The most lines of the median function.
FUNCTION_LINES = 10


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
for name in ("redis", "msgpack", "opentelemetry", "prometheus_client"):
    sys.modules[name] = None
import django
django.setup()
from django_socket_status import apps, checks, consumers, middleware, services, urls
from django_socket_status.backends.redis import backend as redis
from django_socket_status.backends.sqlite import backend as sqlite
from django_socket_status.backends import memory
from django_socket_status.contrib import opentelemetry
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


def test_folders_are_small():
    folders = Counter(path.parent for path in modules().values())
    assert not {str(it): count for it, count in folders.items() if count > MODULES}


def test_modules_are_short():
    lengths = {
        name: len(path.read_text(encoding="utf-8").splitlines())
        for name, path in modules().items()
    }
    assert not {name: length for name, length in lengths.items() if length > LINES}


def test_median_function_is_short():
    functions = [
        node
        for path in modules().values()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    lengths = [(node.end_lineno or 0) - node.lineno + 1 for node in functions]
    assert statistics.median(lengths) <= FUNCTION_LINES
