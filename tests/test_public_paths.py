"""Every path that projects use, listed: none of them may change.

A project imports these modules, loads these tags and static files, silences these check
ids, configures these loggers, and sees these threads in its tracebacks. A name may be
added. To remove one is a breaking change, with a line under "Removed" in the changelog.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator

import pytest
from django.apps import apps
from django.contrib.staticfiles import finders
from django.core.management import get_commands
from django.dispatch import Signal
from django.template import Context, Template
from django.urls import reverse
from django.utils.module_loading import import_string

import django_socket_status
from django_socket_status.cli import arguments
from tests.support.source import NAME, PACKAGE, modules, tree_of

#: What ``from django_socket_status.MODULE import NAME`` finds.
IMPORTS = {
    "": ["__version__"],
    "backends": ["BaseBackend", "create_backend", "get_backend"],
    "backends.base": ["BaseBackend"],
    "backends.memory": ["MemoryBackend"],
    "backends.redis": ["RedisBackend"],
    "backends.sqlite": ["SqliteBackend"],
    "consumers": ["SocketStatusMixin"],
    "exceptions": [
        "BackendError",
        "BackendUnusableError",
        "NotKeptError",
        "SocketStatusError",
        "StatusUnavailableError",
    ],
    "contrib.health_check": ["SocketStatus"],
    "health": ["liveness"],
    "labels": ["update_labels"],
    "middleware": ["SocketStatusMiddleware"],
    "records": [
        "Cause",
        "ConnectionPage",
        "ConnectionQuery",
        "ConnectionRecord",
        "Coverage",
        "Cursor",
        "EndedBy",
        "OpenedConnection",
        "Report",
        "Snapshot",
        "Summary",
        "UserCount",
        "Worker",
        "WorkerStatus",
    ],
    "routing": ["websocket_urlpatterns"],
    "services": ["SocketStatusService", "keep_session"],
    "signals": [
        "disconnect_finished",
        "disconnect_requested",
        "drain_finished",
        "drain_requested",
        "socket_closed",
        "socket_opened",
        "socket_rejected",
    ],
    "pytest_plugin": ["pytest_configure", "socket_status", "socket_status_settings"],
    "testing": [
        "AskedDisconnect",
        "BackendContract",
        "Clock",
        "FakeWorker",
        "SocketStatusKit",
        "SocketStatusTestMixin",
        "isolated_socket_status",
        "reset_socket_status",
    ],
    "urls": ["app_name", "urlpatterns"],
    "views": ["connections", "summary", "workers"],
}

#: Modules whose ``__all__`` is what :data:`IMPORTS` lists, and no more.
COMPLETE = (
    "consumers exceptions labels middleware records routing services signals testing"
)

#: Each is there as ``a...``, too, which is awaited.
SERVICE = [
    "disconnect",
    "drain",
    "get_drain",
    "stop_drain",
    "get_command",
    "stop_command",
    "get_connections",
    "get_socket_info_summary",
    "get_summary",
    "get_workers",
    "has_listeners",
    "is_online",
    "online_user_ids",
]

BACKENDS = [
    "django_socket_status.backends.memory.MemoryBackend",
    "django_socket_status.backends.redis.RedisBackend",
    "django_socket_status.backends.sqlite.SqliteBackend",
]

SIGNALS = ["socket_closed", "socket_opened", "socket_rejected"]

URLS = {
    "socket_status:summary": "",
    "socket_status:connections": "connections/",
    "socket_status:workers": "workers/",
}

LIVE_PUSH = "ws/socket-status/"

STATIC = [
    "react.d.ts",
    "react.js",
    "socket-status-element.js",
    "socket-status.d.ts",
    "socket-status.js",
    "use-socket-status.js",
]

ERRORS = "001 002 003 004 005 006 007 008 009 010 011 012 013 014 015 017"
WARNINGS = "001 002 003 004 005 006 010 011 012 013 014 017 018 019 020 021 026 027"
CHECK_TAG = "socket_status"

#: The subcommands of ``manage.py socket_status``.
SUBCOMMANDS = "summary list closed rejected workers history totals check"

LOGGERS = {
    "django_socket_status",
    "django_socket_status.control",
    "django_socket_status.sockets",
}

THREADS = {
    "django-socket-status-access",
    "django-socket-status-audit",
    "django-socket-status-encodings",
    "django-socket-status-events",
    "django-socket-status-listeners",
    "django-socket-status-questions",
    "django-socket-status-reader",
    "django-socket-status-reporter",
    "django-socket-status-searches",
}


def module(path: str) -> str:
    return f"{NAME}.{path}".removesuffix(".")


@pytest.mark.parametrize(
    ("path", "name"),
    [(path, name) for path, names in IMPORTS.items() for name in names],
)
def test_import_works(path, name):
    assert hasattr(importlib.import_module(module(path)), name)


@pytest.mark.parametrize("path", COMPLETE.split())
def test_list_of_public_names_is_complete(path):
    assert sorted(importlib.import_module(module(path)).__all__) == IMPORTS[path]


@pytest.mark.parametrize("path", BACKENDS)
def test_backend_setting_names_a_backend(path):
    backend = import_string(path)
    assert issubclass(backend, import_string(f"{NAME}.backends.base.BaseBackend"))
    # What a pickle, an error page and the documentation show is the same path.
    assert backend.__name__ == path.rpartition(".")[2]


@pytest.mark.parametrize("name", SERVICE)
def test_service_has_the_method_in_both_colours(name):
    service = import_string(f"{NAME}.services.SocketStatusService")
    assert callable(getattr(service, name))
    assert inspect.iscoroutinefunction(getattr(service, f"a{name}"))


def test_service_iterates_in_both_colours():
    service = import_string(f"{NAME}.services.SocketStatusService")
    assert callable(service.iter_connections)
    assert callable(service.aiter_connections)


def test_mixin_has_its_attributes():
    mixin = import_string(f"{NAME}.consumers.SocketStatusMixin")
    for name in (
        "socket_status_type",
        "socket_status_endpoint",
        "get_socket_status_type",
        "get_socket_status_labels",
    ):
        assert hasattr(mixin, name)


@pytest.mark.parametrize("name", SIGNALS)
def test_signal_is_there(name):
    assert isinstance(import_string(f"{NAME}.signals.{name}"), Signal)


def test_version_is_text():
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", django_socket_status.__version__)


def test_app_label_is_the_name_of_the_package():
    assert apps.get_app_config(NAME).label == NAME


@pytest.mark.parametrize("name", URLS)
def test_url_has_its_name(name):
    patterns = import_string(f"{NAME}.urls.urlpatterns")
    assert reverse(name).endswith(URLS[name])
    assert URLS[name] in {str(pattern.pattern) for pattern in patterns}


def test_live_push_has_its_route():
    (route,) = import_string(f"{NAME}.routing.websocket_urlpatterns")
    assert (str(route.pattern), route.name) == (LIVE_PUSH, "socket-status-live")


@pytest.mark.parametrize("tag", ["{% socket_status %}", "{% socket_status_scripts %}"])
def test_template_tag_renders(tag, rf):
    template = Template("{% load socket_status %}" + tag)
    assert template.render(Context({"request": rf.get("/")}))


@pytest.mark.parametrize("name", STATIC)
def test_static_file_is_found(name):
    assert finders.find(f"{NAME}/{name}")


def test_check_ids_are_all_there():
    listed = {f"E{number}" for number in ERRORS.split()}
    listed |= {f"W{number}" for number in WARNINGS.split()}
    source = "".join(
        path.read_text(encoding="utf-8")
        for name, path in modules().items()
        if "checks" in name or "backends" in name
    )
    found = set(re.findall(r"(?:\"|'|_status\.)([EW]\d{3})(?:\"|')", source))
    assert listed <= found


def test_checks_have_their_tag():
    registry = import_string("django.core.checks.registry.registry")
    assert CHECK_TAG in registry.tags_available()


def texts() -> Iterator[str]:
    """Yield every piece of text in the package that is no docstring."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_command_has_its_subcommands():
    assert get_commands()["socket_status"] == "django_socket_status"
    assert set(SUBCOMMANDS.split()) <= set(arguments.SUBCOMMANDS)


def test_loggers_have_their_names():
    asked = re.compile(r"getLogger\(\"([^\"]+)\"\)")
    found = {
        name
        for path in PACKAGE.rglob("*.py")
        for name in asked.findall(path.read_text(encoding="utf-8"))
    }
    assert found == LOGGERS


def test_threads_have_their_names():
    found = {it for it in texts() if re.fullmatch("django-socket-status-[a-z]+", it)}
    assert found == THREADS
