from __future__ import annotations

import datetime
import subprocess
import sys
from types import SimpleNamespace

import pytest
from django.template import Context, Template
from django.urls import NoReverseMatch
from django.utils import timezone, translation

AT = datetime.datetime(2026, 11, 30, 12, 0, 1, 500_000, tzinfo=datetime.timezone.utc)


def rendered(text: str, **context: object) -> str:
    template = Template("{% load socket_status_admin %}" + text)
    return template.render(Context(context))


def test_numbers_are_in_the_viewers_language():
    with translation.override("de"):
        assert rendered("{{ n|number }} {{ f|decimal }}", n=1234, f=0.5) == "1.234 0,5"
        assert rendered("{{ n|unlocalized }}", n=1234) == "1234"
    assert rendered("{{ n|number }}", n=None) == "not known"


def test_instants_are_in_the_viewers_time_zone_and_utc_for_scripts():
    with timezone.override(datetime.timezone(datetime.timedelta(hours=2))):
        assert rendered("{{ at|instant }}", at=AT) == (
            '<time datetime="2026-11-30T12:00:01.500+00:00">11/30/2026 2 p.m.</time>'
        )
        assert rendered("{{ at|moment }}|{{ at|clock }}", at=AT) == (
            "11/30/2026 2 p.m.|2 p.m."
        )
    assert "data-age" in rendered("{{ at|age }}", at=AT)
    assert rendered("{{ at|age }}", at=None) == "not known"
    assert rendered("{{ at|zone }}", at=AT) == timezone.get_current_timezone_name()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "not known"),
        (-1, "0.0 s"),
        (0.25, "0.2 s"),
        (59, "59 s"),
        (180, "3 min"),
        (7500, "2 h 5 min"),
        (90_000, "1 day 1 h"),
        (200_000, "2 days 7 h"),
    ],
)
def test_duration_has_one_unit_or_two(seconds, text):
    assert rendered("{{ seconds|duration }}", seconds=seconds) == text


def page(**urls: str) -> SimpleNamespace:
    def url(name: str, *args: str, **query: str) -> str:
        if name not in urls:
            raise NoReverseMatch
        return urls[name] + "".join(f"?{key}={it}" for key, it in query.items())

    return SimpleNamespace(url=url, request=SimpleNamespace(path="/open/"))


def test_link_leaves_out_empty_parameters():
    text = "{% ss_url 'open' type=kind user=none %}"
    given = {"page": page(open="/open/"), "kind": "call", "none": None}
    assert rendered(text, **given) == "/open/?type=call"


def test_tab_marks_the_page_that_is_shown():
    given = {"page": page(open="/open/", closed="/closed/")}
    assert rendered("{% ss_tab 'open' 'Open' %}", **given) == (
        '<li><a href="/open/" aria-current="page">Open</a></li>'
    )
    assert "aria-current" not in rendered("{% ss_tab 'closed' 'Closed' %}", **given)
    assert rendered("{% ss_tab 'export' 'Export' %}", **given) == ""


def test_nonce_is_that_of_django_or_of_django_csp():
    assert rendered("{% ss_nonce %}") == ""
    assert rendered("{% ss_nonce %}", csp_nonce="abc") == ' nonce="abc"'
    request = SimpleNamespace(csp_nonce="xyz")
    assert rendered("{% ss_nonce %}", request=request) == ' nonce="xyz"'


def test_tags_load_without_the_admin():
    """Django imports every library of tags when it makes a template engine."""
    script = """
import django
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["django_socket_status"],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
)
django.setup()
from django.template import Template
Template("{% load socket_status_admin %}")
import sys
assert "django_socket_status.admin" not in sys.modules
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
