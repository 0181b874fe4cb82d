"""The inbox of Nordwind Handel, a wholesaler in Hamburg: mostly German e-invoices."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

from reportlab.lib.pdfencrypt import StandardEncryption

from examples.make import parties, pdf
from examples.make.cii import Profile, cii
from examples.make.model import (
    DUPLICATE,
    INTRA_COMMUNITY,
    REVERSE_CHARGE,
    SMALL_BUSINESS,
    AllowanceCharge,
    Document,
    Invoice,
    bad,
    good,
    line,
    replaced,
    standard,
)
from examples.make.pictures import faxed
from examples.make.ubl import PEPPOL, XRECHNUNG, ubl
from examples.make.wording import GERMAN
from examples.make.zugferd1 import zugferd1

S19, S7 = standard("19"), standard("7")

PAPER = Invoice(
    "AP-2026-0117",
    date(2026, 1, 19),
    date(2026, 2, 18),
    parties.ALPENBLICK,
    parties.NORDWIND,
    "EUR",
    (
        line("Kopierpapier A4 80 g, Palette", "12", "C62", "148.50", S19, item_id="KP-80", allowance="53.46"),
        line("Versandkartons 300 x 200 x 150", "2400", "C62", "0.385", S19, item_id="VK-302015"),
        line("Fachbuch Verpackungsrecht", "3", "C62", "49.90", S7, description="2. Auflage", item_id="FB-77"),
    ),
    (
        AllowanceCharge(False, Decimal("50.00"), "Treuerabatt", S19),
        AllowanceCharge(True, Decimal("89.00"), "Fracht", S19),
    ),
    buyer_reference="NH-EINKAUF-4",
    order_reference="B-26-0031",
    delivered=date(2026, 1, 16),
    terms="Zahlbar innerhalb von 30 Tagen ohne Abzug.",
)

POWER = Invoice(
    "ELB-2026-00419", date(2026, 2, 3), date(2026, 2, 17), parties.ELBTAL, parties.NORDWIND, "EUR",
    (
        line("Strom Lager Veddel", "18450", "KWH", "0.2381", S19, description="Zähler 1ELB0047110815"),
        line("Grundpreis", "12", "MON", "24.90", S19),
    ),
    prepaid=Decimal("4800.00"), buyer_reference="NH-LAGER", delivered=date(2025, 12, 31),
    note="Jahresabrechnung 2025", terms="Die Restforderung ist binnen 14 Tagen fällig.",
)  # fmt: skip

POWER_FEBRUARY = replace(
    POWER,
    number="ELB-2026-00812",
    issued=date(2026, 3, 2),
    due=date(2026, 3, 16),
    prepaid=Decimal(0),
    note=None,
    lines=(
        line("Strom Lager Veddel, Februar", "1622", "KWH", "0.2381", S19),
        line("Grundpreis", "1", "MON", "24.90", S19),
    ),
    delivered=date(2026, 2, 28),
    terms="Zahlbar binnen 14 Tagen.",
)

BREAD = Invoice(
    "2026-0042", date(2026, 1, 31), date(2026, 2, 14), parties.SONNENKORN, parties.NORDWIND, "EUR",
    (
        line("Frühstückskorb Besprechung", "22", "C62", "18.50", S7),
        line("Kaffee und Kaltgetränke", "22", "C62", "6.20", S19),
        line("Lieferung und Aufbau", "4", "C62", "15.00", S19),
    ),
    delivered=date(2026, 1, 30), terms="Zahlbar binnen 14 Tagen ohne Abzug.",
)  # fmt: skip

REPAIR = Invoice(
    "26-1093", date(2026, 2, 20), date(2026, 3, 6), parties.JAEGER, parties.NORDWIND, "EUR",
    (
        line("Inspektion Gabelstapler GS-14", "3.5", "HUR", "86.00", S19),
        line("Hydrauliköl HLP 46", "20", "LTR", "5.95", S19),
        line("Dichtungssatz", "1", "C62", "64.30", S19),
    ),
    delivered=date(2026, 2, 18), terms="Zahlbar binnen 14 Tagen.",
)  # fmt: skip

SERVERS = Invoice(
    "KB20260311", date(2026, 3, 11), date(2026, 4, 10), parties.KOBALT, parties.NORDWIND, "EUR",
    (
        line("Server Rack 2 HE", "2", "C62", "4389.00", S19, item_id="KB-R2", description="2 x 32 Kerne, 512 GB RAM"),
        line("Einrichtung vor Ort", "11.25", "HUR", "128.00", S19),
    ),
    prepaid=Decimal("3000.00"), order_reference="B-26-0058", delivered=date(2026, 3, 9),
    terms="Zahlbar bis 10.04.2026 ohne Abzug.",
)  # fmt: skip

MAINTENANCE = Invoice(
    "KB20260402", date(2026, 4, 2), date(2026, 5, 4), parties.KOBALT, parties.NORDWIND, "EUR",
    (
        line("Wartungsvertrag Q2/2026", "3", "MON", "690.00", S19, allowance="103.50", allowance_reason="Rabatt 5 %"),
        line("Zusätzliche Lizenzen", "15", "C62", "11.90", S19),
        line("Handbuch, gedruckt", "2", "C62", "24.00", S7),
    ),
    (AllowanceCharge(True, Decimal("9.80"), "Versand", S19),),
    order_reference="B-25-0911", delivered=date(2026, 4, 1), terms="Zahlbar binnen 30 Tagen.",
)  # fmt: skip

NOTEPADS = replace(
    PAPER, number="AP-2026-0131", issued=date(2026, 2, 9), due=date(2026, 3, 11), order_reference="B-26-0044",
    lines=(line("Schreibblöcke A5", "500", "C62", "0.89", S19), line("Wandkalender 2026", "40", "C62", "7.25", S19)),
    allowances_charges=(AllowanceCharge(False, Decimal("22.25"), "Mengenrabatt", S19),), delivered=date(2026, 2, 6),
)  # fmt: skip

FREIGHT = Invoice(
    "2026-3381", date(2026, 3, 5), date(2026, 3, 19), parties.HANSEKONTOR, parties.NORDWIND, "EUR",
    (
        line("Transport Hamburg - Kassel, 14 Paletten", "1", "C62", "612.00", S19),
        line("Mautzuschlag", "308", "KMT", "0.19", S19),
        line("Standzeit Entladung", "1.5", "HUR", "48.00", S19),
    ),
    delivered=date(2026, 3, 3), order_reference="B-26-0049", terms="Zahlbar innerhalb von 14 Tagen netto.",
)  # fmt: skip

STORAGE = replace(
    FREIGHT,
    number="2026-3407",
    issued=date(2026, 3, 31),
    due=date(2026, 4, 14),
    order_reference=None,
    lines=(
        line("Lagerung 120 Palettenplätze, März", "120", "C62", "7.80", S19),
        line("Ein- und Auslagerung", "86", "C62", "3.15", S19),
    ),
    delivered=date(2026, 3, 31),
)

_TOWNS = [
    "Kiel",
    "Lübeck",
    "Rostock",
    "Bremen",
    "Hannover",
    "Kassel",
    "Leipzig",
    "Erfurt",
    "Fulda",
    "Mainz",
    "Trier",
    "Ulm",
    "Passau",
]
TOURS = replace(
    FREIGHT,
    number="2026-3555",
    issued=date(2026, 4, 30),
    due=date(2026, 5, 14),
    order_reference=None,
    lines=tuple(
        line(
            f"Tour {1000 + tour} Hamburg - {_TOWNS[tour % 13]}",
            "1",
            "C62",
            f"{210 + tour * 37 % 190}.{tour * 13 % 100:02}",
            S19,
        )
        for tour in range(68)
    ),
    delivered=date(2026, 4, 30),
    note="Sammelrechnung April 2026",
)

SCREED = Invoice(
    "SB-26-014", date(2026, 4, 13), date(2026, 5, 13), parties.STEINMETZ_BAU, parties.NORDWIND, "EUR",
    (
        line("Estrich Halle 3, 240 m²", "240", "MTK", "38.40", REVERSE_CHARGE),
        line("Baustelleneinrichtung", "1", "C62", "950.00", REVERSE_CHARGE),
    ),
    buyer_reference="NH-BAU", delivered=date(2026, 4, 8),
    note="Steuerschuldnerschaft des Leistungsempfängers (§ 13b UStG)", terms="Zahlbar binnen 30 Tagen.",
)  # fmt: skip

PHOTOS = Invoice(
    "R-26-008", date(2026, 2, 12), date(2026, 2, 26), parties.LINDNER, parties.NORDWIND, "EUR",
    (
        line("Produktfotos Frühjahrskatalog", "42", "C62", "18.00", SMALL_BUSINESS),
        line("Bildbearbeitung", "6", "HUR", "55.00", SMALL_BUSINESS),
    ),
    buyer_reference="NH-MARKETING", delivered=date(2026, 2, 10), terms="Zahlbar binnen 14 Tagen.",
)  # fmt: skip

PORTRAITS = replace(
    PHOTOS, number="R-26-009", issued=date(2026, 3, 3), due=date(2026, 3, 17), delivered=date(2026, 3, 2),
    lines=(line("Mitarbeiterportraits", "17", "C62", "35.00", SMALL_BUSINESS),),
)  # fmt: skip

TULIPS = Invoice(
    "PB-260214", date(2026, 2, 14), date(2026, 3, 16), parties.POLDER, parties.NORDWIND, "EUR",
    (
        line("Tulips, mixed, 50 stems", "80", "C62", "11.75", INTRA_COMMUNITY, item_id="TUL-50"),
        line("Flower buckets", "80", "C62", "0.95", INTRA_COMMUNITY),
    ),
    buyer_reference="NH-EINKAUF-2", delivered=date(2026, 2, 13), terms="30 days net",
)  # fmt: skip

TULIPS_CREDIT = replace(
    TULIPS, number="PB-260219-C", issued=date(2026, 2, 19), due=None, type_code="381", preceding=TULIPS.number,
    lines=(line("Tulips, mixed, 50 stems", "6", "C62", "11.75", INTRA_COMMUNITY, item_id="TUL-50"),),
    note="Six bunches arrived frozen",
)  # fmt: skip

_LONG_NAME = (
    "Sammelrechnung April 2026 Hansekontor Logistik GmbH an Nordwind Handel GmbH, alle Touren ab Lager Veddel "
    "inklusive Mautzuschlag und Standzeiten, bitte an die Buchhaltung weiterleiten (endgültige Fassung).pdf"
)


STORAGE_BY_FAX = replace(
    STORAGE,
    number="2026-3391",
    issued=date(2026, 3, 11),
    due=date(2026, 3, 25),
    lines=(line("Lagerung 64 Palettenplätze, Februar", "64", "C62", "7.80", S19), *STORAGE.lines[1:]),
)


def documents() -> list[Document]:
    invoice_text = pdf.draw(FREIGHT, GERMAN, pdf.letter)
    servers = pdf.factur_x(
        pdf.draw(SERVERS, GERMAN, pdf.letter, embed_font=True), cii(SERVERS, Profile.EN16931), "KB20260311"
    )
    paper = ubl(PAPER, XRECHNUNG)
    copy_of_paper = ubl(replace(PAPER, issued=date(2026, 1, 26), note="Zweitschrift"), XRECHNUNG)
    wrong_sum = ubl(replace(PAPER, number="AP-2026-0140", issued=date(2026, 2, 16)), XRECHNUNG)
    return [
        good("XRechnung_AP-2026-0117.xml", "XRechnung UBL", paper, PAPER),
        good("Elbtal Energie Jahresabrechnung.xml", "XRechnung CII", cii(POWER, Profile.XRECHNUNG), POWER),
        good(
            "ELB-2026-00812.pdf",
            "ZUGFeRD 2 XRECHNUNG",
            pdf.with_attachment(
                pdf.draw(POWER_FEBRUARY, GERMAN, pdf.band, embed_font=True),
                cii(POWER_FEBRUARY, Profile.XRECHNUNG),
                "xrechnung.xml",
            ),
            POWER_FEBRUARY,
        ),
        good(
            "RE-2026-0042 Sonnenkorn.pdf",
            "Factur-X BASIC",
            pdf.factur_x(
                pdf.draw(BREAD, GERMAN, pdf.statement, embed_font=True), cii(BREAD, Profile.BASIC), "2026-0042"
            ),
            BREAD,
        ),
        good(
            "Rechnung Jäger & Söhne.PDF",
            "ZUGFeRD 1.0",
            pdf.with_attachment(
                pdf.draw(REPAIR, GERMAN, pdf.letter, embed_font=True), zugferd1(REPAIR), "ZUGFeRD-invoice.xml"
            ),
            REPAIR,
        ),
        good("Kobalt_KB20260311.pdf", "Factur-X EN 16931", servers, SERVERS),
        Document("Kopie von Kobalt_KB20260311.pdf", "same bytes", servers, DUPLICATE, same_as="Kobalt_KB20260311.pdf"),
        good(
            "Kobalt Wartung Q2 – Rechnung KB20260402.pdf",
            "Factur-X EXTENDED",
            pdf.factur_x(
                pdf.draw(MAINTENANCE, GERMAN, pdf.band, embed_font=True),
                cii(MAINTENANCE, Profile.EXTENDED),
                "KB20260402",
            ),
            MAINTENANCE,
        ),
        good(
            "Alpenblick AP-2026-0131.pdf",
            "Factur-X BASIC WL",
            pdf.factur_x(
                pdf.draw(NOTEPADS, GERMAN, pdf.letter, embed_font=True), cii(NOTEPADS, Profile.BASIC_WL), "AP-2026-0131"
            ),
            NOTEPADS,
            "IP-PROFILE-01",
        ),
        good("Hansekontor_Rechnung_2026-3381.pdf", "text PDF", invoice_text, FREIGHT),
        good("Hansekontor Rechnung 2026-3407 (2).pdf", "text PDF", pdf.draw(STORAGE, GERMAN, pdf.band), STORAGE),
        good(_LONG_NAME, "text PDF", pdf.draw(TOURS, GERMAN, pdf.letter), TOURS),
        good("Steinmetz Bau §13b.xml", "XRechnung UBL", ubl(SCREED, XRECHNUNG), SCREED),
        good("Foto Lindner 📷.pdf", "text PDF", pdf.draw(PHOTOS, GERMAN, pdf.statement), PHOTOS),
        good("Fax vom 11.03.2026.tif", "fax", faxed(pdf.draw(STORAGE_BY_FAX, GERMAN, pdf.letter)), STORAGE_BY_FAX),
        good("Lindner Fotografie R-26-009.xml", "XRechnung UBL", ubl(PORTRAITS, XRECHNUNG), PORTRAITS),
        good("polder-bloemen-20260214.xml", "Peppol BIS", ubl(TULIPS, PEPPOL), TULIPS),
        good("polder-bloemen-gutschrift.xml", "Peppol BIS credit note", ubl(TULIPS_CREDIT, PEPPOL), TULIPS_CREDIT),
        bad("kaputt.xml", "malformed XML", paper[: len(paper) * 2 // 3], "XML_MALFORMED"),
        bad(
            "XRechnung falsche Summe.xml",
            "wrong total",
            _wrong_total(wrong_sum, PAPER),
            "BR-CO-15",
        ),
        bad(
            "ohne Rechnungsnummer.xml",
            "missing number",
            replaced(
                cii(replace(POWER, number="ELB-2026-00555"), Profile.XRECHNUNG),
                "<ram:ID>ELB-2026-00555</ram:ID>",
                "<ram:ID/>",
            ),
            "BR-02",
        ),
        bad(
            "Zweitschrift AP-2026-0117.xml",
            "duplicate number",
            copy_of_paper,
            "IP-DUP-01",
            same_as="XRechnung_AP-2026-0117.xml",
        ),
        bad(
            "Rechnung vertraulich.pdf",
            "encrypted PDF",
            pdf.draw(
                replace(FREIGHT, number="2026-3399"),
                GERMAN,
                pdf.letter,
                encrypt=StandardEncryption("nur-mit-passwort", "nur-mit-passwort", strength=128),
            ),
            "PDF_ENCRYPTED",
        ),
        bad(
            "Kündigungsbestätigung.pdf",
            "letter",
            pdf.prose(
                "Kündigungsbestätigung",
                [
                    "Sehr geehrte Damen und Herren,",
                    "",
                    "hiermit bestätigen wir den Eingang Ihres Schreibens. Der Vertrag endet wie gewünscht",
                    "zum Ende des Jahres. Bitte geben Sie die Schlüssel beim Empfang ab.",
                    "",
                    "Mit freundlichen Grüßen",
                    "Ihre Hausverwaltung",
                ],
            ),
            "NOT_AN_INVOICE",
        ),
    ]


def _wrong_total(content: bytes, invoice: Invoice) -> bytes:
    """One euro more with VAT, and as much more to pay: only the sum of net and VAT does not agree."""
    for name in ("TaxInclusiveAmount", "PayableAmount"):
        content = replaced(
            content,
            f'<cbc:{name} currencyID="EUR">{invoice.gross}',
            f'<cbc:{name} currencyID="EUR">{invoice.gross + 1}',
        )
    return content
