"""Users with permissions of the admin page, and clients that are signed in."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

SignIn = Callable[..., Client]


def staff(name: str, permissions: Sequence[str]) -> User:
    """Return a user of the staff with permissions of ours."""
    user = User.objects.create_user(name, password="pw", is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(
            content_type__app_label="django_socket_status", codename__in=permissions
        )
    )
    return user


@pytest.fixture
def sign_in(db: None) -> SignIn:
    """Sign in as staff with some permissions: ``sign_in("view_status")``."""

    def sign_in(*permissions: str) -> Client:
        client = Client()
        client.force_login(staff("staff", permissions))
        return client

    return sign_in


@pytest.fixture
def superuser(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root", password="pw"))
    return client
