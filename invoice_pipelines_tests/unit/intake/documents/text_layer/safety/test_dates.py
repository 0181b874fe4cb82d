"""Dates of payment, expiry and printing are not that of the invoice, also in words that the reader does not know."""

from __future__ import annotations

from datetime import date

import pytest

from invoice_pipelines.intake.documents.text_layer import find_fields
from invoice_pipelines.intake.documents.text_layer.page.words import Page
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.organizations import ReviewThresholds
from invoice_pipelines_tests.support.intake.documents.text_layer.drawing import words_of

# Title, number, seller and a sentence, by which the language is known; and what the date of an invoice is called.
HEADS = {
    "en": (
        "Invoice",
        "Invoice number: A-2024-17",
        "Seller: Northern Tools Ltd.",
        "Thank you for your business",
        "Invoice date",
    ),
    "de": (
        "Rechnung",
        "Rechnungsnummer: A-2024-17",
        "Verkäufer: Muster GmbH",
        "Vielen Dank für Ihren Auftrag und bitte zahlen Sie auf unser Konto",
        "Rechnungsdatum",
    ),
    "fr": (
        "Facture",
        "Numéro de facture : A-2024-17",
        "Vendeur : Muster SARL",
        "Merci de votre commande",
        "Date de facture",
    ),
    "es": (
        "Factura",
        "Número de factura: A-2024-17",
        "Vendedor: Muster S.L.",
        "Gracias por su pedido",
        "Fecha de factura",
    ),
    "it": (
        "Fattura",
        "Numero fattura: A-2024-17",
        "Venditore: Muster S.r.l.",
        "Grazie per il vostro ordine",
        "Data fattura",
    ),
    "nl": (
        "Factuur",
        "Factuurnummer: A-2024-17",
        "Verkoper: Muster B.V.",
        "Bedankt voor uw bestelling",
        "Factuurdatum",
    ),
}
TRAPS = {
    "en": (
        "Valid thru; VALID THRU; Valid through; Exp; EXP; Exp. Date; Expiry; Expires; Expires end; "
        "Card expiry; Expiration date; Valid until; Printed; Printed on; Print date; Reprinted; "
        "Date printed; Due date; Payment due; Pay by; Please pay by; Due by; Payment due by; Payable by; "
        "Due on; To be paid by; Payment expected by; Deadline; Best before; Amount due by; "
        "We will collect the amount on"
    ),
    "de": (
        "gültig bis; Karte gültig bis; Gültig bis; Ablaufdatum; Verfallsdatum; Verfall; Exp. Datum; "
        "Ausgedruckt am; Gedruckt am; Druckdatum; Druck; Fällig am; Zahlbar bis; Bitte zahlen Sie bis; "
        "Zahlung erwartet zum; Zahlung bis; Bitte überweisen bis; zu begleichen bis; Wir buchen ab am; "
        "Abbuchung am; Lastschrift am; Einzug am; Der Betrag wird eingezogen am; Mindestens haltbar bis; "
        "Nächste Ablesung; spätestens am"
    ),
    "fr": (
        "Expire le; Date d'expiration; Valable jusqu'au; Imprimé le; Date d'impression; Échéance; "
        "À payer avant le; Payable avant le; Date limite de paiement; Prélèvement le; Sera prélevé le; "
        "Edition du; À régler avant le; Date d'échéance; EXP"
    ),
    "es": (
        "Caducidad; Fecha de caducidad; Válido hasta; Válida hasta; Impreso el; Fecha de impresión; "
        "Vencimiento; Fecha de vencimiento; Pagar antes del; A pagar antes de; Fecha límite de pago; "
        "Se cargará el; Cargo en cuenta; Vence el"
    ),
    "it": (
        "Scadenza carta; Valida fino al; Stampato il; Data di stampa; Scadenza; Data scadenza; "
        "Da pagare entro il; Entro il; Pagamento entro il; Addebito il; Scade il"
    ),
    "nl": (
        "Exp. Datum; Exp datum; Geldig tot; Geldig t/m; Vervaldatum; Vervaldag; Afgedrukt op; Printdatum; "
        "Te betalen voor; Betalen voor; Uiterlijk; Uiterste betaaldatum; Uiterlijk te betalen op; "
        "Wordt afgeschreven op; Incasso op; Vervalt op"
    ),
}
CASES = [(language, trap) for language, traps in TRAPS.items() for trap in traps.split("; ")]


def read(language: str, *lines: str) -> Reading:
    *head, _ = HEADS[language]
    words = [word for row, text in enumerate((*head, *lines)) for word in words_of(text, 60, 40 + 40 * row)]
    return find_fields([Page(1, 595, 842, tuple(words))])


@pytest.mark.parametrize(("language", "trap"), CASES)
@pytest.mark.parametrize("separator", [": ", " "])
@pytest.mark.parametrize("time", ["", " 13:05"])
def test_another_date_is_not_the_issue_date_for_want_of_a_better_one(
    language: str, trap: str, separator: str, time: str
) -> None:
    line = f"{trap}{separator}31.03.2027{time}"
    for lines in ((line,), (line, line)):
        reading = read(language, *lines)
        place = reading.provenance.get("issue_date")
        assert place is None or place.confidence < ReviewThresholds().issue_date, reading.issue_date


@pytest.mark.parametrize(("language", "trap"), CASES)
def test_the_issue_date_is_found_beside_another_one(language: str, trap: str) -> None:
    real, other = f"{HEADS[language][-1]}: 05.02.2027", f"{trap}: 31.03.2027"
    for lines in ((real, other), (other, real)):
        assert read(language, *lines).issue_date == date(2027, 2, 5)


@pytest.mark.parametrize("line", ["EXP 04/27", "VALID THRU 04/27", "Valid thru: 04/2027", "gültig bis 10/27"])
def test_a_month_of_expiry_is_no_date(line: str) -> None:
    assert read("en", line).issue_date is None
    assert read("en", line, "Invoice date: 2027-02-05").issue_date == date(2027, 2, 5)
