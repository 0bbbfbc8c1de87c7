"""Texts of clients, users and settings are only text, on every page and in exports."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from django.contrib.auth.models import User

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


class Reader(HTMLParser):
    """Collects what no page of ours has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.isolated = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = {name for name, _value in attrs}
        # Browsers isolate an option as they isolate a bdi.
        self.isolated += tag in ("bdi", "option")
        if (
            tag == "img"
            or (tag in ("script", "style") and names.isdisjoint({"src", "id"}))
            or any(it.startswith("on") or it == "style" for it in names)
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


def test_no_page_and_no_fragment_has_what_a_payload_brings(superuser, names) -> None:
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
