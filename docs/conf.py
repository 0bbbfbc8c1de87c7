"""How Sphinx builds these pages: from Markdown, strictly, and without a network."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import django

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "docs"))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from django_socket_status import __version__  # noqa: E402

project = "django-socket-status"
author = "django-socket-status contributors"
copyright = f"2026, {author}"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "llms"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"

# Names of other projects lead nowhere, since the build asks no other site for them. A
# type variable has no page.
nitpicky = True
nitpick_ignore = [("py:class", "django_socket_status.status.ended.R")]
nitpick_ignore_regex = [(r"py:.*", r"(?!django_socket_status).*")]

exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"django-socket-status {version}"
html_show_sourcelink = False
