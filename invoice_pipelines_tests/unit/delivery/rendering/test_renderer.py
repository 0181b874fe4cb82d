"""Invoices as pages: what stands on them, that amounts carried over pages are exact, that any text can be set."""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from invoice_pipelines.billing.issued_invoices import DocumentKind, IssuedInvoice, Party
from invoice_pipelines.delivery.rendering import glyphs
from invoice_pipelines.delivery.rendering.bundle import bundle_of
from invoice_pipelines.delivery.rendering.language.catalogue import languages, project_catalogue
from invoice_pipelines.delivery.rendering.page_data import page_data, payment_terms_of
from invoice_pipelines.delivery.rendering.renderer import Look, Renderer, catalogue_in
from invoice_pipelines.delivery.rendering.samples import BUYER, SELLER, sample_invoice
from invoice_pipelines.intake.documents.limits import Limits
from invoice_pipelines.intake.documents.pdf_invoice import read_pdf
from invoice_pipelines.organizations.settings import DocumentSettings
from invoice_pipelines_tests.support.delivery.rendering.looking import (
    SETTINGS,
    XML,
    page_texts,
    render_with,
    text_outside,
)
from invoice_pipelines_tests.support.sizes import example_count

HOSTILE = (
    '<b>*Bold* _x_ #panic("x") $x^2$ `raw` @label // /* \\n [a] {b} "quoted" \\u{41}</b>',
    "W" * 200,
    "مكتب الشحن الدولي للأثاث والتجهيزات المكتبية المحدودة",
    "שולחן עץ אלון 120 × 80",
    "会議用テーブル（オーク材）한국어 이름 中文名称測試",
    "🪑 Chair 🎉 👩‍👩‍👧 1️⃣ 🇩🇪 ☕️ ❤️",
    "Ελληνικά Кириллица Tiếng Việt हिन्दी ไทย ქართული Հայերեն বাংলা தமிழ்",
    "one\ntwo\n\nfour\ttab\x00\x1b[31m\u202eoverride",
)


def amounts(text: str) -> list[Decimal]:
    return [Decimal(found.replace(".", "").replace(",", ".")) for found in re.findall(r"-?[\d.]+,\d\d", text)]


def test_a_page_says_who_what_how_much_and_until_when(renderer: Renderer) -> None:
    made = renderer.render(sample_invoice("de", discount_percent=Decimal(5)), XML, language="de")
    (text,) = page_texts(made.pdf)
    assert made.pages == 1
    assert made.missing_glyphs is None
    for said in (
        "Rechnung",
        "RE-2026-000042",
        "Rechnungsdatum 16. März 2026",
        "Leistungsdatum 12. März 2026",
        "Fällig am 30. März 2026",
        "K-10042",
        "Café Morgenrot OHG",
        "04109 Leipzig",
        "Nordlicht Werkstätten GmbH · Hafenstraße 12 · 20457 Hamburg",
        "fällig am 30. März 2026",
        "Stuhl „Fleet“, gepolstert, Bezug Graphit",
        "NL-S04",
        "129,50",
        "10 %",
        "3,5",
        "Stunden",
        "5 % Rabatt auf 2.505,31",
        "−125,27",
        "19 % USt. auf 2.352,20",
        "2.828,91 €",
        "Bitte zahlen Sie bis zum 30. März 2026 ohne Abzug.",
        "DE89 3704 0044 0532 0130 00",
        "COBADEFFXXX",
        "USt-IdNr. DE123456788",
        "Steuernummer 27/123/45678",
        "Amtsgericht Hamburg HRB 123456",
        "Seite 1 von 1",
    ):
        assert said in text


def test_the_language_of_the_reader_decides_words_numbers_dates_and_countries(renderer: Renderer) -> None:
    invoice = sample_invoice("en", buyer=replace(BUYER, country_code="GB"))
    (text,) = page_texts(renderer.render(invoice, XML, language="en").pdf)
    for said in (
        "Invoice number",
        "Invoice date 16 March 2026",
        "due 30 March 2026",
        "2,505.31",
        "€2,977.80",
        "UNITED KINGDOM",
        "10%",
    ):
        assert said in text


