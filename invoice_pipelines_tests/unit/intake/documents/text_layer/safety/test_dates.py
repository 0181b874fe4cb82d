"""Dates of payment, expiry and printing are not that of the invoice, also in words that the reader does not know."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from invoice_pipelines.intake.documents.text_layer import find_fields
from invoice_pipelines.intake.documents.text_layer.calibration import calibrated
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
    return calibrated(find_fields([Page(1, 595, 842, tuple(words))]))


@pytest.mark.parametrize(("language", "trap"), CASES)
@pytest.mark.parametrize("separator", [": ", " "])
@pytest.mark.parametrize("day", ["31.03.2027", "31.03.2027 13:05", "13:05 31.03.2027"])
def test_another_date_is_not_the_issue_date_for_want_of_a_better_one(
    language: str, trap: str, separator: str, day: str
) -> None:
    line = f"{trap}{separator}{day}"
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


def till(*lines: str, left: float = 60, confidence: float = 0.99) -> Reading:
    """A receipt as it was recognized, whose dates begin at `left`; the other lines begin at 40."""
    words = [*words_of("Corner Shop", 40, 20), *words_of("TOTAL EUR 4.20", 40, 60), *words_of("Thank you", 40, 80)]
    words += [word for row, text in enumerate(lines) for word in words_of(text, left, 110 + 20 * row)]
    page = Page(1, 220, 400, tuple(replace(word, confidence=confidence) for word in words), engine="made up")
    return calibrated(find_fields([page]))


def test_a_time_before_a_date_makes_it_no_less_sure() -> None:
    assert is_sure(till("Server: 5 17:52 24.05.2024"))
    assert not is_sure(till("Next reading will be at 17:52 24.05.2024"))


def is_sure(reading: Reading) -> bool:
    place = reading.provenance.get("issue_date")
    return place is not None and place.confidence >= ReviewThresholds().issue_date


@pytest.mark.parametrize(
    ("line", "left", "sure"),
    [
        ("1/28/2023 20:35", 40, False),  # perhaps 11/28
        ("1/28/2023 20:35", 90, True),
        ("11/28/2023 20:35", 40, True),
        ("9/28/2023 20:35", 40, True),  # nothing may have stood before a 9 that is a month
        ("1.5.2023 20:35", 40, False),
    ],
)
def test_a_date_that_may_have_lost_a_digit_at_the_margin_waits(line: str, left: float, sure: bool) -> None:
    assert is_sure(till(line, left=left)) is sure


def test_a_month_first_has_lost_no_digit_that_would_make_it_a_day() -> None:
    assert not is_sure(till("5/9/2023 20:35 PM", left=40))
    assert is_sure(till("5/9/2023 20:35", "Sweepstakes ends 12/31/2023", left=40))
    assert not is_sure(till("1/9/2023 20:35", "Sweepstakes ends 12/31/2023", left=40))  # perhaps 11/9


@pytest.mark.parametrize(
    ("lines", "sure"),
    [
        (("05/10/2019 17:00",), True),
        (("05/10/2019 05:00 PM",), False),
        (("5/10/2019 17:00",), False),
        (("11/10/2019 17:00",), False),  # has no zero that would show how others are written
        (("05/10/2019",), False),
        (("05/10/2019 17:00", "Springfield, IL 62704"), True),  # month first, by its address
        (("05/10/2019 17:00", "9/12/2019 17:00"), False),
    ],
)
def test_order_of_day_and_month_is_proved_by_how_tills_write(lines: tuple[str, ...], sure: bool) -> None:
    reading = till(*lines)
    assert is_sure(reading) is sure
    if sure:
        american = any("IL" in line for line in lines)
        assert reading.issue_date == (date(2019, 5, 10) if american else date(2019, 10, 5))


@pytest.mark.parametrize("joined", ["through", "to", "-", "until", "thru"])
def test_begin_and_end_of_something_are_not_the_issue_date(joined: str) -> None:
    span = f"From July 1, 2022 {joined} July 1, 2023"
    assert not is_sure(till(span))
    reading = till("28 September 2022 20:27", span)
    assert is_sure(reading)
    assert reading.issue_date == date(2022, 9, 28)


@pytest.mark.parametrize(
    ("line", "sure"),
    [
        ("Server: Ann 12 July 2022", True),
        ("Server: Ann Collected 12 July 2022", False),
        ("Ann collects 12 July 2022", False),
    ],
)
def test_a_name_after_its_label_says_nothing_of_a_date(line: str, sure: bool) -> None:
    assert is_sure(till(line)) is sure


def test_a_day_that_is_printed_twice_is_surer_and_another_one_beside_it_is_not() -> None:
    assert not is_sure(till("22.09.2018 14:01", confidence=0.8))
    assert is_sure(till("22.09.2018 14:01", "0314942 22.09.2018", confidence=0.8))
    assert not is_sure(till("22.09.2018 14:01", "0314942 23.09.2018", confidence=0.8))


def test_a_month_in_letters_that_are_only_like_it_is_read_and_waits() -> None:
    reading = till("10 ΣEITEMBPIOY 2022 21:04")
    assert reading.issue_date == date(2022, 9, 10)
    assert not is_sure(reading)
