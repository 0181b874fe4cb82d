"""Invoices as companies lay them out, drawn for tests; none is a copy of a real one.

Each has decoys: numbers of customers, orders and deliveries, telephones, bank data, other dates and sums.
"""

from __future__ import annotations

from invoice_pipelines_tests.support.intake.documents.text_layer.drawing import draw, rows

GERMAN_LABELS_LEFT = draw(
    [
        (60, 40, "Nordlicht Energie GmbH"),
        (60, 120, "Nordlicht Energie GmbH - Hafenweg 3 - 24103 Kiel"),
        *rows(140, (60,), "Bäckerei Krume e.K.; Frau Anna Krume; Mühlgasse 7; 37073 Göttingen", step=13),
        *rows(
            200,
            (350, 460),
            "Kundennummer: | K-99001; Rechnungsnummer: | RE-2024-0815; Rechnungsdatum: | 15.03.2024; "
            "Lieferdatum: | 12.03.2024; Bestellnummer: | 4500012345; Lieferschein-Nr.: | LS-777",
        ),
        (60, 300, "Rechnung"),
        *rows(
            330,
            (60, 90, 300, 360, -470, -540),
            "Pos. | Bezeichnung | Menge | Einheit | Einzelpreis | Gesamt; "
            "1 | Stromlieferung März | 1.000 | kWh | 0,25 | 250,00; "
            "2 | Grundgebühr | 1 | Monat | 12,50 | 12,50",
        ),
        *rows(400, (350, -540), "Nettobetrag | 262,50 €; zzgl. 19 % MwSt. | 49,88 €; Gesamtbetrag | 312,38 €"),
        (60, 480, "Bitte überweisen Sie den Betrag bis zum 29.03.2024 auf unser Konto."),
        *rows(
            780,
            (60, 230, 400),
            "Nordlicht Energie GmbH | IBAN: DE02 1203 0000 0000 2020 51 | USt-IdNr.: DE136695976; "
            "Tel. 0431 123456 | BIC: BYLADEM1001 | Steuernummer: 19/123/45678",
            step=12,
        ),
    ]
)

GERMAN_LABELS_ABOVE = draw(
    [
        (60, 60, "Muster & Söhne OHG"),
        (60, 75, "Lange Straße 4, 70173 Stuttgart"),
        *rows(150, (60,), "Firma; Holzbau Tann GmbH & Co. KG; Waldweg 1; 79098 Freiburg", step=13),
        *rows(
            240,
            (60, 160, 260, 360, 460),
            "Rechnungs-Nr. | Datum | Kunden-Nr. | Ihre Bestellung | Fällig am; "
            "20240077 | 07.02.2024 | 12044 | PO-5567 | 21.02.2024",
        ),
        *rows(
            300,
            (60, 90, 300, -400, -540),
            "Pos | Artikel | Anzahl | E-Preis | Summe; 1 | Kantholz 60x80 | 20 | 14,90 | 298,00; "
            "2 | Schrauben | 5 | 8,40 | 42,00",
        ),
        *rows(
            350,
            (330, -540),
            "Zwischensumme | 340,00; USt 19% auf 298,00 | 56,62; USt 7% auf 42,00 | 2,94; Rechnungsbetrag EUR | 399,56",
        ),
        (60, 790, "Volksbank Stuttgart IBAN DE02120300000000202051 BIC VOBADESSXXX  USt-ID DE136695976"),
    ]
)

ENGLISH_LABELS_LEFT = draw(
    [
        (60, 50, "Brightwater Consulting Ltd"),
        (60, 65, "12 Mill Lane, Leeds LS1 4AP"),
        (400, 50, "INVOICE"),
        *rows(
            80,
            (380, 480),
            "Invoice No: | BW-10233; Invoice Date: | 5 January 2024; Due Date: | 4 February 2024; "
            "PO Number: | 7781; Account No: | C0042",
        ),
        *rows(150, (60, 230), "Bill To: | Ship To:; Acme Widgets plc | Acme Warehouse; 1 High Street | 9 Dock Road"),
        *rows(
            260,
            (60, 300, -420, -540),
            "Description | Qty | Unit Price | Amount; Consulting days | 3 | 650.00 | 1,950.00; "
            "Travel | 1 | 120.50 | 120.50",
        ),
        *rows(330, (380, -540), "Subtotal | 2,070.50; VAT @ 20% | 414.10; Total | £2,484.60"),
        (60, 420, "Bank: Barclays  Sort Code 20-00-00  Account Number 12345678"),
        (60, 434, "IBAN GB33BUKB20201555555555"),
        (60, 780, "Company No. 01234567  VAT Reg No GB 980 7806 84"),
    ]
)

ENGLISH_TWO_COLUMNS = draw(
    [
        *rows(
            50, (60, 320), "FROM | TO; Quill & Co. LLP | Inkwell Publishing plc; VAT: GB980780684 | VAT: GB123456789"
        ),
        *rows(120, (60,), "Invoice # 2024-33; Issued 2024-04-30; Payment due 2024-05-30"),
        (60, 162, "Your ref: JS/44"),
        *rows(
            200,
            (60, -540),
            "Legal advice | 1,000.00; Net amount | 1,000.00; VAT (20%) | 200.00; Amount payable GBP | 1,200.00",
        ),
    ]
)

