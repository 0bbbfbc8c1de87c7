from __future__ import annotations

import re
import subprocess
import sys
import types

import pytest
from django.contrib import admin
from django.contrib.admin import AdminSite
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.db import connection
from django.test import Client, RequestFactory
from django.urls import path, reverse

from django_socket_status.admin import SocketStatusAdmin
from django_socket_status.models import SocketStatus

INDEX = "/admin/"
OVERVIEW = "/admin/django_socket_status/socketstatus/"
LINK = f'href="{OVERVIEW}"'


def test_overview_is_the_changelist():
    name = "admin:django_socket_status_socketstatus_changelist"
    assert reverse(name) == OVERVIEW


def test_superuser_finds_the_link_on_the_index(superuser):
    page = superuser.get(INDEX).content.decode()
    assert LINK in page
    assert "WebSocket connections" in page
    assert f"{OVERVIEW}add/" not in page


def test_staff_without_permission_gets_403_and_no_link(sign_in):
    client = sign_in()
    assert LINK not in client.get(INDEX).content.decode()
    assert client.get(OVERVIEW).status_code == 403


def test_staff_with_view_status_sees_link_and_overview(sign_in):
    client = sign_in("view_status")
    assert LINK in client.get(INDEX).content.decode()
    assert client.get(OVERVIEW).status_code == 200


@pytest.mark.parametrize("permission", ["view_connection", "disconnect_connection"])
def test_other_permissions_do_not_open_the_overview(sign_in, permission):
    client = sign_in(permission)
    assert LINK not in client.get(INDEX).content.decode()
    assert client.get(OVERVIEW).status_code == 403


def test_who_is_not_staff_is_sent_to_the_login(db):
    client = Client()
    assert client.get(OVERVIEW).status_code == 302
    client.force_login(User.objects.create_user("joe"))
    assert client.get(OVERVIEW).url.startswith("/admin/login/")


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_overview_answers_get_only(superuser, method):
    answer = getattr(superuser, method)(OVERVIEW)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, HEAD"


def test_migrate_creates_three_permissions_and_no_table(db):
    names = Permission.objects.filter(content_type__app_label="django_socket_status")
    assert sorted(names.values_list("codename", flat=True)) == [
        "disconnect_connection",
        "view_connection",
        "view_status",
    ]
    assert SocketStatus._meta.db_table not in connection.introspection.table_names()


def test_model_has_the_name_of_the_page():
    assert str(SocketStatus()) == "WebSocket connections"


def test_project_has_no_migration_to_make(db, capsys):
    call_command("makemigrations", check=True, dry_run=True)
    assert "No changes detected" in capsys.readouterr().out


def test_other_admin_site_can_show_it_under_other_urls(db):
    site = AdminSite(name="operations")
    site.register(SocketStatus, SocketStatusAdmin)
    model_admin = site.get_model_admin(SocketStatus)
    request = RequestFactory().get("/")
    request.user = User.objects.create_superuser("root")
    assert model_admin.has_module_permission(request)
    assert model_admin.has_view_permission(request)
    assert not model_admin.has_add_permission(request)
    assert not model_admin.has_change_permission(request)
    assert not model_admin.has_delete_permission(request)
    names = [pattern.name for pattern in model_admin.get_urls()]
    assert "django_socket_status_socketstatus_changelist" in names


def test_links_lead_to_the_admin_site_that_is_visited(superuser, settings, monkeypatch):
    site = AdminSite(name="operations")
    site.register(SocketStatus, SocketStatusAdmin)
    urls = types.ModuleType("own_urls")
    urls.urlpatterns = [  # type: ignore[attr-defined]
        path("admin/", admin.site.urls),
        path("operations/", site.urls),
    ]
    monkeypatch.setitem(sys.modules, urls.__name__, urls)
    settings.ROOT_URLCONF = urls.__name__
    for prefix in ("/operations/", "/admin/"):
        page = superuser.get(OVERVIEW.replace("/admin/", prefix)).content.decode()
        ours = page[page.index('id="ss"') :]
        assert f'"{prefix}django_socket_status/socketstatus/now/"' in ours
        links = re.findall(r'(?:href|data-ss-live)="(/[^"]*)', ours)
        assert all(link.startswith(prefix) for link in links)


def test_admin_setting_turns_the_page_off():
    script = """
import django
from django.conf import settings
from tests import settings as base
names = {key: getattr(base, key) for key in dir(base) if key.isupper()}
settings.configure(**names, SOCKET_STATUS={"ADMIN": False})
django.setup()
from django.contrib import admin
from django_socket_status.models import SocketStatus
assert not admin.site.is_registered(SocketStatus)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
