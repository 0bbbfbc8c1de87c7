"""The browser's files under storages that hash their names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import STATICFILES_STORAGE_ALIAS
from django.core.management import call_command
from django.template import Context, Template

STORAGES = {
    "Django": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage",
    "WhiteNoise": "whitenoise.storage.CompressedManifestStaticFilesStorage",
}

IMPORT = re.compile(r"""(?:\bfrom|\bimport\s*\(?)\s*["']\.{0,2}/""")


@pytest.fixture(params=STORAGES)
def collected(request, settings, tmp_path: Path) -> Path:
    """Collect the static files as a deployment does, keeping hashed names alone."""
    settings.STATIC_ROOT = tmp_path / "static"
    settings.WHITENOISE_KEEP_ONLY_HASHED_FILES = True
    settings.STORAGES = {
        **settings.STORAGES,
        STATICFILES_STORAGE_ALIAS: {"BACKEND": STORAGES[request.param]},
    }
    call_command("collectstatic", verbosity=0, interactive=False)
    return settings.STATIC_ROOT


def test_scripts_of_the_tag_are_there_under_their_hashed_names(collected: Path) -> None:
    tag = Template("{% load socket_status %}{% socket_status_scripts %}")
    sources = re.findall(r'src="/static/([^"]+)"', tag.render(Context()))
    assert len(sources) == 2
    for source in sources:
        assert re.search(r"\.[0-9a-f]{12}\.js$", source)
        assert (collected / source).is_file()


def test_scripts_of_a_page_import_nothing_by_a_name_without_a_hash(
    collected: Path,
) -> None:
    """Two names of one module are two modules, and one of them may not be there."""
    directory = collected / "django_socket_status"
    for name in ("socket-status", "socket-status-element", "use-socket-status"):
        (file,) = directory.glob(f"{name}.????????????.js")
        assert not IMPORT.search(file.read_text())