def test_a_credit_note_names_what_it_corrects_and_asks_for_no_payment(renderer: Renderer) -> None:
    invoice = sample_invoice(kind=DocumentKind.CREDIT_NOTE, lines=2)
    (text,) = page_texts(renderer.render(invoice, XML, language="de").pdf)
    assert "Hiermit berichtigen wir unsere Rechnung RE-2026-000042 vom 2. März 2026." in text
    assert "RK-2026-000007" in text
    assert "Korrekturbetrag 2.273,38 €" in text
    assert text.count("2. März 2026") == 2  # of the invoice and of the supply; nothing is due
    assert_asks_for_no_payment(text)
    # A "Gutschrift" is an invoice that its recipient issues (§ 14 (2) UStG).
    assert "Rechnungskorrektur 2.273,38 € zu Ihren Gunsten" in text
    assert "gutschrift" not in text.lower()
    own = render_with(own={"texts/de.toml": b'[words]\ncredit_note = "Stornorechnung"\n'})
    (text,) = page_texts(own.render(invoice, XML, language="de").pdf)
    assert "Stornorechnung" in text
    assert "Hiermit berichtigen wir" in text, "what an own catalogue does not say is said by the project's"


def assert_asks_for_no_payment(text: str) -> None:
    for asked in ("fällig am", "due 30", "Fällig am", "Due date", "DE89", "IBAN", "Verwendungszweck", "reference"):
        assert asked not in text
    for asked in ("Bitte zahlen", "Please pay", "sofort", "immediately", "Banking-App", "banking app", "Skonto"):
        assert asked not in text


@pytest.mark.parametrize(("language", "said"), [("de", "keine Zahlung fällig"), ("en", "no payment due")])
def test_where_nothing_is_due_nothing_asks_for_a_payment(language: str, said: str) -> None:
    own = SETTINGS.model_copy(update={"payment_terms": "2 % Skonto binnen 8 Tagen."})
    settled = replace(sample_invoice(language), amount_due=Decimal(0))
    free = replace(settled, gross_amount=Decimal(0))
    for invoice in (settled, free, replace(free, document_kind=DocumentKind.CREDIT_NOTE)):
        data = page_data(invoice, own, project_catalogue(language))
        assert (data["headline"]["text"], data["bank"], data["qr_code"]) == (said, [], None)
        assert_asks_for_no_payment(json.dumps([data[part] for part in ("facts", "terms", "footer")]))
    assert "2 % Skonto" in str(page_data(sample_invoice(language), own, project_catalogue(language))["terms"])


def test_where_no_vat_is_charged_the_page_says_why(renderer: Renderer) -> None:
    invoice = sample_invoice("de", lines=1)
    reverse = replace(invoice.taxes[0], tax_category="AE", tax_rate=Decimal(0), tax_amount=Decimal(0))
    invoice = replace(invoice, taxes=(reverse,), tax_amount=Decimal(0), gross_amount=invoice.net_amount)
    (text,) = page_texts(renderer.render(invoice, XML, language="de").pdf)
    assert "Reverse Charge, netto 978,00 0,00" in text
    assert "Steuerschuldnerschaft des Leistungsempfängers (Reverse Charge)." in text
    own = replace(invoice, taxes=(replace(reverse, exemption_reason="Siehe § 13b UStG."),))
    (text,) = page_texts(renderer.render(own, XML, language="de").pdf)
    assert "Siehe § 13b UStG." in text
    assert "Leistungsempfängers (Reverse" not in text


def test_the_same_invoice_gives_the_same_bytes_whatever_was_rendered_before(renderer: Renderer) -> None:
    invoice = sample_invoice("de", note="Once more")
    first = renderer.render(invoice, XML, language="de")
    renderer.render(sample_invoice("en", lines=30), XML, language="en")
    assert renderer.render(invoice, XML, language="xx") == first, "an unknown language is the organization's"
    assert render_with().render(invoice, XML, language="de") == first
    assert renderer.render(replace(invoice, issue_date=date(2026, 3, 17)), XML, language="de").pdf != first.pdf


