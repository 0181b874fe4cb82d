"""The characters that the fonts can show. Typst refuses to make PDF/A of a page with any other.

`fonts/code_points.txt` lists what the fonts cover; a test sets each of them. What they do not is replaced before, by a
sign that is seen, and reported.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from functools import lru_cache
from importlib import resources

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

FAMILIES = (
    "Inter",
    "Noto Sans",
    "Noto Sans Arabic",
    "Noto Sans Hebrew",
    "Noto Sans Armenian",
    "Noto Sans Georgian",
    "Noto Sans Devanagari",
    "Noto Sans Bengali",
    "Noto Sans Gurmukhi",
    "Noto Sans Gujarati",
    "Noto Sans Tamil",
    "Noto Sans Telugu",
    "Noto Sans Kannada",
    "Noto Sans Malayalam",
    "Noto Sans Sinhala",
    "Noto Sans Thai",
    "Noto Sans Lao",
    "Noto Sans Khmer",
    "Noto Sans Myanmar",
    "Noto Sans Ethiopic",
    "NanumGothicCoding",
    "Droid Sans Fallback",
    "Noto Emoji",
    "Noto Sans Symbols",
    "Noto Sans Symbols2",
)
"""The fonts in the order in which they are asked for a character."""

# Without a shape of their own: what they ask of their neighbours is lost without harm. Those that turn the direction of
# writing around (U+202A to U+202E, U+2066 to U+2069) are left out on purpose: they make a text read other than it is.
_INVISIBLE = frozenset(
    map(
        chr,
        (
            *(0xAD, 0x34F, 0x61C, 0x180E, 0xFEFF),
            *range(0x202A, 0x202F),
            *range(0x2060, 0x2070),
            *range(0xFFF9, 0xFFFC),
            *range(0xE0000, 0xE1000),
        ),
    )
)


@lru_cache(maxsize=1)
def covered() -> frozenset[str]:
    """All characters that the fonts show."""
    content = (resources.files(__package__) / "fonts" / "code_points.txt").read_text(encoding="ascii")
    found: list[str] = []
    for line in content.splitlines():
        if line and not line.startswith("#"):
            first, _, last = line.partition("-")
            found.extend(map(chr, range(int(first, 16), int(last or first, 16) + 1)))
    return frozenset(found)


def shown(text: str) -> tuple[str, str | None]:
    """A text with what no font has replaced, and the characters that were, each once; None: all is there.

    Control characters become blanks. Accents are composed with their letters (NFC), as fonts have these.
    """
    if text.isascii() and text.isprintable():
        return text, None
    text = unicodedata.normalize("NFC", text)
    strange = set(text) - covered()
    if not strange:
        return text, None
    missing = sorted(sign for sign in strange if not _is_blank(sign))
    text = text.translate({ord(sign): _instead(sign) for sign in strange})
    return text, "".join(missing) or None


def without_marks(text: str) -> tuple[str, str | None]:
    """As `shown`, without the marks that stand on letters and could not be composed with them."""
    return _without(text, _is_mark, "")


def plainest(text: str) -> tuple[str, str | None]:
    """As `shown`, with Latin, Greek and Cyrillic letters and common signs only."""
    return _without(text, lambda sign: _is_mark(sign) or (sign > "\u052f" and sign not in _COMMON), REPLACEMENT)


_COMMON = "\u200b\u2007\u2008\u2013\u2014\u2018\u2019\u201a\u201c\u201d\u201e\u2026\u202f\u2212\u20ac" + REPLACEMENT


def _is_mark(sign: str) -> bool:
    return unicodedata.category(sign)[0] == "M" or sign == "\N{ZERO WIDTH JOINER}"


def _without(text: str, is_out: Callable[[str], bool], instead: str) -> tuple[str, str | None]:
    text, missing = shown(text)
    out = {sign for sign in text if is_out(sign)}
    text = text.translate({ord(sign): instead for sign in out})
    return text, "".join(sorted({*(missing or ()), *out})) or None


def _is_blank(sign: str) -> bool:
    return sign in _INVISIBLE or unicodedata.category(sign) in ("Cc", "Cf", "Zl", "Zp", "Zs", "Cs")


def _instead(sign: str) -> str:
    if sign == "\n":
        return sign
    if sign in _INVISIBLE or unicodedata.category(sign) in ("Cf", "Cs"):
        return ""
    return " " if _is_blank(sign) else REPLACEMENT
