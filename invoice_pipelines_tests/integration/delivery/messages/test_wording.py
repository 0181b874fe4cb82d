"""What customers read in messages: idiomatic, as on the document, and no request for a payment that is not due."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from invoice_pipelines.billing.corrections import credit_invoice
from invoice_pipelines.delivery.messages.fields import Fields, sample_fields
from invoice_pipelines.delivery.messages.templates import MessageTemplate, default_templates, write
from invoice_pipelines.delivery.rendering.bundle import project_files
from invoice_pipelines.delivery.rendering.language.catalogue import project_catalogue
from invoice_pipelines.delivery.rendering.template_files import set_template_files
from invoice_pipelines.delivery.values import Purpose
from invoice_pipelines_tests.integration.delivery.messages.conftest import Post, text_of
from invoice_pipelines_tests.support.delivery.rendering.looking import page_texts

TEMPLATES = pytest.mark.parametrize("template", default_templates().values(), ids=str)
STILTED = re.compile(
    r"are open|still open|open amount|take no notice|please name|and name|\bover €|at once|sum of items|writes:"
    r"|keeps you from|sind offen|gutschrift",
    re.IGNORECASE,
)


def written(template: MessageTemplate, fields: Fields) -> str:
    """All parts of a message, without the markup of its HTML."""
    made = write(template, fields)
    html = re.sub(r"<title>.*?</title>|<[^>]+>", " ", re.sub("</?a[^>]*>", "", made.body_html or ""))
    return " ".join(f"{made.subject or ''} {made.body_text} {html}".split())


def samples(template: MessageTemplate) -> list[Fields]:
    key = template.key
    whole = sample_fields(language=key.language, level=key.level)
    without_pdf = replace(whole, has_pdf=False)
    kinds = [whole, without_pdf, sample_fields(language=key.language, level=key.level, is_sparse=True)]
    if key.purpose is Purpose.INVOICE:
        kinds.append(sample_fields(language=key.language, level=0, is_credit_note=True))
    return kinds


@TEMPLATES
def test_the_texts_of_messages_are_idiomatic(template: MessageTemplate) -> None:
    asked = {"en": "If you have already paid, please disregard this message.", "de": "Falls Sie bereits gezahlt haben"}
    for fields in samples(template):
        text, made = written(template, fields), write(template, fields)
        assert STILTED.search(text) is None
        assert not re.search(r" [.,;]|\.\.|,\.|\s\)", text), text
        assert "\n\n\n" not in made.body_text
        if template.key.purpose is Purpose.REMINDER:
            assert all(asked[template.key.language] in part for part in (made.body_text, made.body_html) if part)


def test_the_words_of_documents_are_idiomatic() -> None:
    for name, content in project_files().items():
        if name.endswith(".toml"):
            said = [line for line in content.decode().splitlines() if not line.startswith("#")]
            assert [line for line in said if STILTED.search(line)] == []
    assert project_catalogue("en").words["line_amount"] == "Subtotal"
    assert project_catalogue("de").words["credit_note"] == "Rechnungskorrektur"


@TEMPLATES
@pytest.mark.parametrize("is_credit_note", [False, True])
def test_no_message_asks_to_pay_nothing(template: MessageTemplate, is_credit_note: bool) -> None:
    key = template.key
    fields = sample_fields(language=key.language, level=key.level, is_credit_note=is_credit_note)
    settled = replace(fields, invoice=replace(fields.invoice, amount_due_is_nothing=not is_credit_note))
    text = written(template, settled)
    if key.purpose is Purpose.INVOICE:
        assert fields.invoice.due_date not in text
        assert "due on" not in text.lower()
        assert "fällig am" not in text.lower()
    if key.purpose is Purpose.INVOICE or not is_credit_note:
        for asked in ("DE02", "Pay to", "pay to", "Konto", "überweisen", "quoting", "reference"):
            assert asked not in text


@pytest.mark.parametrize(("language", "day"), [("de", "5. Januar 2026"), ("en", "5 January 2026")])
def test_mail_and_document_write_dates_and_amounts_alike(post: Post, language: str, day: str) -> None:
    customer = post.customer(email=f"alike-{language}@kunde.example", language=language)
    (invoice,) = post.invoices(1, customer)
    post.desk.behind(
        f"""alter table billing.invoice disable trigger user;
            update billing.invoice set issue_date = '2026-01-05', due_date = '2026-01-19' where id = '{invoice}';
            alter table billing.invoice enable trigger user"""
    )
    post.ask_and_send([invoice], include_pdf=True)
    (mail,) = post.mails(f"alike-{language}@kunde.example")
    (attachment,) = mail.iter_attachments()
    assert attachment.get_content_type() == "application/pdf"
    assert post.message().invoice_number in (attachment.get_filename() or "")
    assert language == "en" or "liegt als PDF bei" in text_of(mail)
    (page,) = page_texts(attachment.get_content())
    catalogue = project_catalogue(language)
    due = catalogue.formats.day(date(2026, 1, 19), catalogue.date_pattern)
    amount = catalogue.formats.money(Decimal("11.90"), "EUR")
    for said in (day, due, amount):
        assert said in text_of(mail)
        assert " ".join(said.split()) in page
    assert "19 Jan " not in page
    assert "19.01." not in page


def test_a_plain_document_is_not_called_an_e_invoice(post: Post) -> None:
    """No e-invoice has three decimals."""
    e_invoice, plain = post.invoices(2, post.customer(email="plain@kunde.example", language="en"))
    post.desk.behind(
        f"""alter table billing.invoice disable trigger user;
            update billing.invoice set currency = 'KWD', line_amount = 10.005, net_amount = 10.005,
                                       gross_amount = 11.905 where id = '{plain}';
            alter table billing.invoice enable trigger user"""
    )
    for invoice in (e_invoice, plain):
        post.ask_and_send([invoice], include_pdf=True)
    said = [text_of(mail) for mail in post.mails("plain@kunde.example")]
    assert "as a PDF, which accounting software can also read as an e-invoice." in said[0]
    assert "The document is attached as a PDF." in said[1]


def test_a_credit_note_is_called_in_the_mail_what_it_is_called_on_its_page(post: Post) -> None:
    customer = post.customer(email="title@kunde.example")
    first, second = post.invoices(2, customer)
    for invoice, own in ((first, None), (second, b'[words]\ncredit_note = "Stornorechnung"\n')):
        with post.desk.scope() as connection:
            if own is not None:
                set_template_files(connection, {"texts/de.toml": own}, created_by="anna")
            credit_note = credit_invoice(connection, invoice, reason="internal: their fault", created_by="anna")
        post.ask_and_send([credit_note])
    before, after = post.mails("title@kunde.example")
    assert before["Subject"].startswith("Rechnungskorrektur CN-")
    assert "hier ist die Rechnungskorrektur CN-" in text_of(before)
    assert after["Subject"].startswith("Stornorechnung CN-")
    assert "internal" not in text_of(before)
