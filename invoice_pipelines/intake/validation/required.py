"""The rules on what no invoice may lack before it is paid (IP-REQ), and on profiles that lack it by design."""

from __future__ import annotations

from collections.abc import Iterator

from invoice_pipelines.einvoice.model import Party
from invoice_pipelines.einvoice.rules.verdict import Violation
from invoice_pipelines.einvoice.rules.xml_document import Usage, is_known, usage_of
from invoice_pipelines.intake.countries import small_amount
from invoice_pipelines.intake.reading import Format, Reading
from invoice_pipelines.intake.validation.own_rules import broken
from invoice_pipelines.intake.validation.withholding import unconfirmed_seller


def required_violations(reading: Reading, home: str | None = None) -> Iterator[Violation]:
    """IP-REQ-01 to -07 and IP-PROFILE-01 to -03.

    Number, date, seller, currency and amount are what Section 14 (4) of the German VAT Act (UStG) and Article 226 of
    Directive 2006/112/EC ask of every invoice, and what a payment cannot do without. A simplified invoice needs no
    number (Section 33 UStDV, Article 226b); `home` is the country of the organization, where the seller's is not known.
    A seller that was read and left out (`withholding`) is on the paper.
    """
    if not (reading.number or "").strip():
        if small := small_amount(reading, home):
            yield broken("IP-REQ-07", "number", limit=small.limit, currency=small.currency, source=small.source)
        else:
            yield broken("IP-REQ-01", "number")
    if reading.issue_date is None:
        yield broken("IP-REQ-02", "issue_date")
    if not _is_named(reading.seller) and unconfirmed_seller(reading) is None:
        yield broken("IP-REQ-03", "seller.name")
    if not (reading.currency or "").strip():
        yield broken("IP-REQ-04", "currency")
    if reading.gross_amount is None:
        yield broken("IP-REQ-05", "gross_amount")
    told = reading.seller.vat_id or reading.seller.tax_id or _represented(reading) or unconfirmed_seller(reading)
    if reading.tax_amount and not told:
        yield broken("IP-REQ-06", "seller.vat_id")
    specification = reading.specification_identifier
    usage = usage_of(specification)
    if reading.format is Format.CII and usage in (Usage.FACTURX_MINIMUM, Usage.FACTURX_BASIC_WL):
        yield broken("IP-PROFILE-01", "specification_identifier", name=usage.value.removeprefix("Factur-X "))
    elif reading.format is Format.ZUGFERD1:
        yield broken("IP-PROFILE-02", "specification_identifier")
    elif specification and not is_known(specification):
        yield broken("IP-PROFILE-03", "specification_identifier", name=specification[:100])


def _is_named(party: Party) -> bool:
    return bool(
        (party.name or party.trading_name or party.vat_id or party.tax_id or "").strip()
        or party.identifiers
        or party.legal_registration
    )


def _represented(reading: Reading) -> bool:
    return reading.tax_representative is not None and bool(reading.tax_representative.vat_id)
