"""A management command that does nothing: what Django itself needs to start."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand


class Command(BaseCommand):
    """Do nothing, and check nothing before."""

    help = "Does nothing."
    requires_system_checks: tuple[str, ...] = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """Do nothing."""