@pytest.mark.parametrize("lines", [8, 64])
def test_what_is_carried_forward_is_the_sum_of_the_amounts_so_far(renderer: Renderer, lines: int) -> None:
    invoice = sample_invoice("de", lines=lines, discount_percent=Decimal(5))
    made = renderer.render(invoice, XML, language="de")
    texts = page_texts(made.pdf)
    assert made.pages == len(texts) > 1
    open_lines = list(invoice.lines)
    so_far = Decimal(0)
    for number, text in enumerate(texts):
        assert f"Seite {number + 1} von {len(texts)}" in text
        carried = re.findall(r"Übertrag ([\d.]+,\d\d)", text)
        sums = re.findall(r"Summe der Positionen ([\d.]+,\d\d)", text)
        if not open_lines:
            assert not carried
            continue
        here = 0
        for line in open_lines:
            if f"\n{line.line_number} {line.description}" not in text:
                break
            here += 1
        before = so_far
        so_far += sum((line.net_amount for line in open_lines[:here]), Decimal(0))
        del open_lines[:here]
        said = [amount for found in (carried, sums) for amount in amounts(" ".join(found))]
        assert said == ([before] if number else []) + [so_far]
        assert bool(sums) == (not open_lines)
    assert not open_lines
    assert so_far == invoice.line_amount


@pytest.mark.slow
def test_500_lines_are_there_once_each_under_a_head_on_each_page(renderer: Renderer) -> None:
    invoice = sample_invoice("de", lines=500)
    texts = page_texts(renderer.render(invoice, XML, language="de").pdf)
    whole = "\n".join(texts)
    numbers = [
        int(found) for found in re.findall(r"\n(\d+) (?:Esstisch|Stuhl|Pendel|Aufbau|Hartwachs|Lieferung)", whole)
    ]
    assert numbers == list(range(1, 501))
    with_lines = [text for text in texts if "Stuhl" in text]
    assert all("Pos. Beschreibung Menge" in text for text in with_lines)
    assert all("RE-2026-000042" in text for text in texts)


def hostile() -> IssuedInvoice:
    return sample_invoice(
        "en",
        lines=8,
        names=HOSTILE,
        note="With مرحبا and שלום and <script>\n" + "x" * 300 + "\nعرض السعر صالح",
        seller=replace(SELLER, name="Ὀδυσσεύς & Søn 株式会社 <" + "N" * 170 + ">"),
        buyer=replace(
            BUYER, name="شركة النور للتجارة ذ.م.م", city="القاهرة", country_code="EG", buyer_reference="R" * 150
        ),
    )


def test_any_text_is_data_and_stays_on_its_page(renderer: Renderer) -> None:
    made = renderer.render(hostile(), XML, language="en")
    whole = "".join("".join(page_texts(made.pdf)).split())
    assert made.missing_glyphs is None
    assert text_outside(made.pdf) == ""
    for said in (
        *HOSTILE[:2],
        *HOSTILE[4:6],
        "four tab [31moverride",
        "Ελληνικά",
        "Кириллица",
        "R" * 150,
        "N" * 170,
        "<script>",
    ):
        assert "".join(said.split()) in whole
    assert whole.count("x") >= 300


def test_a_very_long_note_and_description_go_on_over_pages(renderer: Renderer) -> None:
    sentence = "Alles wie besprochen, mit freundlichem Gruß. "
    invoice = sample_invoice("de", lines=3, note=sentence * 300, names=("Kurz", sentence * 220, "Ende"))
    made = renderer.render(invoice, XML, language="de")
    whole = " ".join(" ".join(page_texts(made.pdf)).split())
    assert made.pages > 3
    assert text_outside(made.pdf) == ""
    assert whole.count("freundlichem Gruß.") == 520


