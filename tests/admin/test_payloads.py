"""Texts of clients, users and settings are only text, on every page and in exports."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from django.contrib.auth.models import User

from django_socket_status.limits import MAX_LABEL_VALUE, MAX_TYPE, bounded_text
from django_socket_status.validation import MAX_TEXT
from tests.browser.states import made_up, site
from tests.browser.states.pages import ADMIN, PAGES

FRAGMENTS = {
    "now": "now/",
    "plots": "plots/",
    "command": "command/{command}/?live=1",
    "drain": "drain/{drain}/?live=1",
}
#: Those that the page reflects from its URL.
QUERY = dict.fromkeys(("type", "user", "label.x", "cols", "host", "code"), site.MARKUP)


DATA = "application/json"
#: Attributes with a URL, and URLs of this site.
URLS = ("src", "href", "action", "formaction")
OWN = re.compile(r"$|[?#]|/(?!/)|\.$")


class Reader(HTMLParser):
    """Collects what no page has: what a payload brings, and what a policy forbids.

    With ``default-src 'self'``, scripts, styles and forms are of this site, and nothing
    is inline. On Django 5.2 and 6.0, the admin allows no stricter policy.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.isolated = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        # Browsers isolate an option as they isolate a bdi.
        self.isolated += tag in ("bdi", "option")
        if (
            tag in ("img", "style", "iframe", "object", "embed", "base")
            # A block of data is not executed.
            or (tag == "script" and not ("src" in found or found.get("type") == DATA))
            or any(it.startswith("on") or it == "style" for it in found)
            or any(not OWN.match(found.get(it) or "") for it in URLS if it in found)
        ):
            self.wrong.append(self.get_starttag_text() or tag)

    def handle_endtag(self, tag: str) -> None:
        self.isolated -= tag in ("bdi", "option")

    def handle_data(self, data: str) -> None:
        if re.search("[\u202a-\u202e\u2066-\u2069]", data) and not self.isolated:
            self.wrong.append(data.strip()[:80])


@pytest.fixture
def names(db: None) -> Iterator[dict[str, str]]:
    """What the URLs name, of a deployment where every text is a payload."""
    User.objects.create_superuser("ada", password="ada")
    with made_up.current.isolation:
        site.hostile()
        yield site.names_of(begin_actions=True)


def test_no_page_and_no_fragment_has_what_a_payload_or_no_policy_brings(
    superuser, names
) -> None:
    answers = {
        name: superuser.get(ADMIN + path.format(**names)).content.decode()
        for name, path in {**PAGES, **FRAGMENTS}.items()
    }
    assert all(site.MARKUP[2:8] not in it for it in answers.values())
    wrong = {name: Reader(it).wrong for name, it in answers.items()}
    assert {name: it for name, it in wrong.items() if it} == {}


@pytest.mark.parametrize("page", ["open", "closed", "rejected", "disconnect", "drain"])
def test_no_page_has_what_a_payload_in_its_url_brings(superuser, names, page) -> None:
    answer = superuser.get(f"{ADMIN}{page}/", QUERY, follow=True)
    assert Reader(answer.content.decode()).wrong == []


@pytest.mark.parametrize("state", ["open", "closed", "rejected"])
def test_export_is_a_file_and_no_page(superuser, names, state) -> None:
    answer = superuser.get(f"{ADMIN}export/", {"format": "csv", "state": state})
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    text = b"".join(answer).decode()
    assert site.MARKUP.replace('"', '""')[:20] in text


@pytest.mark.parametrize("state", ["open", "closed", "rejected"])
def test_json_export_has_each_payload_as_a_text(superuser, names, state) -> None:
    answer = superuser.get(f"{ADMIN}export/", {"format": "json", "state": state})
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    text = b"".join(answer).decode()
    # No direction and no line separator is in the file as it is.
    assert text.isascii()
    body = json.loads(text)
    texts = {it for record in body["connections"] for it in texts_in(record)}
    for payload in site.HOSTILE:
        # Each as far as there is room, and nothing else of it.
        assert bounded_text(payload, MAX_TYPE) in texts
        assert bounded_text(payload, MAX_LABEL_VALUE) in texts
    assert max(map(len, texts)) <= MAX_TEXT


def texts_in(value: object) -> Iterator[str]:
    """Yield the texts of a value of JSON, the keys of its objects, too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for it in (*value, *value.values()):
            yield from texts_in(it)
