"""The example, and pages that hold nothing but a badge."""

from __future__ import annotations

from django.urls import path
from django.views.generic import TemplateView

from example_project.urls import urlpatterns as example_urlpatterns

urlpatterns = [
    path("badge/", TemplateView.as_view(template_name="badge.html")),
    path("mapped/", TemplateView.as_view(template_name="mapped.html")),
    *example_urlpatterns,
]
