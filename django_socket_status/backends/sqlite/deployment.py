"""Which deployment this process, and each worker in a status file, belongs to.

Processes of one deployment must use one status file, whatever path they were started
by. Processes of two deployments must not. ``SOCKET_STATUS["DEPLOYMENT"]`` names
the deployment. Without it, the name is made from the project: its directory with every
symbolic link resolved, its settings module and its URLs.

A table says which deployment each worker belongs to, for a system check. It is not in
the schema: a worker of the first version may have made the file. Such workers leave the
table alone.
"""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
import sys
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.crypto import salted_hmac
from django.utils.text import slugify

from django_socket_status.conf import get_settings

__all__ = [
    "file_name",
    "is_ours",
    "is_release",
    "known_projects",
    "note_project",
    "project_directory",
    "read_strangers",
    "this_deployment",
    "this_project",
]

#: Directories that hold one directory for each release, and links to the current one.
RELEASES = frozenset({"deploys", "release", "releases", "revisions"})
LINKS = ("active", "current", "latest", "live", "stable")

#: A directory that is named by a time, a version, a commit, a UUID, or a hash of Nix.
RELEASE = re.compile(
    r"((release|build|deploy|v)?[-_.]?"
    r"(\d{8,14}z?|\d{4}-\d\d-\d\d.*|\d+(\.\d+)+|(?=.*\d)(?=.*[a-f])[0-9a-f]{7,64}))"
    r"|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|[0-9a-z]{32}-.+",
    re.IGNORECASE,
)

CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS project (
    worker_id TEXT PRIMARY KEY, secret TEXT NOT NULL, base TEXT NOT NULL
) WITHOUT ROWID
"""
WRITE_DEPLOYMENT = "INSERT OR REPLACE INTO project VALUES (?, ?, ?)"
FORGET_WORKERS = (
    "DELETE FROM project WHERE worker_id NOT IN (SELECT worker_id FROM worker)"
)
HAS_TABLE = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'project'"
READ_DEPLOYMENTS = "SELECT worker_id, secret, base FROM project"


def file_name() -> str:
    """Return the name of this deployment's status file.

    Does not use the secret key: some projects generate one in each process of a
    development server.
    """
    deployment = get_settings().deployment
    if deployment:
        return f"{slugify(deployment)[:40] or 'deployment'}-{_digest((deployment,))}"
    module = os.environ.get("DJANGO_SETTINGS_MODULE", "")
    urls = str(getattr(settings, "ROOT_URLCONF", None) or "")
    parts = (os.path.realpath(project_directory()), module, urls)
    return f"{urls.partition('.')[0] or 'project'}-{_digest(parts)}"


def project_directory() -> str:
    """Return the project's directory as its settings spell it, links and all."""
    base = getattr(settings, "BASE_DIR", None)
    if base is not None:
        return str(base)
    module = os.environ.get("DJANGO_SETTINGS_MODULE", "")
    file = getattr(sys.modules.get(module), "__file__", None)
    return os.path.dirname(os.path.abspath(file)) if file else os.getcwd()


def this_project() -> str:
    """Return a digest that all processes of a project share, and that is no secret.

    It is made from ``DEPLOYMENT``, or else from the secret key; empty without either.
    """
    deployment = get_settings().deployment
    return _digest((deployment,)) if deployment else _digest_of_key(_secret_keys()[0])


def known_projects() -> frozenset[str]:
    """Return each value of :func:`this_project` that processes of this project have.

    Includes processes with a former secret key (``SECRET_KEY_FALLBACKS``), and of a
    release before ``DEPLOYMENT`` was set.
    """
    return frozenset({this_project(), *map(_digest_of_key, _secret_keys())})


def this_deployment() -> tuple[str, str]:
    """Return :func:`this_project`, and a digest of the name of the default database.

    Two deployments on one host may share a secret key, but hardly a database.
    """
    if get_settings().deployment:
        return this_project(), ""
    databases = getattr(settings, "DATABASES", None) or {}
    name = str((databases.get("default") or {}).get("NAME") or "")
    # Two processes may name one file by different links.
    name = os.path.realpath(name) if os.path.isabs(name) else name
    return this_project(), _digest((name,)) if name else ""


def is_ours(project: str, database: str) -> bool:
    """Return whether a worker may belong to this deployment.

    Args:
        project: Its :func:`this_project`; empty if it has none.
        database: The digest of its database; empty if it has none.
    """
    _, ours = this_deployment()
    if project and this_project() and project not in known_projects():
        return False
    return not database or not ours or database == ours


def note_project(database: sqlite3.Connection, worker_id: str) -> None:
    """Write which deployment a worker of this process belongs to: O(workers).

    Called once for each full report, in its transaction.
    """
    database.execute(CREATE_TABLE)
    database.execute(WRITE_DEPLOYMENT, (worker_id, *this_deployment()))
    database.execute(FORGET_WORKERS)


def read_strangers(database: sqlite3.Connection) -> set[str]:
    """Return the ids of workers that belong to another deployment: O(workers)."""
    if not database.execute(HAS_TABLE).fetchall():
        return set()
    return {
        worker_id
        for worker_id, secret, base in database.execute(READ_DEPLOYMENTS)
        if not is_ours(str(secret), str(base))
    }


def is_release(directory: str) -> bool:
    """Return whether a directory seems to belong to one release of a project.

    This is a guess, for a warning. It looks at the names of the directory and its
    parents, and for links such as ``current`` that lead to one of them.
    """
    path = Path(os.path.realpath(directory))
    ways = [path, *path.parents]
    return any(
        way.parent.name.lower() in RELEASES
        or RELEASE.fullmatch(way.name)
        or _is_linked(way)
        for way in ways
    )


def _is_linked(way: Path) -> bool:
    """Return whether a link to the current release leads to a directory."""
    parents = (way.parent, way.parent.parent)
    links = [parent / name for parent in parents for name in LINKS]
    try:
        return any(link.is_symlink() and link.resolve() == way for link in links)
    except (OSError, RuntimeError):
        # A loop of links, or a directory that this user may not look into.
        return False


def _secret_keys() -> list[str]:
    """Return the secret keys, the one in use first; an empty one if there is none."""
    try:
        key = settings.SECRET_KEY
    except ImproperlyConfigured:
        return [""]
    return [key, *getattr(settings, "SECRET_KEY_FALLBACKS", ())]


def _digest_of_key(key: str | bytes) -> str:
    if not key:
        return ""
    salt = "django_socket_status.project"
    return salted_hmac(salt, "", secret=key, algorithm="sha256").hexdigest()[:16]


def _digest(parts: tuple[str, ...]) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