GERMAN_MANY_PAGES = draw(
    [
        (60, 50, "Großhandel Weber GmbH"),
        *rows(140, (60,), "Imbiss Lang; Ringstr. 3; 04109 Leipzig", step=13),
        (60, 240, "Rechnung"),
        *rows(260, (60, 200), "Kundennummer | GW-1; Rechnungsnummer | GW-24-55; Belegdatum | 30.04.2024"),
        *rows(320, (60, 250, -540), "; ".join(f"Artikel {number} | 10 | 10,00" for number in range(1, 26))),
        *rows(720, (60, -540), "Übertrag | 250,00"),
    ],
    [
        (60, 50, "Großhandel Weber GmbH   Seite 2"),
        *rows(80, (60, -540), "Übertrag | 250,00"),
        *rows(100, (60, 250, -540), "; ".join(f"Artikel {number} | 10 | 10,00" for number in range(26, 51))),
        *rows(500, (330, -540), "Summe netto | 500,00; 7 % MwSt. von 500,00 | 35,00; Endbetrag | 535,00"),
    ],
)

GERMAN_REVERSE_CHARGE = draw(
    [
        (60, 50, "Tischlerei Span e.K."),
        *rows(110, (60,), "An; Alpenhaus AG; Bergstr. 2; 6020 Innsbruck", step=13),
        (60, 200, "Rechnung Nr. 2024/117 vom 3. Mai 2024"),
        (60, 220, "Ihre USt-IdNr.: ATU12345675   Unsere USt-IdNr.: DE136695976"),
        *rows(
            260,
            (60, -540),
            "Einbauschrank nach Maß | 4.800,00 EUR; Gesamtbetrag netto | 4.800,00 EUR; "
            "Umsatzsteuer 0 % | 0,00 EUR; Rechnungsbetrag | 4.800,00 EUR",
        ),
        (60, 350, "Steuerschuldnerschaft des Leistungsempfängers (Reverse Charge)"),
        (60, 364, "Zahlbar innerhalb von 14 Tagen bis 17.05.2024 ohne Abzug."),
    ]
)

GERMAN_FINAL_INVOICE = draw(
    [
        (60, 50, "Küchenstudio Herd GmbH"),
        *rows(130, (60,), "Frau Eva Topf; Herdgasse 2; 90402 Nürnberg", step=13),
        (60, 210, "Schlussrechnung Nr. SR-88"),
        (60, 224, "Rechnungsdatum 03.03.2024, Lieferdatum 28.02.2024"),
        *rows(
            260,
            (60, -540),
            "Nettosumme | 10.000,00 €; zzgl. 19% USt | 1.900,00 €; Gesamtsumme brutto | 11.900,00 €; "
            "abzgl. Anzahlung vom 01.01.2024 (netto 5.000,00 € zzgl. 950,00 € USt) | -5.950,00 €; "
            "Noch zu zahlen | 5.950,00 €",
        ),
        (60, 400, "Bei Zahlung bis 10.03.2024 gewähren wir 2 % Skonto (119,00 €)."),
    ]
)

SWISS = draw(
    [
        (60, 50, "Uhrwerk AG"),
        (60, 64, "Bahnhofstrasse 10, 8001 Zürich"),
        *rows(140, (60,), "Herr; Beat Keller; Seestrasse 5; 8700 Küsnacht", step=13),
        (60, 240, "RECHNUNG"),
        *rows(260, (60, 200), "Rechnungsnummer | R-558; Rechnungsdatum | 01.06.2024; Zahlbar bis | 30.06.2024"),
        *rows(
            330,
            (60, -540),
            "Revision Armbanduhr | 1'250.00; Total exkl. MWST | CHF 1'250.00; MWST 8.1% | 101.25; "
            "Total inkl. MWST | CHF 1'351.25",
        ),
        (60, 780, "UID CHE-116.281.271 MWST"),
    ]
)

CREDIT_NOTE = draw(
    [
        (60, 50, "Northern Tools Ltd."),
        (60, 100, "CREDIT NOTE"),
        *rows(
            120, (60, 200), "Credit Note No | CN-77; Date | 2024-05-02; Original invoice | INV-70; Customer | Acme Ltd"
        ),
        *rows(200, (60, -540), "Returned drill | -100.00; Net | -100.00; VAT 20% | -20.00; Total credit | -120.00"),
    ]
)

RECEIPT = draw(
    [
        *rows(50, (200,), "Elektro Blitz KG; Am Markt 1; 10115 Berlin"),
        *rows(120, (60,), "Quittung / Rechnung; Beleg-Nr. 887766; Datum: 02.10.2023 14:33"),
        *rows(
            190,
            (60, -400),
            "USB Kabel | 9,99; Netzteil | 29,90; Summe EUR | 39,89; inkl. 19% MwSt | 6,37; Bar | 50,00; "
            "Rückgeld | 10,11",
        ),
    ]
)
