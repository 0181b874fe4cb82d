"""The currency of receipts that do not name one, and what a receipt without any word of an invoice becomes."""

from __future__ import annotations

import pytest

from invoice_pipelines.intake.documents.recipient import Recipient
from invoice_pipelines.intake.documents.text_layer import find_fields
from invoice_pipelines.intake.documents.text_layer.page.words import Page, Word
from invoice_pipelines.intake.reading import Reading


def receipt(text: str, home: str | None = "DE") -> Reading:
    """A receipt with these lines; `|` divides what stands left from what stands right."""
    words = []
    for number, line in enumerate(text.split("; ")):
        for index, part in enumerate(line.split(" | ")):
            left = 20.0 + 250 * index
            for word in part.split():
                words.append(Word(word, (left, 20 + 14 * number, left + 5 * len(word), 30 + 14 * number), 1, 0.99))
                left += 5 * len(word) + 3
    return find_fields([Page(1, 400, 600, tuple(words), engine="rapidocr 3")], recipient=Recipient(country=home))


GERMAN = "Gasthaus zur Post; Kassenbon vom 12.03.2024; Suppe | 7,79; SUMME | 7,79; MwSt 19% | 1,24; Vielen Dank"
BARE = "Corner Diner; June 17, 2024 9:42 AM; Coffee | $8.95; Toast | $3.05; Total | $12.00"


SWISS = GERMAN.replace("19%", "8,1%").replace("1,24", "0,58")
ABSENT: tuple[str | None, bool] = (None, False)


@pytest.mark.parametrize(
    ("text", "home", "currency"),
    [
        # The language with its rates, and the organization's country; never that country alone.
        (GERMAN, "DE", ("EUR", True)),
        (GERMAN, None, ("EUR", False)),
        (GERMAN, "CH", ("EUR", False)),
        (GERMAN.replace(" 19%", ""), "DE", ABSENT),
        (SWISS, "CH", ("CHF", True)),
        (SWISS, "DE", ("CHF", False)),
        # Two signs that say the same, and two that do not.
        (f"{SWISS}; Telefon +41 44 123 45 67", "DE", ("CHF", True)),
        (f"{GERMAN}; Telefon +41 44 123 45 67", "DE", ABSENT),
        (f"{GERMAN}; www.gasthaus-zur-post.de", None, ("EUR", True)),
        (f"{GERMAN}; +41 44 123 45 67; www.gasthaus-zur-post.de", None, ABSENT),
        (f"{GERMAN}; UID ATU13585627", "CH", ("EUR", True)),
        ("Max Hamburgare; 2024-02-07; Tel +46 8 141 104; Nachos | 159,00; Total | 159,00", "DE", ("SEK", False)),
        ("Max; 2024-02-07; Tel +46 8 141 104; 111 57 Stockholm; Nachos | 159,00; Total | 159,00", "DE", ("SEK", True)),
        ("Max; 2024-02-07; Tel 08-145797; 111 57 Stockholm; Nachos | 159,00; Total | 159,00", "DE", ("SEK", True)),
        ("Max; 2024-02-07; Tel 040-145797; 111 57 Stockholm; Nachos | 159,00; Total | 159,00", "DE", ("SEK", False)),
        ("Max; 2024-02-07; Org. 556188-7562; 111 57 Stockholm; Nachos | 159,00; Total | 159,00", "DE", ("SEK", True)),
        ("Max; 2024-02-07; Org. 556188-7563; 111 57 Stockholm; Nachos | 159,00; Total | 159,00", "DE", ("SEK", False)),
        ("Five Guys; 12/07/2022; George's Street, Dublin; Fry | 4.90; Total | 4.90", "DE", ("EUR", False)),
        ("Five Guys; George's Street, Dublin; VAT No. 3423133IH; Fry | 4.90; Total | 4.90", "DE", ("EUR", True)),
        ("Five Guys; Edinburgh, EH3 8BJ; VAT No: 170 5101 51; Fry | 4.90; Total | 4.90", "DE", ("GBP", True)),
        ("TAPA TAPA; 08015 BARCELONA; TEL. 93 2924644; Patates | 5,75; TOTAL | 5,75", "DE", ("EUR", True)),
        # Kuna until 2022.
        ("Konoba; 31.08.2021; Tel +385 52 123 456; OIB: 65187181511; Riba | 75,00; Total | 75,00", "DE", ("HRK", True)),
        ("Konoba; 31.08.2023; Tel +385 52 123 456; OIB: 65187181511; Riba | 75,00; Total | 75,00", "DE", ("EUR", True)),
        ("Konoba; Tel +385 52 123 456; OIB: 65187181511; Riba | 75,00; Total | 75,00", "DE", ABSENT),
        # Dollars.
        (f"{BARE}; Toronto, ON M5V 2T6", "DE", ("CAD", False)),
        (f"{BARE}; Toronto, ON M5V 2T6; (416) 640-7778", "DE", ("CAD", True)),
        (f"{BARE}; Las Vegas, NV 89109", "DE", ("USD", False)),
        (f"{BARE}; Las Vegas, NV 89109; 702.474.4089", "DE", ("USD", True)),
        (f"{BARE}; (312) 939-3045; Order 316 09/22/2022 12:37 PM", "DE", ("USD", True)),
        (f"{BARE}; (416) 939-3045; Order 316 09/22/2022 12:37 PM", "DE", ("CAD", True)),
        (f"{BARE}; (800) 939-3045; Order 316 09/22/2022 12:37 PM", "DE", ("USD", False)),
        (f"{BARE}; Tel +49 40 123 456", "DE", ("USD", False)),  # dollars in Germany: nobody knows whose
        (f"{BARE}; All prices in AUD; Las Vegas, NV 89109", "DE", ("AUD", False)),
        (f"{BARE}; TVQ 1224208916 TQ0001; (514) 286-6171", "DE", ("CAD", True)),
        (f"{BARE}; Wan Chai, Hong Kong", "DE", ("HKD", False)),
        (f"{BARE}; Wan Chai, Hong Kong; www.diner.com.hk", "DE", ("HKD", True)),
        ("Konoba; 31.08.2021; Riba | 75,00 kn; Ukupno | 75,00 kn; Aprox. | 9,95 EUR", "DE", ("HRK", True)),
    ],
)
def test_the_currency_is_that_of_the_country_where_two_signs_prove_it(
    text: str, home: str | None, currency: tuple[str | None, bool]
) -> None:
    reading = receipt(text, home)
    place = reading.provenance.get("currency")
    assert (reading.currency, place is not None and place.confidence >= 0.8) == currency


