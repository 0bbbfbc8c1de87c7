"""What the site needs before its first visitor: a database, and users."""

from __future__ import annotations

import importlib

from django.conf import settings
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
)
from django.contrib.auth.models import User
from django.core.management import call_command

#: Who can log in. The password is the name.
CUSTOMER = "customer"
CONSULTANT = "consultant"
STAFF = "staff"

#: Who comes as a simulated visitor only, and has no password.
VISITORS = ("ada", "ben", "chloe", "dev")


def prepare() -> None:
    """Make the database and its users, unless they are there."""
    call_command("migrate", verbosity=0, interactive=False)
    have = set(User.objects.values_list("username", flat=True))
    for name in {CUSTOMER, CONSULTANT, *VISITORS} - have:
        User.objects.create_user(name, password=None if name in VISITORS else name)
    if STAFF not in have:
        User.objects.create_superuser(STAFF, password=STAFF)


def log_in() -> dict[str, str]:
    """Return the key of a new session for each user, by name."""
    return {user.username: session_of(user) for user in User.objects.order_by("pk")}


def session_of(user: User) -> str:
    """Return the key of a new session in which ``user`` is logged in."""
    session = importlib.import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return str(session.session_key)
