"""The documentation says what the code does."""

from __future__ import annotations

import ast
import builtins
import dataclasses
import importlib
import importlib.abc
import inspect
import itertools
import re
import symtable
import sys
import textwrap
import types
from collections.abc import Iterator, Mapping
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any, ClassVar

import pytest
from channels.consumer import AsyncConsumer
from django.template import Context, Template

import django_socket_status
from django_socket_status.conf import Settings
from django_socket_status.signals import (
    socket_closed,
    socket_opened,
    socket_rejected,
)
from django_socket_status.templatetags import socket_status as template_tags
from django_socket_status.testing import isolated_socket_status
from tests.support.source import PACKAGE, ROOT, modules

pytestmark = pytest.mark.text

REFERENCE = ROOT / "docs" / "reference"

FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)

CHECK_ID = re.compile(r"django_socket_status\.[EWI]\d{3}|(?<=[\"'])[EWI]\d{3}(?=[\"'])")


def pages() -> list[Path]:
    """Return every page that people read."""
    named = [ROOT / "README.md", ROOT / "CHANGELOG.md"]
    return [*named, *sorted((ROOT / "docs").rglob("*.md"))]


def snippets(language: str) -> Iterator[Any]:
    """Yield each fenced piece of a language in any page, named by where it is."""
    for page in pages():
        text = page.read_text(encoding="utf-8")
        for match in FENCE.finditer(text):
            if match[2] == language:
                line = text.count("\n", 0, match.start()) + 1
                snippet = textwrap.dedent(match[3])
                yield pytest.param(snippet, id=f"{page.relative_to(ROOT)}:{line}")


class ModuleOfTheProject(types.ModuleType):
    """A module that a page imports from the reader's project: it has every name."""

    __path__: ClassVar[list[str]] = []

    class AnyConsumer(AsyncConsumer):
        """What each name stands for: a class that can serve, and be subclassed."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return [] if name.endswith("urlpatterns") else self.AnyConsumer


class ProjectFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the modules of the projects that the pages speak of."""

    def find_spec(
        self, fullname: str, path: object, target: object = None
    ) -> ModuleSpec | None:
        project = fullname.partition(".")[0]
        return ModuleSpec(fullname, self) if project in PROJECTS else None

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        return ModuleOfTheProject(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        pass


PROJECTS = ("myproject", "mysite")

#: What ``startproject`` has defined before the line that a page adds.
GIVEN = {"INSTALLED_APPS": list[str], "MIDDLEWARE": list[str]}


@pytest.fixture
def project(monkeypatch) -> Iterator[None]:
    """Make the modules importable that a page takes from the reader's project."""
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, ProjectFinder()])
    monkeypatch.setenv("STATUS_REDIS_PASSWORD", "secret")
    sent = (socket_opened, socket_closed, socket_rejected)
    receivers = [signal.receivers[:] for signal in sent]
    yield
    for signal, before in zip(sent, receivers, strict=True):
        signal.receivers = before
        signal.sender_receivers_cache.clear()
    for name in [it for it in sys.modules if it.partition(".")[0] in PROJECTS]:
        del sys.modules[name]


@pytest.mark.parametrize("snippet", list(snippets("python")))
def test_python_snippet_runs_as_pasted(snippet, project):
    namespace: dict[str, Any] = {name: make() for name, make in GIVEN.items()}
    namespace["__file__"] = __file__
    with isolated_socket_status():
        exec(compile(snippet, "<snippet>", "exec"), namespace)
    assert not names_without_meaning(snippet, namespace)


def names_without_meaning(snippet: str, namespace: Mapping[str, Any]) -> set[str]:
    """Return the names that a function of a snippet uses and nothing defines."""
    table = symtable.symtable(snippet, "<snippet>", "exec")
    return {
        symbol.get_name()
        for scope in scopes_of(table)
        for symbol in scope.get_symbols()
        if symbol.is_global()
        and symbol.is_referenced()
        and symbol.get_name() not in namespace
        and not hasattr(builtins, symbol.get_name())
    }


