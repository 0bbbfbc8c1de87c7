"""Where the status of a project goes if nobody says otherwise, and whose it is."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from pathlib import Path

from django.conf import settings

__all__ = ["default_path", "user_id"]


def default_path() -> Path:
    """Return the default status file of this project.

    In a directory of this user's in the temporary directory, under a name made from the
    project: its directory, its settings module and its URLs, so that two projects, or
    two checkouts of one, do not meet in one file. Not from its secret key, which some
    make anew in each process of a development server.

    Raises:
        OSError: there is no temporary directory that can be written.
    """
    user = user_id()
    name = os.environ.get("USERNAME", "user") if user is None else str(user)
    module = os.environ.get("DJANGO_SETTINGS_MODULE", "")
    urls = str(getattr(settings, "ROOT_URLCONF", None) or "")
    parts = (_project_directory(module), module, urls)
    digest = hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
    project = urls.partition(".")[0] or "project"
    directory = Path(tempfile.gettempdir(), f"django-socket-status-{name}").absolute()
    return directory / f"{project}-{digest}"


def user_id() -> int | None:
    """Return the user whose files this process makes; ``None`` on Windows."""
    return os.geteuid() if hasattr(os, "geteuid") else None


def _project_directory(module: str) -> str:
    base = getattr(settings, "BASE_DIR", None)
    if base is not None:
        return str(base)
    file = getattr(sys.modules.get(module), "__file__", None)
    return os.path.dirname(os.path.abspath(file)) if file else os.getcwd()
