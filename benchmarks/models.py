"""The table of the contestant that keeps one row for each connection."""

from __future__ import annotations

from django.db import models


class OpenSocket(models.Model):
    """One open WebSocket, as projects that build this themselves store it."""

    type = models.CharField(max_length=64)
    path = models.CharField(max_length=255)
    user_id = models.CharField(max_length=64, db_index=True)
    opened_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.type} {self.path}"