def scopes_of(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for child in table.get_children():
        yield from scopes_of(child)


def test_a_name_without_meaning_is_found():
    snippet = "import os\ndef read():\n    return os.name, missing, len([])\n"
    assert names_without_meaning(snippet, {"os": 1, "read": 1}) == {"missing"}


@pytest.mark.parametrize("snippet", [*snippets("html"), *snippets("django")])
def test_html_snippet_is_a_template(snippet, rf):
    loaded = "" if "{% load" in snippet else "{% load socket_status i18n %}"
    with isolated_socket_status():
        assert Template(loaded + snippet).render(Context({"request": rf.get("/")}))


SECRETS = re.compile(
    r"==.*(token|secret|password|authorization)|"
    r"(token|secret|password|authorization).*==",
    re.IGNORECASE,
)


def test_secrets_are_compared_in_constant_time():
    found = {it.id for it in snippets("python") if SECRETS.search(it.values[0])}
    assert not found


#: Words that hide who acts, or that a reader has to read twice.
VAGUE = re.compile(
    r"\b(whoever|somebody|nobody|anew|mended|told of|of its own|at the most"
    r"|as good as)\b",
    re.IGNORECASE,
)


def test_prose_names_the_actor():
    texts = [*pages(), ROOT / "CONTRIBUTING.md"]
    for ending in ("py", "lua", "js", "ts", "html"):
        texts += PACKAGE.rglob(f"*.{ending}")
    assert not [
        f"{path.name}: {line}"
        for path in texts
        for line in path.read_text(encoding="utf-8").splitlines()
        if VAGUE.search(line)
    ]


SETTINGS = [field.name for field in dataclasses.fields(Settings)]


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_has_its_entry_and_default_in_the_reference(name):
    page = (REFERENCE / "settings.md").read_text(encoding="utf-8")
    entry = re.search(
        rf"^## `{name.upper()}`\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL
    )
    assert entry, f"no heading for {name.upper()}"
    default = getattr(Settings(), name)
    if isinstance(default, Mapping):
        default = dict(default)
    shown = f'"{default}"' if isinstance(default, str) else repr(default)
    assert f"Default: `{shown}`" in " ".join(entry[1].split())


def test_reference_knows_no_setting_that_is_gone():
    page = (REFERENCE / "settings.md").read_text(encoding="utf-8")
    named = re.findall(r"^## `(\w+)`$", page, re.MULTILINE)
    assert named == [name.upper() for name in SETTINGS]


def test_every_check_id_is_in_the_reference_and_the_other_way_round():
    source = "".join(it.read_text(encoding="utf-8") for it in modules().values())
    page = (REFERENCE / "checks.md").read_text(encoding="utf-8")
    in_code = {found.rpartition(".")[2] for found in CHECK_ID.findall(source)}
    in_docs = {found.rpartition(".")[2] for found in CHECK_ID.findall(page)}
    assert in_code == in_docs
    assert in_code


def section(page: str, heading: str) -> str:
    """Return what stands under a heading, up to the next one of any level."""
    text = (REFERENCE / page).read_text(encoding="utf-8")
    found = re.search(
        rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL
    )
    assert found, f"no heading {heading} in {page}"
    return found[1]


def rows(page: str, heading: str) -> set[str]:
    """Return the names in the first column of the table under a heading."""
    first = re.findall(r"^\| (`.*?) \|", section(page, heading), re.MULTILINE)
    return {name for cell in first for name in re.findall(r"`([\w-]+)[^`]*`", cell)}


@pytest.mark.parametrize("name", ["socket_status", "socket_status_scripts"])
def test_template_tag_has_its_arguments_in_the_reference(name):
    tag = inspect.unwrap(template_tags.register.tags[name].__wrapped__)
    arguments = dict(inspect.signature(tag).parameters)
    del arguments["context"]
    page = section("template-tags.md", f"`{name}`")
    for argument in arguments.values():
        default = str(argument.default) if argument.default else '""'
        default = repr(argument.default) if argument.default is False else default
        assert f"| `{argument.name}` | `{default}` |" in page
    assert rows("template-tags.md", f"`{name}`") == set(arguments)


def test_reference_has_each_template_tag():
    page = (REFERENCE / "template-tags.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^## `(\w+)`$", page, re.MULTILINE)) == set(
        template_tags.register.tags
    )