def test_lines_higher_than_a_page_and_the_largest_amounts_stay_on_their_pages(renderer: Renderer) -> None:
    high = sample_invoice("de", lines=3, names=("Kurz", "W" * 1500, "M" * 399))
    made = renderer.render(high, XML, language="de")
    assert text_outside(made.pdf) == ""
    assert "".join("".join(page_texts(made.pdf)).split()).count("W") >= 1500
    large = tuple(
        replace(
            line,
            quantity=Decimal("1234567.8912"),
            unit_price=Decimal("99999.9999"),
            net_amount=Decimal("123456665775.54"),
        )
        for line in high.lines
    )
    invoice = replace(high, lines=large, gross_amount=Decimal("370369997326.62"), invoice_number="R" * 60)
    made = renderer.render(replace(invoice, lines=large[:1]), XML, language="de")
    assert text_outside(made.pdf) == ""
    (text,) = page_texts(made.pdf)
    assert "1.234.567,8912" in text
    assert "123.456.665.775,54" in text
    assert "370.369.997.326,62 €" in text


def test_what_no_font_has_is_shown_as_a_replacement_and_reported(renderer: Renderer) -> None:
    invoice = sample_invoice("de", note="Private \ue000 and Tangut 𗀀 and \U000f1234.")
    made = renderer.render(invoice, XML, language="de")
    assert made.missing_glyphs == "\ue000𗀀\U000f1234"
    assert "Private \ufffd and Tangut \ufffd and \ufffd." in page_texts(made.pdf)[0]
    marked = "🥣" + "\u0653" * 3 + " Suppe"  # which no font joins: it costs the mark only
    made = renderer.render(sample_invoice("de", names=(marked,), lines=1), XML, language="de")
    assert "Suppe" in page_texts(made.pdf)[0]


@settings(max_examples=example_count(10))
@given(
    texts=st.lists(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
        | st.text(st.sampled_from("e\u0301\u0653\u20e3🥣👩\u200d\ufe0fאبक्षกำ한\u3099"), max_size=40),
        min_size=6,
        max_size=6,
    )
)
def test_no_text_breaks_a_page(renderer: Renderer, texts: list[str]) -> None:
    name, street, note, description, sku, number = texts
    invoice = sample_invoice(
        "de", lines=1, names=(description,), note=note, buyer=replace(BUYER, name=name, street=street)
    )
    line = replace(invoice.lines[0], sku=sku or None)
    made = renderer.render(replace(invoice, lines=(line,), purchase_order_reference=number or None), XML, language="de")
    assert made.pages >= 1
    assert text_outside(made.pdf) == ""
    unknown = {sign for text in texts for sign in unicodedata.normalize("NFC", text)} - glyphs.covered()
    ignorable = {sign for sign in unknown if 0xE0000 <= ord(sign) < 0xE1000}  # as a whole, assigned or not
    visible = {sign for sign in unknown - ignorable if unicodedata.category(sign) in ("Co", "Cn")}
    assert not visible or made.missing_glyphs


@pytest.mark.parametrize(
    ("language", "lines", "kind"),
    [
        ("de", 1, "invoice"),
        ("en", 6, "invoice"),
        ("de", 40, "invoice"),
        ("de", 2, "credit_note"),
        ("en", 2, "credit_note"),
    ],
)
def test_the_own_reader_finds_in_the_text_layer_what_stands_there(
    renderer: Renderer, language: str, lines: int, kind: str
) -> None:
    invoice = sample_invoice(language, lines=lines, kind=DocumentKind(kind), discount_percent=Decimal(lines % 4))
    pdf = renderer.render(invoice, XML, language=language).pdf
    reading = read_pdf(pdf, Limits(), ignore_attached_xml=True)
    # By its title alone a Rechnungskorrektur is a corrected invoice; that it is a credit note, its XML says.
    type_code = "384" if (kind, language) == ("credit_note", "de") else invoice.document_kind.type_code
    assert (reading.number, reading.issue_date, reading.type_code) == (
        invoice.invoice_number,
        invoice.issue_date,
        type_code,
    )
    assert (reading.net_amount, reading.tax_amount, reading.gross_amount, reading.currency) == (
        invoice.net_amount,
        invoice.tax_amount,
        invoice.gross_amount,
        "EUR",
    )


