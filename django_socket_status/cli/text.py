"""Text for a terminal: safe characters, and how many columns they take.

Labels and paths come from clients. Older workers and other programs write to the same
store, so nothing that is read from it is trusted to be safe.
"""

from __future__ import annotations

import unicodedata

__all__ = ["clean", "clipped", "encodable", "width_of"]

ELLIPSIS = "…"

#: Selects between the text and the emoji form of the character before it. Terminals
#: differ in how wide the result is, so it is left out.
VARIATION_SELECTORS = range(0xFE00, 0xFE10)
#: Vowels and final consonants of Hangul, drawn into the syllable before them.
JOINING_JAMO = range(0x1160, 0x1200)


def clean(text: str) -> str:
    """Return a text in one line, with each unsafe character written as an escape.

    Unsafe are control characters, C1 included, bidirectional overrides and other
    invisible formatting, lone surrogates, and line and paragraph separators.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_clean_character(it) for it in text)


def _clean_character(character: str) -> str:
    if ord(character) in VARIATION_SELECTORS:
        return ""
    if character.isprintable():
        return character
    if unicodedata.category(character) == "Zs":
        return " "
    return _escape(character)


def _escape(character: str) -> str:
    """Return how Python writes a character without using it."""
    if ord(character) < 0x80:
        return f"\\x{ord(character):02x}"
    return character.encode("ascii", "backslashreplace").decode("ascii")


def width_of(text: str) -> int:
    """Return how many columns of a terminal a clean text takes. O(characters)."""
    return len(text) if text.isascii() else sum(map(_width, text))


def _width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    if ord(character) in JOINING_JAMO:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def clipped(text: str, width: int) -> str:
    """Return a clean text that takes at most ``width`` columns, with an ellipsis."""
    if width_of(text) <= width:
        return text
    kept: list[str] = []
    left = width - 1
    for character in text:
        left -= _width(character)
        if left < 0:
            break
        kept.append(character)
    return "".join(kept) + ELLIPSIS if width > 0 else ""


def encodable(text: str, encoding: str | None) -> str:
    """Return a text that a stream can write, with escapes for what it cannot."""
    if text.isascii() or encoding is None:
        return text
    return text.encode(encoding, "backslashreplace").decode(encoding)
