"""Links from the lists to the actions."""

from __future__ import annotations

from django.urls import NoReverseMatch

from django_socket_status.admin.page import Page

__all__ = ["disconnect_url"]


def disconnect_url(page: Page, **query: str) -> str:
    """Return the URL of the disconnect page; empty if the viewer may not disconnect."""
    if not page.access.disconnect_connection:
        return ""
    try:
        return page.url("disconnect", **query)
    except NoReverseMatch:
        # The project's admin site leaves out the action.
        return ""
