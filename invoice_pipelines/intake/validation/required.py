"""Holds the rules on what no invoice may lack before it is paid (IP-REQ), and on profiles that lack it by design."""

from __future__ import annotations

from collections.abc import Iterator

from invoice_pipelines.einvoice.model import Party
from invoice_pipelines.intake.reading import Format, Reading
from invoice_pipelines.intake.validation.verdict import Severity, Violation, content_violation
from invoice_pipelines.intake.validation.xml_document import Usage, is_known, usage_of


def required_violations(reading: Reading) -> Iterator[Violation]:
    """IP-REQ-01 to -06 and IP-PROFILE-01 to -03.

    Number, date, seller, currency and amount are what Section 14 (4) of the German VAT Act (UStG) and Article 226 of
    Directive 2006/112/EC ask of every invoice, and what a payment cannot do without.
    """
    if not (reading.number or "").strip():
        yield _missing("IP-REQ-01", "The invoice number (BT-1)", "Die Rechnungsnummer (BT-1)", "number")
    if reading.issue_date is None:
        yield _missing("IP-REQ-02", "The issue date (BT-2)", "Das Rechnungsdatum (BT-2)", "issue_date")
    if not _is_named(reading.seller):
        yield _missing("IP-REQ-03", "The seller (BT-27)", "Der Verkäufer (BT-27)", "seller.name")
    if not (reading.currency or "").strip():
        yield _missing("IP-REQ-04", "The currency (BT-5)", "Die Währung (BT-5)", "currency")
    if reading.gross_amount is None:
        yield _missing(
            "IP-REQ-05", "The total with VAT (BT-112)", "Der Gesamtbetrag mit Umsatzsteuer (BT-112)", "gross_amount"
        )
    if reading.tax_amount and not (reading.seller.vat_id or reading.seller.tax_id or _represented(reading)):
        yield content_violation(
            "IP-REQ-06",
            Severity.WARNING,
            "VAT is charged, but neither a VAT identifier (BT-31) nor a tax number (BT-32) of the seller is given.",
            "Umsatzsteuer ist ausgewiesen, aber weder eine USt-IdNr. (BT-31) noch eine Steuernummer (BT-32) des "
            "Verkäufers angegeben.",
            "seller.vat_id",
        )
    yield from _profile_violations(reading)


def _profile_violations(reading: Reading) -> Iterator[Violation]:
    usage = usage_of(reading.specification_identifier)
    if reading.format is Format.CII and usage in (Usage.FACTURX_MINIMUM, Usage.FACTURX_BASIC_WL):
        name = usage.value.removeprefix("Factur-X ")
        yield content_violation(
            "IP-PROFILE-01",
            Severity.WARNING,
            f"The profile {name} has no invoice lines and is no invoice after EN 16931: a booking aid, for which "
            "the document that it accompanies is needed.",
            f"Das Profil {name} enthält keine Rechnungspositionen und ist keine Rechnung nach EN 16931, sondern eine "
            "Buchungshilfe; das zugehörige Dokument wird zusätzlich benötigt.",
            "specification_identifier",
        )
    elif reading.format is Format.ZUGFERD1:
        yield content_violation(
            "IP-PROFILE-02",
            Severity.WARNING,
            "ZUGFeRD 1.0 is older than EN 16931: the document counts as another kind of invoice, not as an e-invoice.",
            "ZUGFeRD 1.0 ist älter als EN 16931: Das Dokument gilt als sonstige Rechnung, nicht als E-Rechnung.",
            "specification_identifier",
        )
    elif reading.specification_identifier and not is_known(reading.specification_identifier):
        shown = reading.specification_identifier[:100]
        yield content_violation(
            "IP-PROFILE-03",
            Severity.INFORMATION,
            f"The specification {shown} (BT-24) is not known here. Only the rules of EN 16931 were checked.",
            f"Die Spezifikation {shown} (BT-24) ist hier nicht bekannt. Nur die Regeln von EN 16931 wurden geprüft.",
            "specification_identifier",
        )


def _is_named(party: Party) -> bool:
    return bool(
        (party.name or party.trading_name or party.vat_id or party.tax_id or "").strip()
        or party.identifiers
        or party.legal_registration
    )


def _represented(reading: Reading) -> bool:
    return reading.tax_representative is not None and bool(reading.tax_representative.vat_id)


def _missing(rule: str, name: str, name_de: str, location: str) -> Violation:
    return content_violation(rule, Severity.FATAL, f"{name} is missing.", f"{name_de} fehlt.", location)
