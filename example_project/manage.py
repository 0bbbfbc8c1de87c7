#!/usr/bin/env python
"""Django's command line for the example: ``manage.py socket_status``, for one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    # A script's own directory is first on the path: put the project's root there.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_project.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
