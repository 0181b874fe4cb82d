"""Turns any text into one of Windows-1252 that fits a field, without a question mark ever standing for a letter.

What the code page has, stays. Other Latin letters and signs lose their marks or become their usual spelling ("Ł" is
"L"). What has no such spelling, such as Chinese or an emoji, is left out: fields that identify something (invoice
numbers, accounts) do not go through here, and the document itself is linked.
"""

from __future__ import annotations

import unicodedata

CODE_PAGE = "cp1252"

_TABLE = """
Ł=L ł=l Đ=D đ=d Ħ=H ħ=h ı=i ĸ=k Ŋ=N ŋ=n Ŧ=T ŧ=t ȷ=j ẞ=SS Ə=E ə=e ‐=- ‑=- ‒=- ―=- −=- ⁄=/ ∕=/ ′=' ″=" ‛=' ‟=" №=No.
℮=e ₤=£
А=A Б=B В=V Г=G Ґ=G Д=D Е=E Ё=Jo Є=Je Ж=Zh З=Z И=I І=I Ї=Ji Й=J К=K Л=L М=M Н=N О=O П=P Р=R С=S Т=T У=U Ф=F Х=Kh Ц=Ts
Ч=Ch Ш=Sh Щ=Shch Ъ= Ы=Y Ь= Э=E Ю=Ju Я=Ja
а=a б=b в=v г=g ґ=g д=d е=e ё=jo є=je ж=zh з=z и=i і=i ї=ji й=j к=k л=l м=m н=n о=o п=p р=r с=s т=t у=u ф=f х=kh ц=ts
ч=ch ш=sh щ=shch ъ= ы=y ь= э=e ю=ju я=ja
Α=A Β=V Γ=G Δ=D Ε=E Ζ=Z Η=I Θ=Th Ι=I Κ=K Λ=L Μ=M Ν=N Ξ=X Ο=O Π=P Ρ=R Σ=S Τ=T Υ=Y Φ=F Χ=Ch Ψ=Ps Ω=O
α=a β=v γ=g δ=d ε=e ζ=z η=i θ=th ι=i κ=k λ=l μ=m ν=n ξ=x ο=o π=p ρ=r σ=s ς=s τ=t υ=y φ=f χ=ch ψ=ps ω=o
"""
_SPELLINGS = {sign: spelling for sign, _, spelling in (entry.partition("=") for entry in _TABLE.split())}


def is_cp1252(value: str) -> bool:
    """Whether a text can be written as it is: only characters of the code page, none of them a control character."""
    return value.isprintable() and _is_in_code_page(value)


def cp1252_text(value: str, longest: int) -> str:
    """A text in characters of the code page, blanks collapsed, that takes at most `longest` characters in a file.

    Quotes count twice, as they are doubled there.
    """
    spelled = "".join(map(_spelled, unicodedata.normalize("NFC", value)))
    room, kept = longest, []
    for sign in " ".join(spelled.split()):
        room -= 2 if sign == '"' else 1
        if room < 0:
            break
        kept.append(sign)
    return "".join(kept).rstrip()


def _spelled(sign: str) -> str:
    if sign.isspace() or unicodedata.category(sign) == "Cc":
        return " "
    if sign.isprintable() and _is_in_code_page(sign):
        return sign
    if sign in _SPELLINGS:
        return _SPELLINGS[sign]
    parts = unicodedata.normalize("NFKD", sign)
    plain = "".join(_SPELLINGS.get(part, part) for part in parts if not unicodedata.combining(part))
    return plain if plain.isprintable() and _is_in_code_page(plain) else ""


def _is_in_code_page(value: str) -> bool:
    try:
        value.encode(CODE_PAGE)
    except UnicodeEncodeError:
        return False
    return True
