"""Makes texts fit for a QuickBooks company.

DisplayName and Item.Name take no colon, tab or line break; a US company takes ISO-8859-1 only; every field has a
longest text. Ours stays as it is; the form that was sent is kept beside it in the mapping (see `fields`), so that it is
no edit when it comes back. Nothing is shortened in silence: `too_long` says what was.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from invoice_pipelines.quickbooks.api.options import Company
from invoice_pipelines.quickbooks.records.fields import RECORDS
from invoice_pipelines.quickbooks.records.merge import Value
from invoice_pipelines.quickbooks.values import EntityType

SUFFIX = " (C)"
"""What the name of a customer gets that a vendor or an employee has there already."""

LONGEST = {
    entity: {field.name: field.longest for field in record.synced if field.longest is not None}
    for entity, record in RECORDS.items()
}
"""Characters of each field, as the reference of Customer and Item has them."""
LEFT_OUT = frozenset(field.name for record in RECORDS.values() for field in record.synced if field.whole)
"""Fields of which what is too long is not sent at all."""
_WORDS = {"sku": "SKU", "email": "e-mail address", "phone": "phone number", "post_code": "post code"}
_FORBIDDEN_IN_NAMES = str.maketrans({":": "-", "\t": " ", "\n": " ", "\r": " "})
_NEAREST = str.maketrans({"–": "-", "—": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "„": '"', "…": "...", "€": "EUR"})


@dataclass(frozen=True, slots=True)
class TooLong:
    """A field that is longer than QuickBooks takes it."""

    field: str
    length: int
    limit: int

    def __str__(self) -> str:
        what = "left out there" if self.field in LEFT_OUT else "cut off there"
        named = _WORDS.get(self.field, self.field.replace("_", " "))
        return f"Its {named} has {self.length} characters and QuickBooks takes {self.limit}: it is {what}."


def takes_latin_1_only(company: Company) -> bool:
    """Whether the company refuses (or mangles) characters outside ISO-8859-1."""
    return company.country == "US"


def to_latin_1(text: str) -> str:
    """The text in ISO-8859-1: signs by their nearest, letters without the accents it lacks, the rest as `?`."""
    fitting = []
    for sign in text.translate(_NEAREST):
        if ord(sign) < 256:
            fitting.append(sign)
            continue
        bare = "".join(part for part in unicodedata.normalize("NFKD", sign) if not unicodedata.combining(part))
        fitting.append(bare if bare and all(ord(part) < 256 for part in bare) else "?")
    return "".join(fitting)


def in_its_characters(text: str, company: Company) -> str:
    """A text in the characters that the company takes."""
    return to_latin_1(text) if takes_latin_1_only(company) else text


def clean_text(text: str, longest: int, company: Company) -> str:
    """A text that is no name, such as the description of a line, as the company takes it."""
    return in_its_characters(text, company)[:longest]


def clean_name(name: str, longest: int, company: Company) -> str:
    """A DisplayName or the Name of an item, as the company takes it."""
    plain = " ".join(name.translate(_FORBIDDEN_IN_NAMES).split())
    return clean_text(plain, longest, company).rstrip()


def with_suffix(name: str, entity: EntityType, suffix: str) -> str:
    """The name with a suffix, within the length it may have."""
    return name[: LONGEST[entity]["name"] - len(suffix)].rstrip() + suffix


def clean_fields(entity: EntityType, fields: Mapping[str, Value], company: Company) -> dict[str, Value]:
    """The synced fields of a customer or an item as the company takes them."""
    longest = LONGEST[entity]
    cleaned: dict[str, Value] = {}
    for field, value in fields.items():
        if not isinstance(value, str):
            cleaned[field] = value
        elif field == "name":
            cleaned[field] = clean_name(value, longest[field], company)
        elif field in LEFT_OUT and len(in_its_characters(value, company)) > longest[field]:
            cleaned[field] = None
        else:
            cleaned[field] = clean_text(value, longest.get(field, len(value)), company)
    return cleaned


def too_long(entity: EntityType, fields: Mapping[str, Value], company: Company) -> list[TooLong]:
    """Which of the fields are not sent as a whole, because the company takes so many characters only."""
    found = []
    for field, limit in LONGEST[entity].items():
        value = fields.get(field)
        if isinstance(value, str) and (length := len(in_its_characters(value, company))) > limit:
            found.append(TooLong(field, length, limit))
    return found


def restore_fields(
    entity: EntityType,
    theirs: Mapping[str, Value],
    base: Mapping[str, Value],
    company: Company,
) -> dict[str, Value]:
    """Their fields, with ours (`base`) in place of those that are as they would be sent from these."""
    sent = clean_fields(entity, base, company)
    restored = dict(theirs)
    for field, value in theirs.items():
        if field not in base or isinstance(value, bool) or value == base[field]:
            continue
        forms = {sent[field]}
        if field == "name" and entity is EntityType.CUSTOMER:
            forms.add(with_suffix(str(sent[field]), entity, SUFFIX))
        if value in forms:
            restored[field] = base[field]
    return restored