def test_a_currency_that_is_named_is_the_one() -> None:
    assert receipt(f"{GERMAN.replace('SUMME', 'SUMME USD')}; www.gasthaus-zur-post.de").currency == "USD"


def test_what_has_a_date_and_amounts_waits_for_a_person_though_no_word_of_an_invoice_is_known() -> None:
    reading = receipt("Caffe Padre; Tropaeum d.o.o.; 31.08.2021 18:20; Kava | 12,00; Sok | 18,00; UKUPNO | 30,00")
    assert reading.issue_date is not None
    assert reading.number is None


def test_what_a_total_in_dollars_is_in_those_of_another_country_is_not_sure() -> None:
    reading = receipt(f"{BARE}; Currencies; Dollars | $12.00; USD | $9.10; Toronto, ON M5V 2T6")
    assert reading.provenance["currency"].confidence <= 0.6


def test_a_sign_that_is_read_once_and_not_beside_the_total_is_not_sure() -> None:
    reading = receipt(f"{GERMAN}; £. 1gM 100b")
    assert reading.provenance["currency"].confidence <= 0.6


@pytest.mark.parametrize(
    ("text", "day", "sure"),
    [
        ("Las Vegas, NV 89109; TBL 95/1 GST 2; 12/1/2023 5:48 PM", "2023-12-01", True),
        ("San Francisco CA. 94103; 05/11/2019 6:25:46 PM", "2019-05-11", True),
        ("Corner Diner; 415-362-9354; Host: Gabino; 04/08/2019 6:25:46 PM", "2019-04-08", False),
        ("Vancouver, BC V6G 1C8; 09/01/2018 11:24", "2018-01-09", False),  # Canadians write both
        ("Las Vegas, NV 89109; 2/07/2019 3:04 PM", "2019-02-07", False),  # a digit may be lost
        ("Diner; 12/05/2022 20:15; Start 2022-05-12 20:14:35", "2022-05-12", True),  # the same day, written otherwise
        ("Diner; Server: MARCO | 28/08/2019", "2019-08-28", True),
        ("Diner; Straße des 18. Oktober 46; 16.09.2020 18:03", "2020-09-16", True),
        ("Diner; 21-Jun-19/20:37 No 17", "2019-06-21", True),
        ("Diner; 7 0ct'19 11:36", "2019-10-07", True),
        ("Diner; 28.08.2021.14:50:01", "2021-08-28", True),
        ("Diner; Rech-Nr.:K1/28.07.2021/19:17/27662", "2021-07-28", True),
        ("Museo; Fecha: 20/09/2019N.Ticket: PVD/15.420", "2019-09-20", True),
        ("Diner; Ordered: 9/26/22 10:59 AM", "2022-09-26", False),
        ("Diner; Begonnen um: 26.09.2022 10:59", "2022-09-26", True),  # no other, and with its time
        ("Diner; DECEMBER | 1, 2021; 9:36 PM", "2021-12-01", False),
        ("Diner; Server: Luis Guests: 1; Check: 17; Date: 12/2/2022; Tax 8 %", "2022-12-02", False),  # without zeros
        ("Diner; Date: 14.09.2022; Start 2022-09-14T16:34:27; Offer from 12.09.2022", "2022-09-14", True),
        ("Diner; NOVEMBER 28, 2021 8:28 PM; Returns until 01/27/2022; NOVEMBER 28, 2021", "2021-11-28", True),
        ("Diner; NOVEMBER 28, 2021 8:28 PM; see us on December 3, 2021", "2021-11-28", False),
    ],
)
def test_the_day_of_a_receipt(text: str, day: str, sure: bool) -> None:
    reading = receipt(f"{text}; Coffee | 8.95; Toast | 3.05; Total | 12.00")
    assert reading.issue_date is not None
    assert reading.issue_date.isoformat() == day
    assert (reading.provenance["issue_date"].confidence >= 0.83) == sure
