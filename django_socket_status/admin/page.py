"""What every view of the admin page gets: the request, its permissions, and links."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.functional import cached_property

from django_socket_status.admin.access import Access, access_of
from django_socket_status.models import SocketStatus

__all__ = ["Page"]

if TYPE_CHECKING:
    Admin = ModelAdmin[SocketStatus]
else:
    Admin = ModelAdmin

#: The folder of the templates.
TEMPLATES = "admin/django_socket_status"


@dataclasses.dataclass(frozen=True)
class Page:
    """A request for a page of the admin."""

    request: HttpRequest
    admin: Admin

    @cached_property
    def access(self) -> Access:
        """Return the permissions of the user."""
        return access_of(self.request)

    def url(self, name: str, *args: str, **query: str) -> str:
        """Return the URL of a page, as in ``page.url("open", type="call")``.

        Args:
            name: The short name: ``"changelist"``, ``"open"``, ``"closed"``,
                ``"rejected"``, ``"connection"``, ``"export"``, ``"disconnect"``,
                ``"command"`` or ``"drain"``.
            args: The arguments of the path.
            query: The query parameters.
        """
        meta = SocketStatus._meta
        full = f"admin:{meta.app_label}_{meta.model_name}_{name}"
        path = reverse(full, args=args, current_app=self.admin.admin_site.name)
        return f"{path}?{urlencode(query)}" if query else path

    def link(self, name: str, **query: str) -> str:
        """Return the URL of a page; empty if the user may not open it."""
        needed = self.access.view_status
        if name != "changelist":
            needed = self.access.view_connection
        with contextlib.suppress(NoReverseMatch):
            return self.url(name, **query) if needed else ""
        return ""

    def context(self, title: str, **more: Any) -> dict[str, Any]:
        """Return the context of every template, and ``more``."""
        return {
            **self.admin.admin_site.each_context(self.request),
            "opts": SocketStatus._meta,
            "media": self.admin.media,
            "title": title,
            "page": self,
            "access": self.access,
            "now": timezone.now(),
            **more,
        }

    def render(
        self, template: str, title: str, *, status: int = 200, **more: Any
    ) -> TemplateResponse:
        """Return a response with a template of the folder, such as ``open.html``."""
        return TemplateResponse(
            self.request,
            f"{TEMPLATES}/{template}",
            self.context(title, **more),
            status=status,
        )

    def live(
        self,
        template: str,
        context: Mapping[str, Any],
        as_of: datetime.datetime,
    ) -> HttpResponse:
        """Return what ``page.js`` fetches for an element with ``data-ss-live``.

        The ETag is that of the HTML, so that an unchanged one is answered with 304.

        Args:
            template: The template, which is in the whole page, too.
            context: What it needs. What changes all the time must not be in it: an
                instant and not its age.
            as_of: When the values were read.
        """
        return self.live_text(self.fragment(template, context), as_of)

    def live_text(self, html: str, as_of: datetime.datetime) -> HttpResponse:
        """Return HTML as :meth:`live` does."""
        body = html.encode()
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        full = HttpResponse(body)
        found = get_conditional_response(self.request, etag=etag, response=full)
        response = full if found is None else found
        response.headers["ETag"] = etag
        response.headers["Cache-Control"] = "private, no-cache"
        response.headers["Socket-Status-As-Of"] = as_of.isoformat()
        response.headers["Socket-Status-Now"] = timezone.now().isoformat()
        return response

    def fragment(self, template: str, context: Mapping[str, Any]) -> str:
        """Return a part of a page, without what surrounds it."""
        more = {"page": self, "access": self.access, "opts": SocketStatus._meta}
        return render_to_string(
            f"{TEMPLATES}/{template}", {**more, **context}, request=self.request
        )
