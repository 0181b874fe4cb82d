"""Broken invoices by name: sound ones with one term changed, and a few that take more than that to break a rule."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal

from invoice_pipelines.einvoice import Invoice, Profile
from invoice_pipelines.einvoice.model import Identifier, Payment, PaymentAccount, TaxBreakdown
from invoice_pipelines_tests.support.einvoice.broken import changed, without_identification
from invoice_pipelines_tests.support.einvoice.sound import CATEGORIES, IBAN, sound_invoice

PEPPOL = "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0"
EXTENSION = f"{Profile.XRECHNUNG}#conformant#urn:xeinkauf.de:kosit:extension:xrechnung_3.0"
CVD = f"{Profile.XRECHNUNG}#compliant#urn:xeinkauf.de:kosit:xrechnung:cvd_0.9"


def bases() -> Mapping[str, Invoice]:
    """Sound invoices by name: in each VAT category, and of each usage."""
    xrechnung = sound_invoice("S", Profile.XRECHNUNG)
    return {
        **{category: sound_invoice(category) for category in CATEGORIES},
        "XRechnung": xrechnung,
        "extension": replace(xrechnung, specification_identifier=EXTENSION),
        "CVD": _vehicle(xrechnung),
        "Peppol": _for_peppol(xrechnung),
        "Peppol credit note": _for_peppol(sound_invoice("S", Profile.XRECHNUNG, "381")),
    }


def _for_peppol(invoice: Invoice) -> Invoice:
    """Peppol does not take e-mail addresses, nor notes with a subject."""
    address = Identifier("DE123456789", "9930")
    return replace(
        invoice,
        specification_identifier=PEPPOL,
        notes=(),
        seller=replace(invoice.seller, electronic_address=address),
        buyer=replace(invoice.buyer, electronic_address=address),
    )


def _vehicle(invoice: Invoice) -> Invoice:
    line = replace(invoice.lines[0], classifications=(Identifier("M1", "CVD"),), attributes=(("cva", "clean"),))
    return replace(invoice, specification_identifier=CVD, lines=(line, *invoice.lines[1:]))


@functools.cache
def cases() -> Mapping[str, Invoice]:
    """All of them, such as `S: number absent`."""
    found: dict[str, Invoice] = {}
    for name, base in bases().items():
        found |= {f"{name}: {what}": invoice for what, invoice in (*changed(base), *_special(base))}
        if name in CATEGORIES:
            found |= {f"{name}: {what}": invoice for what, invoice in without_identification(base)}
    return found


def _special(base: Invoice) -> Iterator[tuple[str, Invoice]]:
    first, *rest = base.lines
    seller = base.seller
    unnamed = replace(seller, vat_id=None, tax_id=None, identifiers=(), legal_registration=None)
    yield "the seller without any identifier", replace(base, seller=unnamed)
    nameless = replace(seller, vat_id=None, tax_id=None)
    yield "the seller without tax numbers", replace(base, seller=nameless, tax_representative=None)
    for index, kind in enumerate(("allowance", "charge")):
        bare = replace(base.allowances_charges[index], reason=None, reason_code=None)
        yield f"an {kind} without reason", replace(base, allowances_charges=(bare,))
        bare = replace(first.allowances_charges[index], reason=None, reason_code=None)
        yield (
            f"an {kind} of a line without reason",
            replace(base, lines=(replace(first, allowances_charges=(bare,)), *rest)),
        )
    yield "attribute without value", replace(base, lines=(replace(first, attributes=(("colour", ""),)), *rest))
    pay = base.payments[0]
    yield (
        "a long card number",
        replace(base, payments=(Payment(means_code="48", card_number="1234567890123456", card_holder="Anna"),)),
    )
    yield "an account beside a card", replace(base, payments=(replace(pay, card_number="1234", card_holder="Anna"),))
    debit = Payment(
        means_code="59", mandate_reference="M-1", creditor_identifier="DE98ZZZ09999999999", debited_account=IBAN
    )
    yield "a debit without creditor", replace(base, payments=(replace(debit, creditor_identifier=None),))
    yield "a debit without account", replace(base, payments=(replace(debit, debited_account=None),))
    yield "a debit of a wrong account", replace(base, payments=(replace(debit, debited_account="DE00"),))
    yield (
        "a debit beside an account",
        replace(base, payments=(replace(debit, accounts=(PaymentAccount(IBAN, None, None),)),)),
    )
    yield "an odd discount", replace(base, payment_terms="#SKONTO#TAGE=14")
    yield (
        "an old specification",
        replace(
            base, specification_identifier="urn:cen.eu:en16931:2017#compliant#urn:xoev-de:kosit:standard:xrechnung_2.0"
        ),
    )
    yield "a later Peppol", replace(base, specification_identifier=f"{PEPPOL}.1")
    yield "corrects nothing", replace(base, type_code="384", preceding_invoices=())
    lines = tuple(replace(line, period=None) for line in base.lines)
    yield "no date of delivery", replace(base, delivery=None, period=None, lines=lines)
    yield "the same currency for VAT", replace(base, tax_currency=base.currency)
    yield (
        "neither reference nor order",
        replace(base, buyer_reference=None, order_reference=None, sales_order_reference=None),
    )
    for line, what in (
        (replace(first, classifications=()), "a vehicle without class"),
        (replace(first, attributes=()), "a vehicle without attribute"),
        (replace(first, classifications=(Identifier("M9", "CVD"),)), "a vehicle of an unknown class"),
        (replace(first, attributes=(("cva", "electric"),)), "a vehicle of an unknown drive"),
        (replace(first, classifications=(Identifier("M1", "XX"),)), "a vehicle of an unknown list"),
    ):
        yield what, replace(base, lines=(line, *rest))
    for code in ("G", "IC", "AE", "D", "F", "I", "J", "O"):
        breakdown = TaxBreakdown(
            base.net_amount,
            Decimal(0),
            "S" if code in "DFIJ" else "E",
            Decimal(0),
            exemption_reason_code=f"VATEX-EU-{code}",
        )
        yield f"reason {code} in another category", replace(base, tax_breakdowns=(breakdown,))
