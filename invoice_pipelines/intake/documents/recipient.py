"""Who documents are sent to: the organization itself, which is never the seller of an invoice that it receives."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LONG_ENOUGH = 8
_NO_SIGNS = re.compile(r"[^A-Z0-9]")


@dataclass(frozen=True, slots=True)
class Recipient:
    """The organization's own names and identifiers, as far as they are known; the identifiers are `compact`. `country`
    (ISO 3166-1) is where it sits: its currency is meant where none is printed and nothing speaks of another country."""

    names: frozenset[str] = frozenset()
    vat_ids: frozenset[str] = frozenset()
    tax_numbers: frozenset[str] = frozenset()
    ibans: frozenset[str] = frozenset()
    country: str | None = None

    def is_named_in(self, line: str) -> bool:
        """Whether a line of a page bears the name or an identifier of it, whatever stands beside. Names that are short
        may be part of anything."""
        written = compact(line)
        names = (compact(name) for name in self.names)
        known = (*names, *self.vat_ids, *self.tax_numbers, *self.ibans)
        return any(len(one) >= _LONG_ENOUGH and one in written for one in known)

    @classmethod
    def of(
        cls, name: str, vat_id: str | None, tax_number: str | None, iban: str | None, country: str | None = None
    ) -> Recipient:
        """That with a name and identifiers as people write them."""
        vat_ids, tax_numbers, ibans = (
            frozenset({compact(value)} if value else ()) for value in (vat_id, tax_number, iban)
        )
        return cls(frozenset({name}), vat_ids, tax_numbers, ibans, country)


def compact(identifier: str) -> str:
    """An identifier in capitals, without blanks and signs."""
    return _NO_SIGNS.sub("", identifier.upper())


NOBODY = Recipient()
