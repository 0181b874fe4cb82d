"""The inbox of Maple Ridge Outfitters, a shop in Toronto: Canadian and US PDFs, e-invoices from Europe."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

from examples.make import parties, pdf
from examples.make.cii import Profile, cii
from examples.make.model import (
    DUPLICATE,
    EXPORT,
    ZERO,
    AllowanceCharge,
    Document,
    Invoice,
    bad,
    doubtful,
    good,
    line,
    replaced,
)
from examples.make.pictures import scanned
from examples.make.ubl import PEPPOL, ubl
from examples.make.wording import CANADIAN

HST = (("HST", Decimal("13")),)
GST = (("GST", Decimal("5")),)
GST_QST = (("GST", Decimal("5")), ("QST", Decimal("9.975")))

LUMBER = Invoice(
    "CB-55120", date(2026, 1, 15), date(2026, 2, 14), parties.CEDAR, parties.MAPLE, "CAD",
    (
        line("Cedar shelving, 8 ft", "40", "C62", "38.75", ZERO),
        line("Birch display table", "6", "C62", "425.00", ZERO),
    ),
    delivered=date(2026, 1, 13), order_reference="MR-2201", sales_taxes=HST, terms="Net 30",
)  # fmt: skip

HARDWARE = replace(
    LUMBER, number="CB-55306", issued=date(2026, 2, 24), due=date(2026, 3, 26), order_reference="MR-2240",
    lines=tuple(
        line(f"Bracket set no. {position}, {('zinc', 'black', 'brass')[position % 3]}", f"{2 + position % 9}", "C62",
             f"{3 + position * 11 % 37}.{position * 17 % 100:02}", ZERO)
        for position in range(1, 58)
    ),
    delivered=date(2026, 2, 20),
)  # fmt: skip

RETURNED = replace(
    LUMBER, number="CB-55402", issued=date(2026, 3, 20), due=date(2026, 4, 19), order_reference=None,
    lines=(line("Cedar shelving, 6 ft", "25", "C62", "29.40", ZERO),),
    allowances_charges=(AllowanceCharge(True, Decimal("65.00"), "Freight", ZERO),), prepaid=Decimal("300.00"),
    delivered=date(2026, 3, 18),
)  # fmt: skip

WOOL = Invoice(
    "NL-0093", date(2026, 2, 5), date(2026, 3, 7), parties.LOOM, parties.MAPLE, "CAD",
    (
        line("Wool blanket, queen", "48", "C62", "92.00", ZERO),
        line("Scarf, merino", "150", "C62", "21.35", ZERO),
    ),
    delivered=date(2026, 2, 3), sales_taxes=GST_QST, terms="Net 30 days",
)  # fmt: skip

FABRIC = replace(
    WOOL, number="NL-0117", issued=date(2026, 3, 12), due=date(2026, 4, 11), sales_taxes=GST,
    lines=(line("Canvas, per bolt", "12", "C62", "310.00", ZERO),), delivered=date(2026, 3, 10),
)  # fmt: skip

TENTS = Invoice(
    "2026-1187", date(2026, 1, 28), date(2026, 2, 27), parties.CASCADE, parties.MAPLE, "USD",
    (
        line("Two-person tent", "24", "C62", "189.00", EXPORT),
        line("Trekking poles, pair", "60", "C62", "44.50", EXPORT),
    ),
    delivered=date(2026, 1, 26), order_reference="MR-2212", terms="Net 30",
)  # fmt: skip

BACKPACKS = replace(
    TENTS, number="2026-1240", issued=date(2026, 3, 25), due=date(2026, 4, 24), order_reference="MR-2263",
    lines=(line("Backpack 45 l", "36", "C62", "112.25", EXPORT),), delivered=date(2026, 3, 23),
)  # fmt: skip

LANTERNS = Invoice(
    "26004417", date(2026, 2, 18), date(2026, 3, 20), parties.FJORDLYS, parties.MAPLE, "CAD",
    (
        line("Lantern, small", "90", "C62", "64.00", EXPORT, item_id="L-S", allowance="288.00"),
        line("Lantern, large", "30", "C62", "118.00", EXPORT, item_id="L-L"),
    ),
    (AllowanceCharge(True, Decimal("240.00"), "Air freight", EXPORT),),
    buyer_reference="MR-BUYING", order_reference="MR-2228", delivered=date(2026, 2, 16), terms="30 days net",
)  # fmt: skip

LANTERNS_CREDIT = replace(
    LANTERNS, number="26004460", issued=date(2026, 3, 2), due=None, type_code="381", preceding=LANTERNS.number,
    lines=(line("Lantern, large", "2", "C62", "118.00", EXPORT, item_id="L-L"),), allowances_charges=(), terms=None,
    note="Two lanterns arrived broken",
)  # fmt: skip

WRAPPING = Invoice(
    "AP-2026-0122", date(2026, 1, 27), date(2026, 2, 26), parties.ALPENBLICK, parties.MAPLE, "EUR",
    (
        line("Gift wrap, recycled, 50 m", "200", "C62", "6.35", EXPORT, item_id="GP-50"),
        line("Paper bags, printed", "5000", "C62", "0.142", EXPORT),
    ),
    order_reference="MR-2209", delivered=date(2026, 1, 23), terms="30 days net",
)  # fmt: skip

BAGS = Invoice(
    "F2026-0077", date(2026, 3, 4), date(2026, 4, 3), parties.BRISSON, parties.MAPLE, "EUR",
    (line("Leather travel bag", "18", "C62", "236.00", EXPORT), line("Key ring", "100", "C62", "7.20", EXPORT)),
    delivered=date(2026, 3, 2), terms="30 days net",
)  # fmt: skip

SCANNERS = Invoice(
    "KB20260130", date(2026, 1, 30), date(2026, 3, 1), parties.KOBALT, parties.MAPLE, "EUR",
    (line("Barcode scanner", "8", "C62", "174.50", EXPORT),), delivered=date(2026, 1, 28), terms="30 days net",
)  # fmt: skip


MORE_LUMBER = replace(
    LUMBER, number="CB-55377", issued=date(2026, 3, 6), due=date(2026, 4, 5), delivered=date(2026, 3, 5),
    lines=(line("Cedar shelving, 8 ft", "26", "C62", "38.75", ZERO), *LUMBER.lines[1:]),
)  # fmt: skip


def documents() -> list[Document]:
    tents = pdf.draw(TENTS, CANADIAN, pdf.letter)
    duplicate = replace(LUMBER, issued=date(2026, 1, 16), lines=LUMBER.lines[:1])
    wrong_lines = replace(LANTERNS, number="26004501")
    wrong_iban = replace(
        SCANNERS,
        number="KB20260131",
        issued=date(2026, 1, 31),
        seller=replace(parties.KOBALT, iban="DE02100500000054540420"),
    )
    return [
        good("CB-55120.pdf", "text PDF", pdf.draw(LUMBER, CANADIAN, pdf.band), LUMBER),
        good("Cedar & Birch invoice CB-55306.pdf", "text PDF", pdf.draw(HARDWARE, CANADIAN, pdf.letter), HARDWARE),
        good("cb-55402 FINAL.PDF", "text PDF", pdf.draw(RETURNED, CANADIAN, pdf.statement), RETURNED),
        good("Northern Loom – facture NL-0093.pdf", "text PDF", pdf.draw(WOOL, CANADIAN, pdf.statement), WOOL),
        good("NL-0117.pdf", "text PDF", pdf.draw(FABRIC, CANADIAN, pdf.band), FABRIC),
        good("Cascade 2026-1187.pdf", "text PDF", tents, TENTS),
        Document("Fwd_ Cascade 2026-1187.pdf", "same bytes", tents, DUPLICATE, same_as="Cascade 2026-1187.pdf"),
        good("Cascade 2026-1240 🏔.pdf", "text PDF", pdf.draw(BACKPACKS, CANADIAN, pdf.statement), BACKPACKS),
        good("fjordlys_26004417.xml", "Peppol BIS", ubl(LANTERNS, PEPPOL), LANTERNS),
        good("fjordlys_26004460.xml", "Peppol BIS credit note", ubl(LANTERNS_CREDIT, PEPPOL), LANTERNS_CREDIT),
        good(
            "Alpenblick AP-2026-0122.pdf",
            "Factur-X EN 16931",
            pdf.factur_x(
                pdf.draw(WRAPPING, CANADIAN, pdf.letter, embed_font=True),
                cii(WRAPPING, Profile.EN16931),
                "AP-2026-0122",
            ),
            WRAPPING,
        ),
        good("brisson f2026-0077.xml", "CII EN 16931", cii(BAGS, Profile.EN16931), BAGS),
        good(
            "KB20260130.pdf",
            "Factur-X BASIC",
            pdf.factur_x(
                pdf.draw(SCANNERS, CANADIAN, pdf.band, embed_font=True), cii(SCANNERS, Profile.BASIC), "KB20260130"
            ),
            SCANNERS,
        ),
        bad(
            "CB-55120_revised.pdf",
            "duplicate number",
            pdf.draw(duplicate, CANADIAN, pdf.band),
            "IP-DUP-01",
            same_as="CB-55120.pdf",
        ),
        bad("notes.txt", "text file", b"Call Cedar & Birch about the shelves.\n", "UNKNOWN_TYPE"),
        bad(
            "fjordlys & co.xml",
            "malformed XML",
            replaced(ubl(replace(LANTERNS, number="26004502", note="AND"), PEPPOL), ">AND<", ">Lamps & lanterns<"),
            "XML_MALFORMED",
        ),
        good("SCAN_20260309_0931.pdf", "scan", scanned(pdf.draw(MORE_LUMBER, CANADIAN, pdf.letter)), MORE_LUMBER),
        bad(
            "fjordlys_26004501.xml",
            "lines that do not add up",
            replaced(
                ubl(wrong_lines, PEPPOL),
                f'<cbc:LineExtensionAmount currencyID="CAD">{wrong_lines.line_total}',
                f'<cbc:LineExtensionAmount currencyID="CAD">{wrong_lines.line_total - 10}',
            ),
            "BR-CO-10",
        ),
        doubtful(
            "KB20260131.xml",
            "another IBAN than the seller's, with a wrong check digit",
            cii(wrong_iban, Profile.EN16931),
            "IP-IBAN-02",
        ),
    ]
