"""The messages of ``manage.py check`` about the status file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from django.core.checks import CheckMessage, Warning

from django_socket_status.backends.sqlite.deployment import (
    is_release,
    project_directory,
)
from django_socket_status.backends.sqlite.other_users import OtherUsers
from django_socket_status.conf import get_settings
from django_socket_status.records import Worker

__all__ = ["default_path_messages", "stranger_message"]


def default_path_messages(others: OtherUsers) -> Iterator[CheckMessage]:
    """Yield why processes of one deployment may use different default status files.

    Args:
        others: Other users whose workers report this deployment.
    """
    if others.users():
        what, _, fix = others.reason().partition(". ")
        yield Warning(f"{what}.", hint=fix, id="django_socket_status.W018")
    directory = project_directory()
    if not get_settings().deployment and is_release(directory):
        yield Warning(
            f"The status file is named from the project's directory {directory}, which "
            "looks like that of one release. While one release takes over from "
            "another, the processes of both do not see each other.",
            hint="Set SOCKET_STATUS['DEPLOYMENT'] to a name that all releases share, "
            'such as "shop", or silence this if the directory stays the same.',
            id="django_socket_status.W017",
        )


def stranger_message(workers: Sequence[Worker], path: Path) -> CheckMessage:
    """Return a warning that another deployment reports to the same status file.

    Args:
        workers: The workers of the other deployment.
        path: The status file.
    """
    pids = ", ".join(sorted({str(worker.pid) for worker in workers}))
    return Warning(
        "Workers of another deployment, with another SECRET_KEY or database, report to "
        f"the same status file {path}: pid {pids}. They are counted with those of "
        "this one.",
        hint="Give each deployment a different SOCKET_STATUS['DEPLOYMENT'], or a "
        "different SOCKET_STATUS['OPTIONS']['path'] where one is set. If they are one "
        "deployment, give all its processes the same 'DEPLOYMENT'.",
        id="django_socket_status.W019",
    )
