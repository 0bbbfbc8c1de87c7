"""The Django application. It starts no thread: the first socket does."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import register
from django.utils.translation import gettext_lazy as _

__all__ = ["SocketStatusConfig"]


class SocketStatusConfig(AppConfig):
    """Register the system checks."""

    name = "django_socket_status"
    verbose_name = _("WebSocket status")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks."""
        from django_socket_status import checks

        for check in checks.CHECKS:
            register(check, checks.TAG)
        for check in checks.DEPLOYMENT_CHECKS:
            register(check, checks.TAG, deploy=True)