def test_us_letter_without_anything_optional_is_still_an_invoice() -> None:
    bare = sample_invoice("en", seller=Party("A", "DE"), buyer=Party("B", "DE"))
    bare = replace(bare, order_number=None, purchase_order_reference=None)
    renderer = render_with(DocumentSettings(paper="us-letter", accent_colour="#aa2200"))
    pdf = renderer.render(bare, XML, language="en").pdf
    assert b"/MediaBox[0 0 612 792]" in pdf
    assert text_outside(pdf) == ""
    assert "Total" in page_texts(pdf)[0]


def test_the_terms_of_the_organization_stand_on_the_page_and_go_into_the_xml() -> None:
    own = SETTINGS.model_copy(update={"payment_terms": "2 % Skonto binnen 8 Tagen."})
    invoice = sample_invoice("de")
    assert "2 % Skonto binnen 8 Tagen." in page_texts(render_with(own).render(invoice, XML, language="de").pdf)[0]
    bundle, look = bundle_of({}), Look(SETTINGS, "de")
    german, english = catalogue_in(bundle, look, "xx"), catalogue_in(bundle, look, "en")
    assert payment_terms_of(invoice, own, german) == "2 % Skonto binnen 8 Tagen."
    assert payment_terms_of(invoice, SETTINGS, english) == "Please pay in full by 30 March 2026."
    at_once = replace(invoice, due_date=invoice.issue_date)
    assert payment_terms_of(at_once, SETTINGS, german) == "Zahlbar sofort ohne Abzug."


def test_long_legal_texts_make_the_foot_higher_and_push_nothing_off_the_page() -> None:
    legal = "Aufsichtsratsvorsitzende: Dr. Wilhelmine Freifrau von Hohenlinden-Waldeck. " * 7
    renderer = render_with(SETTINGS.model_copy(update={"legal_text": legal[:590].strip()}))
    made = renderer.render(sample_invoice("de", lines=20), XML, language="de")
    assert text_outside(made.pdf) == ""
    assert "Seite 1 von 2" in page_texts(made.pdf)[0]


@pytest.mark.parametrize(
    ("currency", "gross", "said"),
    [("JPY", "2978", "¥2,978"), ("KWD", "2977.8", "KWD 2,977.800"), ("USD", "2977.8", "$2,977.80")],
)
def test_amounts_have_the_digits_of_their_currency_and_only_euros_a_code_for_a_transfer(
    currency: str, gross: str, said: str
) -> None:
    invoice = replace(sample_invoice("en", currency=currency), gross_amount=Decimal(gross))
    data = page_data(invoice, SETTINGS, project_catalogue("en"))
    assert (data["total"]["amount"].replace("\xa0", " "), data["qr_code"]) == (said, None)


def test_decimal_signs_of_quantities_and_prices_stand_under_one_another() -> None:
    lines = page_data(sample_invoice("de"), SETTINGS, project_catalogue("de"))["lines"]
    ends = {len(line["quantity"]) - len(line["quantity"].rstrip("\u2007\u2008")) for line in lines}
    assert [line["quantity"].strip() for line in lines][:4] == ["2", "8", "4", "3,5"]
    assert ends == {0, 1, 3}


def test_the_languages_are_those_with_a_catalogue() -> None:
    known = {name.removeprefix("texts/").removesuffix(".toml") for name in bundle_of({}).files if "texts/" in name}
    assert set(languages(bundle_of({}))) == known >= {"de", "en"}
    french = bundle_of({}).files["texts/en.toml"].replace(b'invoice = "Invoice"', b'invoice = "Facture"')
    bundle = bundle_of({"texts/fr.toml": french})
    assert set(languages(bundle)) == {*known, "fr"}
    renderer = Renderer(bundle, Look(SETTINGS, "de"))
    (text,) = page_texts(renderer.render(sample_invoice("fr"), XML, language="fr").pdf)
    assert "Facture" in text
    assert "30 mars 2026" in text
    assert "2 977,80 €" in text
