"""Holds how many parts an SMS has, for each of which one pays (3GPP TS 23.038 and 23.040). No database here."""

from __future__ import annotations

MOST_SEGMENTS = 10
"""So many parts a phone puts together, and Twilio sends."""

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("^{}\\[~]|€\f")
_SPACES = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "\t": " "})


def for_sms(text: str) -> str:
    """The text with plain spaces: one that does not break makes all of it twice as long."""
    return text.translate(_SPACES)


def segments(text: str) -> int:
    """How many parts the text is sent in."""
    if all(sign in _BASIC or sign in _EXTENDED for sign in text):
        length = sum(2 if sign in _EXTENDED else 1 for sign in text)
        single, part = 160, 153
    else:
        length = len(text.encode("utf-16-le")) // 2
        single, part = 70, 67
    return 1 if length <= single else -(-length // part)
