"""The inbox of Harbour & Hill, a café chain in Dublin: Peppol, English PDFs, invoices in two currencies."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

from examples.make import parties, pdf
from examples.make.cii import Profile, cii
from examples.make.model import (
    DUPLICATE,
    EXPORT,
    INTRA_COMMUNITY,
    REVERSE_CHARGE,
    ZERO,
    AllowanceCharge,
    Document,
    Invoice,
    bad,
    doubtful,
    good,
    line,
    replaced,
    standard,
)
from examples.make.pictures import photographed, receipt
from examples.make.ubl import PEPPOL, ubl
from examples.make.wording import ENGLISH
from examples.make.zugferd1 import zugferd1

S23, S135, S20 = standard("23"), standard("13.5"), standard("20")

COFFEE = Invoice(
    "GBR-10482", date(2026, 1, 12), date(2026, 2, 11), parties.GALWAY, parties.HARBOUR, "EUR",
    (
        line("Espresso blend, 1 kg", "60", "KGM", "17.40", ZERO, item_id="ESP-1"),
        line("Paper cups 12 oz, 1000", "14", "C62", "68.50", S23, item_id="CUP-12", allowance="48.00"),
        line("Grinder service", "2.5", "HUR", "70.00", S135),
    ),
    buyer_reference="HH-0001", order_reference="PO-7731", delivered=date(2026, 1, 9), terms="30 days net",
)  # fmt: skip

COFFEE_FEBRUARY = replace(
    COFFEE, number="GBR-10533", issued=date(2026, 2, 9), due=date(2026, 3, 11), order_reference="PO-7790",
    lines=(
        line("Espresso blend, 1 kg", "75", "KGM", "17.40", ZERO, item_id="ESP-1"),
        line("Espresso machine, two groups", "1", "C62", "6450.00", S23, item_id="MAC-2"),
    ),
    allowances_charges=(AllowanceCharge(True, Decimal("120.00"), "Delivery and installation", S23),),
    prepaid=Decimal("2000.00"), delivered=date(2026, 2, 6),
)  # fmt: skip

COFFEE_CREDIT = replace(
    COFFEE, number="GBR-C-0219", issued=date(2026, 1, 21), due=None, type_code="381", preceding=COFFEE.number,
    lines=(line("Paper cups 12 oz, 1000", "2", "C62", "68.50", S23, item_id="CUP-12"),), note="Two boxes were damaged",
    terms=None,
)  # fmt: skip

COFFEE_MARCH = replace(
    COFFEE, number="GBR-10601", issued=date(2026, 3, 9), due=date(2026, 4, 8), order_reference="PO-7852",
    delivered=date(2026, 3, 6), lines=COFFEE.lines[1:],
)  # fmt: skip

BOOKS = Invoice(
    "TP/2026/0388", date(2026, 2, 23), date(2026, 3, 25), parties.THORNFIELD, parties.HARBOUR, "GBP",
    (
        line("Recipe book, first edition", "250", "C62", "8.95", EXPORT, item_id="978-RB1"),
        line("Display stand", "6", "C62", "31.00", EXPORT),
    ),
    buyer_reference="HH-0002", delivered=date(2026, 2, 20), terms="30 days net",
)  # fmt: skip

WORKSHOP = Invoice(
    "TP/2026/0412", date(2026, 3, 16), date(2026, 4, 15), parties.THORNFIELD, parties.HARBOUR, "GBP",
    (
        line("Print workshop in Leeds, two days", "2", "DAY", "640.00", S20),
        line("Materials", "8", "C62", "22.50", S20),
    ),
    delivered=date(2026, 3, 13), terms="Payment within 30 days, please quote the invoice number.",
)  # fmt: skip

WIRING = Invoice(
    "LC-20871", date(2026, 2, 27), date(2026, 3, 29), parties.LUMEN, parties.HARBOUR, "EUR",
    (
        line("Rewiring of kitchen, Quay Street", "31.5", "HUR", "58.00", S135),
        line("Distribution board", "1", "C62", "412.60", S135),
        line("LED panel lights", "18", "C62", "46.25", S23),
    ),
    delivered=date(2026, 2, 26), order_reference="PO-7802", terms="Payment within 30 days.",
)  # fmt: skip

_PLACES = ["Quay Street", "Temple Lane", "Abbey Road", "Grand Canal", "Harold's Cross", "Smithfield", "Sandymount"]
LAMPS = replace(
    WIRING, number="LC-20954", issued=date(2026, 4, 10), due=date(2026, 5, 10), order_reference=None,
    lines=tuple(
        line(f"Pendant lamp {chr(65 + position % 26)}{position}, {_PLACES[position % 7]}", f"{1 + position % 4}", "C62",
             f"{24 + position * 7 % 61}.{position * 31 % 100:02}", S23)
        for position in range(49)
    ),
    delivered=date(2026, 4, 8),
)  # fmt: skip

LEATHER = Invoice(
    "F2026-0091", date(2026, 3, 18), date(2026, 4, 17), parties.BRISSON, parties.HARBOUR, "EUR",
    (
        line("Leather apron", "36", "C62", "54.00", INTRA_COMMUNITY, item_id="TAB-C"),
        line("Menu folder", "120", "C62", "12.80", INTRA_COMMUNITY, allowance="76.80"),
    ),
    delivered=date(2026, 3, 16), terms="30 days net",
)  # fmt: skip

LEATHER_REPAIR = replace(
    LEATHER, number="F2026-0104", issued=date(2026, 4, 1), due=None, delivered=None, terms=None,
    lines=(line("Repair of aprons", "5", "C62", "18.00", REVERSE_CHARGE),),
)  # fmt: skip

TILL = Invoice(
    "KB20260227", date(2026, 2, 27), date(2026, 3, 29), parties.KOBALT, parties.HARBOUR, "EUR",
    (
        line("Till software, monthly fee", "7", "MON", "89.00", REVERSE_CHARGE),
        line("Remote set-up", "4.75", "HUR", "128.00", REVERSE_CHARGE),
    ),
    order_reference="PO-7766", delivered=date(2026, 2, 27), terms="30 days net",
)  # fmt: skip

TILL_MARCH = replace(
    TILL, number="KB20260331", issued=date(2026, 3, 31), due=date(2026, 4, 30), delivered=date(2026, 3, 31),
    lines=TILL.lines[:1], order_reference=None,
)  # fmt: skip

TROLLEYS = Invoice(
    "26-1177", date(2026, 3, 24), date(2026, 4, 7), parties.JAEGER, parties.HARBOUR, "EUR",
    (line("Service trolley, stainless steel", "4", "C62", "389.00", INTRA_COMMUNITY),),
    delivered=date(2026, 3, 20), terms="14 days net",
)  # fmt: skip

_XXE = '<!DOCTYPE Invoice [<!ENTITY secret SYSTEM "file:///etc/hostname">]>\n'


# The same work in another month, so that it is no duplicate of anything.
WIRING_AGAIN = replace(
    WIRING, number="LC-20903", issued=date(2026, 4, 17), due=date(2026, 5, 17), delivered=date(2026, 4, 15),
    lines=(line("Rewiring of cold store, Quay Street", "12.5", "HUR", "58.00", S135), *WIRING.lines[1:]),
)  # fmt: skip


def documents() -> list[Document]:
    wrong_iban = replace(
        TILL_MARCH,
        number="KB20260430",
        issued=date(2026, 4, 30),
        due=date(2026, 5, 30),
        delivered=date(2026, 4, 30),
        seller=replace(parties.KOBALT, iban="DE02100500000054540420"),
    )
    coffee = ubl(COFFEE, PEPPOL)
    hostile = ubl(replace(COFFEE_MARCH, number="GBR-10602", note="NOTE"), PEPPOL)
    hostile = replaced(replaced(hostile, "<Invoice", f"{_XXE}<Invoice"), ">NOTE<", ">&secret;<")
    wrong_tax = replace(COFFEE_MARCH, number="GBR-10603")
    broken_sum = pdf.draw(replace(WIRING, number="LC-20872"), ENGLISH, pdf.letter, total_off_by=Decimal("90.00"))
    return [
        good("Galway Bay GBR-10482.xml", "Peppol BIS", coffee, COFFEE),
        Document(
            "copy of Galway Bay GBR-10482.XML", "same bytes", coffee, DUPLICATE, same_as="Galway Bay GBR-10482.xml"
        ),
        good("gbr-10533.xml", "Peppol BIS", ubl(COFFEE_FEBRUARY, PEPPOL), COFFEE_FEBRUARY),
        good("CREDIT NOTE GBR-C-0219.XML", "Peppol BIS credit note", ubl(COFFEE_CREDIT, PEPPOL), COFFEE_CREDIT),
        good("thornfield-0388.xml", "Peppol BIS", ubl(BOOKS, PEPPOL), BOOKS),
        good("Thornfield Press - TP_2026_0412.pdf", "text PDF", pdf.draw(WORKSHOP, ENGLISH, pdf.band), WORKSHOP),
        good("Invoice LC-20871.pdf", "text PDF", pdf.draw(WIRING, ENGLISH, pdf.letter), WIRING),
        good("lamps for all cafés 💡.pdf", "text PDF", pdf.draw(LAMPS, ENGLISH, pdf.statement), LAMPS),
        good(
            "Atelier Brisson Facture F2026-0091.pdf",
            "Factur-X EN 16931",
            pdf.factur_x(
                pdf.draw(LEATHER, ENGLISH, pdf.statement, embed_font=True), cii(LEATHER, Profile.EN16931), "F2026-0091"
            ),
            LEATHER,
        ),
        good(
            "Atelier Brisson Facture F2026-0104.pdf",
            "Factur-X MINIMUM",
            pdf.factur_x(
                pdf.draw(LEATHER_REPAIR, ENGLISH, pdf.statement, embed_font=True),
                cii(LEATHER_REPAIR, Profile.MINIMUM),
                "F2026-0104",
            ),
            LEATHER_REPAIR,
            "IP-PROFILE-01",
        ),
        good(
            "KB20260227.pdf",
            "Factur-X EXTENDED",
            pdf.factur_x(pdf.draw(TILL, ENGLISH, pdf.band, embed_font=True), cii(TILL, Profile.EXTENDED), "KB20260227"),
            TILL,
        ),
        good("KB20260331.xml", "CII EN 16931", cii(TILL_MARCH, Profile.EN16931), TILL_MARCH),
        good(
            "jaeger 26-1177.pdf",
            "ZUGFeRD 1.0",
            pdf.with_attachment(
                pdf.draw(TROLLEYS, ENGLISH, pdf.letter, embed_font=True), zugferd1(TROLLEYS), "ZUGFeRD-invoice.xml"
            ),
            TROLLEYS,
        ),
        bad("invoice.xml", "DOCTYPE with external entity", hostile, "XML_DOCTYPE"),
        bad("scan0001.pdf", "empty file", b"", "EMPTY_FILE"),
        bad("download.pdf.pdf", "truncated PDF", pdf.draw(LAMPS, ENGLISH, pdf.statement)[:1500], "PDF_DAMAGED"),
        doubtful("Invoice LC-20872 corrected.pdf", "total that does not tie", broken_sum, "IP-TOTAL-01"),
        doubtful(
            "KB20260430.xml",
            "another IBAN than the seller's, with a wrong check digit",
            cii(wrong_iban, Profile.EN16931),
            "IP-IBAN-02",
        ),
        doubtful("IMG_2041.PNG", "photo of a receipt", receipt(), "LOW_CONFIDENCE"),
        good("IMG_2044.JPG", "photo", photographed(pdf.draw(WIRING_AGAIN, ENGLISH, pdf.letter)), WIRING_AGAIN),
        bad(
            "gbr-10603.xml",
            "wrong VAT",
            replaced(
                ubl(wrong_tax, PEPPOL),
                f'<cac:TaxTotal>\n    <cbc:TaxAmount currencyID="EUR">{wrong_tax.tax}',
                f'<cac:TaxTotal>\n    <cbc:TaxAmount currencyID="EUR">{wrong_tax.tax + 5}',
            ),
            "BR-CO-14",
        ),
    ]