def shown_records() -> Iterator[Any]:
    """Yield each class whose fields are on a page of the reference, and the fields."""
    entry = re.compile(
        r"^\.\. autoclass:: django_socket_status\.([\w.]+)\.(\w+)\n   :members: (.*)$",
        re.M,
    )
    for page in sorted(REFERENCE.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        for module, name, members in entry.findall(text):
            cls = getattr(
                importlib.import_module(f"django_socket_status.{module}"), name
            )
            if dataclasses.is_dataclass(cls) or hasattr(cls, "_fields"):
                yield pytest.param(cls, set(members.split(", ")), id=name)


@pytest.mark.parametrize(("cls", "members"), list(shown_records()))
def test_each_field_of_a_record_is_shown_with_its_meaning(cls, members):
    (body,) = (
        node.body
        for node in ast.parse(inspect.getsource(inspect.getmodule(cls))).body
        if isinstance(node, ast.ClassDef) and node.name == cls.__name__
    )
    explained = {
        node.target.id
        for node, after in itertools.pairwise(body)
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and isinstance(after, ast.Expr)
        and isinstance(after.value, ast.Constant)
    }
    fields = getattr(cls, "_fields", None) or [
        it.name for it in dataclasses.fields(cls)
    ]
    assert set(fields) == explained
    assert set(fields) <= members


STATIC = PACKAGE / "static" / "django_socket_status"


class TestElement:
    """The page of ``<socket-status>`` and its source name the same things."""

    @pytest.fixture
    def source(self) -> str:
        return (STATIC / "socket-status-element.js").read_text(encoding="utf-8")

    def test_attributes(self, source):
        (observed,) = re.findall(r"observedAttributes = \[(.*?)\]", source)
        written = re.findall(r"[gs]etAttribute\(\"([\w-]+)\"", source)
        written += re.findall(r"removeAttribute\(\"([\w-]+)\"", source)
        styled = re.findall(r":host\(\[([\w-]+)", source)
        named = {*re.findall(r"\"(\w+)\"", observed), *written, *styled}
        default = r'(?: = (?:"[^"]*"|[^,]+))?'
        for taken in re.findall(r"const \{ (.*?) \} = this\.dataset", source):
            for name in re.findall(rf"(\w+){default}(?:, |$)", taken):
                hyphened = re.sub(r"([A-Z])", r"-\1", name).lower()
                named.add(f"data-{hyphened}")
        of_the_platform = {"role", "hidden"}
        assert rows("element.md", "Attributes") == named - of_the_platform

    def test_template_tag_writes_no_other_attribute(self):
        written = re.findall(
            r"^        \"([a-z-]+)\": ",
            inspect.getsource(template_tags.socket_status_badge),
            re.MULTILINE,
        )
        assert written
        assert set(written) <= rows("element.md", "Attributes")

    def test_parts(self, source):
        parts = re.findall(r"\.part = \"(\w+)\"", source)
        assert rows("element.md", "Parts") == set(parts)

    def test_custom_properties(self, source):
        properties = re.findall(r"--socket-status-\w+", source)
        assert rows("element.md", "Custom properties") == set(properties)

    @pytest.mark.parametrize("snippet", list(snippets("css")))
    def test_css_snippet_sets_properties_and_parts_that_exist(self, snippet, source):
        rules = re.findall(r"([^{}]+){([^{}]*)}", snippet)
        assert not re.sub(r"[^{}]+{[^{}]*}", "", snippet).strip()
        for selector, declarations in rules:
            part = re.fullmatch(r"socket-status(?:::part\((\w+)\))?", selector.strip())
            assert part, selector
            assert part[1] is None or f'.part = "{part[1]}"' in source
            for declaration in filter(None, map(str.strip, declarations.split(";"))):
                name, _, value = declaration.partition(":")
                assert value.strip()
                if name.startswith("--"):
                    assert f"var({name}" in source

    def test_events(self, source):
        assert "dispatchEvent" not in source
        assert not rows("element.md", "Events")

    def test_properties(self, source):
        assert set(re.findall(r"^  [gs]et (\w+)\(", source, re.MULTILINE)) == {"type"}
        assert "a property of the same name" in section("element.md", "Attributes")


class TestJavaScript:
    """The page of the client and its declarations name the same things."""

    DECLARED: ClassVar[str] = "".join(
        (STATIC / name).read_text(encoding="utf-8")
        for name in ("socket-status.d.ts", "react.d.ts")
    )
    INTERFACES: ClassVar[dict[str, str]] = dict(
        re.findall(
            r"^export interface (\w+)[^{]*\{\n(.*?)^\}",
            DECLARED,
            re.MULTILINE | re.DOTALL,
        )
    )

    @pytest.mark.parametrize("name", INTERFACES)
    def test_interface_has_its_members_in_the_reference(self, name):
        members = re.findall(
            r"^  (?:readonly )?(\w+)\??[:(<]", self.INTERFACES[name], re.MULTILINE
        )
        assert rows("javascript.md", f"`{name}`") == set(members)

    def test_states_of_the_connection(self):
        (states,) = re.findall(r"type SocketStatusConnection = (.*?);", self.DECLARED)
        assert rows("javascript.md", "`SocketStatusConnection`") == set(
            re.findall(r"\w+", states)
        )

    def test_reference_has_each_type(self):
        page = (REFERENCE / "javascript.md").read_text(encoding="utf-8")
        types = re.findall(r"^export (?:interface|type) (\w+)", self.DECLARED, re.M)
        assert re.findall(r"^### `(\w+)`$", page, re.MULTILINE) == sorted(
            types, key=re.findall(r"^### `(\w+)`$", page, re.MULTILINE).index
        )

    def test_reference_has_each_value(self):
        values = re.findall(r"^export (?:const|function) (\w+)", self.DECLARED, re.M)
        named = rows("javascript.md", "The client") | rows("javascript.md", "The hook")
        assert "`SocketStatusService`" in section("javascript.md", "The client")
        assert named | {"SocketStatusService"} == set(values)

    def test_reference_has_each_file(self):
        page = (REFERENCE / "javascript.md").read_text(encoding="utf-8")
        shipped = {path.name for path in STATIC.glob("*.js")}
        assert set(re.findall(r"^\| `([\w-]+\.js)`", page, re.MULTILINE)) == shipped


def test_changelog_is_about_this_version():
    """A version is released when the changelog has its section, and not before."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## \[(.+?)\]", text, re.MULTILINE)
    assert sections[0] == "Unreleased"
    if released := sections[1:]:
        assert released[0] == django_socket_status.__version__


def test_links_between_files_lead_somewhere():
    broken = [
        f"{page}: {target}"
        for page in pages()
        for target in re.findall(
            r"\]\(([^)#\s]+)[^)]*\)", FENCE.sub("", page.read_text(encoding="utf-8"))
        )
        if "://" not in target and not (page.parent / target).exists()
    ]
    # The staged suite has no LICENSE beside it, nor all that is linked.
    assert not [target for target in broken if (ROOT / "LICENSE").exists()]
