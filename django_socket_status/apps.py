"""The Django application. It starts no thread: the first socket does."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import register
from django.core.signals import setting_changed
from django.utils.translation import gettext_lazy as _

from django_socket_status.conf import SETTING, read_settings

__all__ = ["SocketStatusConfig"]


class SocketStatusConfig(AppConfig):
    """Register the system checks, and the receivers for ``CLOSE_ON``."""

    name = "django_socket_status"
    verbose_name = _("WebSocket status")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks, and the receivers for ``CLOSE_ON``."""
        from django_socket_status import checks

        for check in checks.CHECKS:
            register(check, checks.TAG)
        for check in checks.DEPLOYMENT_CHECKS:
            register(check, checks.TAG, deploy=True)
        setting_changed.connect(_on_setting, dispatch_uid="django_socket_status.apps")
        _follow_close_on()


def _on_setting(*, setting: str, **kwargs: object) -> None:
    if setting == SETTING:
        _follow_close_on()


def _follow_close_on() -> None:
    if read_settings().close_on:
        # Not before: a process without the setting need not import the reporter.
        from django_socket_status.operations import close_on

        close_on.follow_settings()
