"""The entry of the admin page: a model without a table.

Django's admin shows models only, and permissions belong to models.
"""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

__all__ = ["SocketStatus"]


class SocketStatus(models.Model):
    """The status of all WebSockets. It has no table, no migration and no rows."""

    class Meta:
        managed = False
        default_permissions = ()
        permissions = (
            ("view_status", _("Can view counts, plots and workers")),
            ("view_connection", _("Can view connections and their users")),
            ("disconnect_connection", _("Can disconnect connections")),
        )
        verbose_name = _("WebSocket connection")
        verbose_name_plural = _("WebSocket connections")

    def __str__(self) -> str:
        return str(self._meta.verbose_name_plural)
