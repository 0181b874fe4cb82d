"""Who the seller is by what people have said of earlier documents with the same VAT id, account or telephone.

Such a sign is read without doubt where a name is not: it has check digits, or is a long number that nobody else has.
Addresses of the web are no signs: makers of tills, surveys and card services print theirs on receipts of many sellers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from invoice_pipelines.intake.documents.recipient import NOBODY, Recipient
from invoice_pipelines.intake.documents.text_layer.identifiers import (
    find_ibans,
    find_vat_id,
    vat_id_is_valid,
)
from invoice_pipelines.intake.documents.text_layer.learned import TAUGHT, LearnedPlace
from invoice_pipelines.intake.documents.text_layer.page.layout import read_lines
from invoice_pipelines.intake.documents.text_layer.page.recognized_words import tidied
from invoice_pipelines.intake.documents.text_layer.page.words import Page
from invoice_pipelines.intake.reading import Provenance, Reading

FIELD = "seller"
"""As what such a name is kept among the places that people have shown."""

_PHONE = re.compile(
    r"(?i)(?:\bte[l1](?:efon|ephone)?|\bt[ée]l[ée]phone|\bfon|\bphone)\b[\s.:]{0,4}([+(]?\d[\d ()/.–-]{6,22}\d)"
    r"|^([+(]?0?\d{1,4}[ )/.-]{1,3}\d[\d /.-]{4,18}\d)$|(\+\d{1,3}[ \d()/.-]{7,20}\d)"
)
_LIKE_A_VAT_ID = re.compile(r"[A-Za-z]{2,3}[ .:-]?\d{2}|[A-Za-z]{2}\w\d{3}")
_MOST_PARTS = 6  # "DE 811 569 869"
_LEAST_DIGITS, _MOST_DIGITS = 8, 15
_LINES_AT_THE_TOP = 10
_READ_SURELY = 0.9
_DATE_OR_MONEY = re.compile(r"^\d{1,4}[./-]\d{1,2}[./-]\d{2,4}\b|[.,]\d\d$")


def signs_of(pages: Sequence[Page], recipient: Recipient = NOBODY) -> frozenset[str]:
    """What the seller of these pages may be known by; nothing of the recipient's own."""
    return frozenset(f"sign:{sign}" for sign in _signs(pages, recipient))


def _signs(pages: Sequence[Page], recipient: Recipient) -> Iterator[str]:
    for number, line in enumerate(read_lines(tidied(pages))):
        for first in range(len(line.words)):
            written = " ".join(word.text for word in line.words[first : first + _MOST_PARTS])
            value = find_vat_id(written) if _LIKE_A_VAT_ID.match(written) else None
            if value and len(value) >= _LEAST_DIGITS and vat_id_is_valid(value) and value not in recipient.vat_ids:
                yield f"vat:{value}"
        for value, _, _, valid in find_ibans(line.text):
            if valid and value not in recipient.ibans:
                yield f"iban:{value}"
        for cell in line.cells:
            for match in _PHONE.finditer(cell.text):
                named = match[1] or match[3]
                if not named and (number >= _LINES_AT_THE_TOP or _DATE_OR_MONEY.search(cell.text)):
                    continue
                digits = re.sub(r"\D", "", (named or match[2]).replace("(0)", ""))
                if _LEAST_DIGITS <= len(digits) <= _MOST_DIGITS:
                    yield f"phone:{digits}"


def known_as(name: str) -> LearnedPlace:
    """What is kept for each sign of a seller whose name people have confirmed or typed."""
    return LearnedPlace(FIELD, 1, (0.0, 0.0, 0.0, 0.0), value=name)


def with_known_seller(
    reading: Reading, pages: Sequence[Page], kept: Callable[[str], Sequence[LearnedPlace]], recipient: Recipient
) -> Reading:
    """The reading with the seller's name as people have said it is, where all signs that are known say the same.

    A document with a VAT id that nobody has seen is that of another seller, whatever else is known of it; and where no
    VAT id is known, a name that was read surely stays.
    """
    signs = signs_of(pages, recipient)
    known = {sign: place.value for sign in signs for place in kept(sign) if place.field == FIELD}
    by_vat_id = {sign for sign in signs if sign.startswith("sign:vat:")}
    if len(set(known.values())) != 1 or by_vat_id - set(known):
        return reading
    name = next(iter(known.values()))
    place = reading.provenance.get("seller.name") or Provenance(reading.source, 0.0)
    if not by_vat_id and place.confidence >= _READ_SURELY:
        return reading
    sign = min(known, key=lambda sign: (sign not in by_vat_id, sign)).removeprefix("sign:").replace(":", " ")
    warning = f"The seller is named as before: {name}, known by {sign}."
    return replace(
        reading,
        seller=replace(reading.seller, name=name),
        provenance={**reading.provenance, "seller.name": replace(place, confidence=max(place.confidence, TAUGHT))},
        warnings=(*reading.warnings, warning) if name != reading.seller.name else reading.warnings,
    )
