"""What a person is not asked for, though it was read unsurely: as the law does not want it, or as something sure
proves it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from invoice_pipelines.einvoice.rules.verdict import Violation
from invoice_pipelines.intake.countries import small_amount, tax_is_proved
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.intake.validation.identifiers import identifier_violations
from invoice_pipelines.intake.validation.own_rules import broken

_SURE = 0.95
_LIKELY = 0.75


@dataclass(frozen=True, slots=True)
class Unsure:
    """A value below its threshold; `name` is what people call its field, in English and German."""

    name: tuple[str, str]
    value: str | None
    confidence: float
    threshold: float


def unasked(reading: Reading, unsure: Mapping[str, Unsure], home: str | None) -> dict[str, Violation]:
    """Of the unsure fields those that are not asked for, each with the remark that says why (IP-READ-02).

    The number of a simplified invoice. The likely name of a seller whose VAT id is sure. Net amount and VAT where the
    total is sure and a rate makes them of it. `home` is the country of the organization.
    """
    found: dict[str, Violation] = {}
    if "number" in unsure and (small := small_amount(reading, home)):
        why = f"{small.limit} {small.currency}, {small.source}"
        reason = (f"up to {why}, a simplified invoice will do", f"bis {why} genügt eine Kleinbetragsrechnung")
        found["number"] = _remark("number", unsure["number"], reason)
    if "seller.name" in unsure and unsure["seller.name"].confidence >= _LIKELY and _is_known_by_vat_id(reading):
        reason = ("its VAT id is sure", "seine USt-IdNr. ist sicher")
        found["seller.name"] = _remark("seller.name", unsure["seller.name"], reason)
    if "gross_amount" not in unsure and tax_is_proved(reading):
        reason = ("the total and a rate of VAT prove it", "der Gesamtbetrag und ein Steuersatz belegen ihn")
        found |= {
            field: _remark(field, unsure[field], reason) for field in ("net_amount", "tax_amount") if field in unsure
        }
    return found


def _is_known_by_vat_id(reading: Reading) -> bool:
    place = reading.provenance.get("seller.vat_id")
    sure = reading.seller.vat_id is not None and place is not None and place.confidence >= _SURE
    return sure and not any(one.location == "seller.vat_id" for one in identifier_violations(reading))


def without_number(reading: Reading) -> Reading:
    """The reading without the number that nobody asks for: what may be wrong names no invoice."""
    places = {field: place for field, place in reading.provenance.items() if field != "number"}
    return replace(reading, number=None, provenance=places)


def _remark(field: str, unsure: Unsure, why: tuple[str, str]) -> Violation:
    return broken(
        "IP-READ-02",
        field,
        name=unsure.name,
        value=unsure.value,
        confidence=f"{unsure.confidence:.2f}",
        threshold=f"{unsure.threshold:.2f}",
        why=why,
    )
