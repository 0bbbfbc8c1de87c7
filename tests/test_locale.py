"""The translations are complete, and those of what the code says."""

from __future__ import annotations

import functools
import gettext
import io
import re
from collections.abc import Iterator
from pathlib import Path

import django
import pytest
from babel.messages.extract import extract
from babel.messages.pofile import read_po
from django.utils.translation.template import templatize

import django_socket_status

PACKAGE = Path(django_socket_status.__file__).parent
LOCALE = PACKAGE / "locale"

#: The plural forms of each language, by CLDR's rules for whole numbers.
LANGUAGES = {"de": 2, "es": 2, "fr": 2, "zh_Hans": 1}

#: How Django and this package mark a text, and where it stands in the arguments.
KEYWORDS = {
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "_": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "npgettext": ((1, "c"), 2, 3),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
}

CALL = re.compile(
    r"""\b(?:(?:n|p|np)?gettext|_)\((?:[^()'"]|'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")*\)"""
)

pytestmark = pytest.mark.text


def sources() -> Iterator[str]:
    """Yield the Python that marks texts, of modules and of templates."""
    for path in PACKAGE.rglob("*.py"):
        yield path.read_text(encoding="utf-8")
    for path in PACKAGE.rglob("*.html"):
        text = templatize(path.read_text(encoding="utf-8"), origin=str(path))
        # What is between the calls is no Python.
        yield "\n".join(it[0] for it in CALL.finditer(text))


@functools.cache
def marked() -> set[str]:
    return {
        message[0] if isinstance(message, tuple) else message
        for source in sources()
        for _, message, _, _ in extract(
            "python", io.BytesIO(source.encode()), keywords=KEYWORDS
        )
    }


def catalog_of(language: str):
    path = LOCALE / language / "LC_MESSAGES" / "django.po"
    with path.open("rb") as file:
        return read_po(file, abort_invalid=True)


def placeholders(text: str) -> list[str]:
    return sorted(re.findall(r"%\(\w+\)s|%%|{\w*}", text))


def both(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def test_languages_are_these():
    assert {it.name for it in LOCALE.iterdir()} == LANGUAGES.keys()


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_text_is_translated(language):
    texts = {both(it.id)[0] for it in catalog_of(language) if it.id}
    assert marked() <= texts, "run makemessages, and translate"
    assert texts <= marked(), "no code says it"


@pytest.mark.parametrize("language", LANGUAGES)
def test_translation_keeps_its_placeholders(language):
    catalog = catalog_of(language)
    assert catalog.num_plurals == LANGUAGES[language]
    for message in catalog:
        if not message.id:
            continue
        assert not message.fuzzy
        forms = both(message.string)
        assert all(forms), message.id
        if message.pluralizable:
            assert len(forms) == LANGUAGES[language], message.id
        # A form for one may leave the number out.
        singular, *plural = both(message.id)
        assert placeholders(forms[-1]) == placeholders((*plural, singular)[0])


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_translation_replaces_another_one_of_django(language):
    """Django merges the catalogs of all applications into one."""
    own = {it.id: it.string for it in catalog_of(language) if not it.context}
    folder = f"locale/{language}/LC_MESSAGES"
    for path in Path(django.__file__).parent.rglob(f"{folder}/django.mo"):
        with path.open("rb") as file:
            theirs = gettext.GNUTranslations(file)._catalog
        same = {it: theirs[it] for it in own if it and it in theirs}
        assert same == {it: own[it] for it in same}, f"give it a context: {path}"


def test_french_puts_a_space_that_does_not_break_before_its_marks():
    texts = [
        text
        for message in catalog_of("fr")
        for text in (
            [message.string] if isinstance(message.string, str) else message.string
        )
    ]
    assert [text for text in texts if re.search("« | (?:[:;!?»]|%%)", text)] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_compiled_catalog_is_that_of_the_source(language):
    path = LOCALE / language / "LC_MESSAGES" / "django.mo"
    with path.open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for message in catalog_of(language):
        context = message.context
        if not message.id:
            continue
        if message.pluralizable:
            for number in range(200):
                form = both(message.string)[compiled.plural(number)]
                ids = both(message.id)
                found = (
                    compiled.npgettext(context, *ids, number)
                    if context
                    else compiled.ngettext(*ids, number)
                )
                assert found == form
        else:
            found = (
                compiled.pgettext(context, message.id)
                if context
                else compiled.gettext(message.id)
            )
            assert found == message.string, message.id
