"""What a person is not asked for, though it was read unsurely: as the law does not want it, or as something sure
proves it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from invoice_pipelines.einvoice.rules.verdict import Violation
from invoice_pipelines.intake.countries import small_amount, tax_is_proved
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.intake.validation.identifiers import identifier_violations
from invoice_pipelines.intake.validation.own_rules import broken
from invoice_pipelines.intake.validation.withholding import NUMBER, SELLER, VAT_ID, withhold

_SURE = 0.95
_LIKELY = 0.75


@dataclass(frozen=True, slots=True)
class Unsure:
    """A value below its threshold; `name` is what people call its field, in English and German."""

    name: tuple[str, str]
    value: str | None
    confidence: float
    threshold: float


@dataclass(frozen=True, slots=True)
class Unasked:
    """The fields that are not asked for, each with the remark that says why (IP-READ-02), and which of them are to be
    left out of the invoice for that (`withholding`)."""

    remarks: Mapping[str, Violation]
    left_out: frozenset[str]


def unasked(
    reading: Reading, unsure: Mapping[str, Unsure], home: str | None, *, asks_for_sellers: bool = False
) -> Unasked:
    """Of the unsure fields those that are not asked for.

    Number, and without `asks_for_sellers` name and VAT id of the seller, of a simplified invoice: these are left out.
    The likely name of a seller whose VAT id is sure. Net amount and VAT where the total is sure and a rate makes them
    of it. `home` is the country of the organization.

    A simplified invoice names its seller on paper, which is kept (Article 226b (b) of Directive 2006/112/EC, Section 33
    UStDV); no VAT id or tax number is asked of it. The books need no issuer and recipient where there are such reliefs
    (GoBD, BMF of 28 November 2019, margin no. 77).
    """
    found: dict[str, Violation] = {}
    if "seller.name" in unsure and unsure["seller.name"].confidence >= _LIKELY and _is_known_by_vat_id(reading):
        reason = ("its VAT id is sure", "seine USt-IdNr. ist sicher")
        found["seller.name"] = _remark("seller.name", unsure["seller.name"], reason)
    may_lack = {NUMBER} if asks_for_sellers or not _may_lack_its_seller(reading) else {NUMBER, SELLER, VAT_ID}
    left_out = frozenset((may_lack & unsure.keys()) - found.keys())
    # Nor does a VAT id in doubt say by the law of which country a total is small.
    if small := small_amount(withhold(reading, unsure.keys() & {VAT_ID}), home):
        why = f"{small.limit} {small.currency}, {small.source}"
        reason = (
            f"up to {why}, a simplified invoice will do; it is left out",
            f"bis {why} genügt eine Kleinbetragsrechnung; die Angabe ist weggelassen",
        )
        found |= {field: _remark(field, unsure[field], reason) for field in sorted(left_out)}
    else:
        left_out = frozenset()
    if "gross_amount" not in unsure and tax_is_proved(reading):
        reason = ("the total and a rate of VAT prove it", "der Gesamtbetrag und ein Steuersatz belegen ihn")
        found |= {
            field: _remark(field, unsure[field], reason) for field in ("net_amount", "tax_amount") if field in unsure
        }
    return Unasked(found, left_out)


def _may_lack_its_seller(reading: Reading) -> bool:
    """Whether a simplified invoice may be booked without a seller. Not one that takes money back, as it belongs to
    another invoice of somebody; and not one that names a buyer: the organization may be either of the two.
    """
    is_invoice = reading.type_code in (None, "380") and (reading.gross_amount or 0) > 0
    return is_invoice and not (reading.buyer.name or reading.buyer.vat_id)


def _is_known_by_vat_id(reading: Reading) -> bool:
    place = reading.provenance.get("seller.vat_id")
    sure = reading.seller.vat_id is not None and place is not None and place.confidence >= _SURE
    return sure and not any(one.location == "seller.vat_id" for one in identifier_violations(reading))


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
