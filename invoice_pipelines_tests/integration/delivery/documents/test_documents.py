"""Documents of issued invoices: one version each, kept as they were, and a reason for each that is not made."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from uuid import UUID, uuid4

import pikepdf
import pytest

from invoice_pipelines.billing.corrections import credit_invoice, void_invoice
from invoice_pipelines.billing.errors import InvoiceNotFound
from invoice_pipelines.delivery.documents.requests import DocumentRequest, all_invoices_without_documents
from invoice_pipelines.delivery.documents.rows import changed_documents
from invoice_pipelines.delivery.documents.single import DocumentNotMade, make_one
from invoice_pipelines.delivery.rendering.bundle import bundle_of
from invoice_pipelines.delivery.values import MAKE_DOCUMENTS, DeliveryError, DocumentFormat
from invoice_pipelines.organizations.settings import DocumentSettings, OrganizationSettings
from invoice_pipelines.work import enqueue
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.support.delivery.pdf_a import judged
from invoice_pipelines_tests.support.delivery.press import Press, open_press
from invoice_pipelines_tests.support.delivery.rendering.looking import page_texts

CII, UBL = DocumentFormat.XRECHNUNG_CII, DocumentFormat.XRECHNUNG_UBL
NUMBERED = {"lines": [{"description": "Work", "quantity": 1, "unit_price": "9", "tax_category": "S", "tax_rate": 19}]}


def test_each_invoice_gets_one_pdf_that_carries_its_xml(press: Press) -> None:
    first, second = press.shop.issue({}, NUMBERED)
    ended = press.make([first, second])
    assert [item.status for item in ended] == ["succeeded", "succeeded"]
    assert press.versions() == {first: [1], second: [1]}
    document = press.newest(first)
    assert (document.pages, document.language, document.file_name) == (1, "en", f"{document.invoice_number}.pdf")
    assert ended[0].result["documents"][0]["sha256"] == document.sha256
    with pikepdf.open(BytesIO(press.file(document))) as pdf:
        (attached,) = pdf.attachments.values()
        assert document.invoice_number.encode() in attached.get_file().read_bytes()
    assert press.path(document.sha256).read_bytes() == press.file(document)
    again, _ = press.make([first, second])
    assert (again.status, press.versions()) == ("skipped", {first: [1], second: [1]})
    assert "version 1, exists already" in str(again.message)


def test_renewing_makes_a_new_version_only_of_what_would_differ(press: Press) -> None:
    (invoice,) = press.shop.issue({})
    press.make([invoice])
    first = press.newest(invoice)
    (unchanged,) = press.make([invoice], renew=True)
    assert unchanged.status == "skipped"
    press.change(settings=OrganizationSettings(documents=DocumentSettings(accent_colour="#aa0000")))
    (renewed,) = press.make([invoice], renew=True)
    second = press.newest(invoice)
    assert (renewed.status, second.version, press.versions()) == ("succeeded", 2, {invoice: [1, 2]})
    assert second.sha256 != first.sha256
    assert press.file(first) != press.file(second), "the first is kept as it was"


def test_the_reason_of_a_credit_note_stays_in_the_books_and_its_note_is_printed(press: Press) -> None:
    silent, noted = press.shop.issue({}, {})
    reason = "customer threatened to sue"
    with press.shop.scope() as connection:
        without = credit_invoice(connection, silent, reason=reason, created_by="anna")
        with_note = credit_invoice(connection, noted, reason=reason, created_by="anna", note="Returned on 3 March")
    press.make([without, with_note])
    for credit_note, note in ((without, None), (with_note, "Returned on 3 March")):
        pdf = press.file(press.newest(credit_note))
        with pikepdf.open(BytesIO(pdf)) as document:
            (attached,) = document.attachments.values()
            said = page_texts(pdf)[0] + attached.get_file().read_bytes().decode()
        assert reason not in said
        assert said.count("Returned on 3 March") == (2 if note else 0)
    events = press.rows("select reason from billing.invoice_event where action = 'credited'")
    assert {row.reason for row in events} == {reason}


def test_a_document_made_after_its_invoice_was_settled_asks_for_no_payment(press: Press) -> None:
    before, after = press.shop.issue({}, {}, due_days=14)
    press.make([before])
    with press.shop.scope() as connection:
        for invoice in (before, after):
            credit_invoice(connection, invoice, reason="returned", created_by="anna")
    press.make([after])
    asking, settled = press.newest(before), press.newest(after)
    assert "Please pay in full by" in page_texts(press.file(asking))[0]
    assert "No payment is due." in page_texts(press.file(settled))[0]
    press.path(asking.sha256).unlink()
    press.make([before, after], renew=True)
    assert press.versions() == {before: [1], after: [1]}
    assert "Please pay in full by" in page_texts(press.file(asking))[0], "it is the same as before"


def test_what_cannot_be_made_says_why_and_holds_up_nothing(press: Press, database: TestDatabase) -> None:
    fine, void = press.shop.issue({}, {})
    stranger = open_press(database, Path(press.settings.home))
    (foreign,) = stranger.shop.issue({})
    with press.shop.scope() as connection:
        void_invoice(connection, void, reason="wrong", voided_by="anna")
    ended = press.make([void, fine, foreign, uuid4(), "no id"])
    assert [item.code for item in ended] == ["VOID", None, "NOT_FOUND", "NOT_FOUND", "NOT_FOUND"]
    assert [item.status for item in ended] == ["failed", "succeeded", "failed", "failed", "failed"]
    assert press.versions() == {fine: [1]}
    assert stranger.rows("select * from delivery.invoice_document") == []
    with pytest.raises(DeliveryError):
        stranger.file(press.newest(fine))


def test_several_formats_in_one_request_and_all_that_one_of_them_lacks(press: Press) -> None:
    (invoice,) = press.shop.issue({})
    (lacking,) = press.make([invoice], formats=["zugferd", "xrechnung_ubl"])
    assert (lacking.status, lacking.code) == ("failed", "LACKS_DATA")
    assert lacking.message is not None
    assert "BR-DE" in lacking.message
    assert press.versions() == {invoice: [1]}, "what could be made was"

    contact = DocumentSettings(contact_name="Anna", contact_phone="+49 421 1", contact_email="anna@shop.example")
    press.change(settings=OrganizationSettings(documents=contact))
    press.rows("update billing.customer set buyer_reference = '04011000-12345-03', city = 'Wien', post_code = '1010'")
    (complete,) = press.shop.issue({})
    (made,) = press.make([complete], formats=list(DocumentFormat))
    assert made.status == "succeeded", made
    plain = press.newest(complete, DocumentFormat.PLAIN)
    assert (plain.plain_reason, plain.sha256 == press.newest(complete).sha256) == (None, False)
    assert press.file(press.newest(complete, UBL)).lstrip().startswith(b"<")
    assert press.newest(complete, CII).file_name.endswith("_cii.xml")
    assert press.newest(complete, CII).pages is None


def test_the_language_is_the_one_asked_for_then_the_invoices_then_the_organizations(press: Press) -> None:
    german, dutch = press.shop.issue({}, language="de") + press.shop.issue({}, language="nl")
    press.make([german, dutch])
    assert [press.newest(german).language, press.newest(dutch).language] == ["de", "en"]
    press.make([german], language="en")
    assert press.newest(german, language="en").version == 1
    assert press.newest(german, language="de").version == 1


def test_the_continuous_queue_is_drained_as_well(press: Press) -> None:
    (invoice,) = press.shop.issue({})
    with press.shop.scope() as connection:
        enqueue(connection, MAKE_DOCUMENTS, [invoice])
    report = press.work()
    assert (report.made, report.pages, report.succeeded) == (1, 1, 1)
    assert report.first == press.newest(invoice)


def test_a_broken_template_fails_its_organization_at_once_and_nobody_else(
    press: Press, database: TestDatabase, tmp_path: Path
) -> None:
    other = open_press(database, tmp_path)
    invoices, others = press.shop.issue(*[{}] * 10), other.shop.issue({})
    press.override("totals.typ", "// ours\n\n#let totals(..) = [\n")
    job = press.ask(invoices)
    press.work()
    ended = press.ended(job)
    assert {(item.status, item.code) for item in ended} == {("failed", "TEMPLATE")}
    assert {item.message for item in ended} == {"totals.typ, line 3: unclosed delimiter"}
    assert other.make(others)[0].status == "succeeded"

    press.override("totals.typ", None)
    assert press.make(invoices[:2])[0].status == "succeeded"


def test_a_damaged_or_missing_file_is_found_and_made_again_by_renewing(press: Press) -> None:
    damaged, missing, fine = press.shop.issue({}, {}, {})
    press.make([damaged, missing, fine])
    documents = [press.newest(invoice) for invoice in (damaged, missing)]
    path = press.path(documents[0].sha256)
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    press.path(documents[1].sha256).unlink()
    with press.shop.scope() as connection:
        found = changed_documents(connection, press.context, limit=100)
    assert {changed.document.invoice_id for changed in found} == {damaged, missing}
    with pytest.raises(DeliveryError, match="restore"):
        press.file(documents[0])

    press.make([damaged, missing, fine], renew=True)
    with press.shop.scope() as connection:
        assert changed_documents(connection, press.context, limit=100) == []
    assert set(map(tuple, press.versions().values())) == {(1,)}, "they are the same bytes as before"


def test_one_document_is_made_when_it_is_asked_for(press: Press, database: TestDatabase) -> None:
    invoice, void = press.shop.issue({}, {})
    with press.shop.scope() as connection:
        void_invoice(connection, void, reason="wrong", voided_by="anna")
        made = make_one(connection, press.context, invoice)
        assert make_one(connection, press.context, invoice) == made
        with pytest.raises(DocumentNotMade, match="void"):
            make_one(connection, press.context, void)
    assert press.file(made).startswith(b"%PDF")
    (ended,) = press.make([invoice], renew=True)
    assert (ended.status, press.newest(invoice)) == ("skipped", made), "one of a job is the same"
    stranger = open_press(database, Path(press.settings.home))
    with stranger.shop.scope() as connection, pytest.raises(InvoiceNotFound):
        make_one(connection, stranger.context, invoice)


def test_all_that_lack_documents_can_be_asked_for(press: Press) -> None:
    with_document, without, void = press.shop.issue({}, {}, {})
    press.make([with_document])
    with press.shop.scope() as connection:
        void_invoice(connection, void, reason="wrong", voided_by="anna")
        assert all_invoices_without_documents(connection, DocumentRequest()) == [without]
        german = all_invoices_without_documents(connection, DocumentRequest(language="de"))
        assert set(german) == {with_document, without}


def test_a_request_that_makes_no_sense_is_refused_and_one_that_was_written_by_hand_fails(press: Press) -> None:
    with pytest.raises(DeliveryError, match="no pages"):
        DocumentRequest.of({"formats": ["xrechnung_cii"], "combined": True})
    (invoice,) = press.shop.issue({})
    job_id: UUID = press.rows(
        """select work.create_job('invoice_documents', array[:id], '{"formats": ["docx"], "zip": "maybe"}', 'psql')""",
        id=str(invoice),
    )[0][0]
    press.work()
    (ended,) = press.ended(job_id)
    assert (ended.status, ended.code) == ("failed", "BAD_REQUEST")
    assert ended.message is not None
    assert "formats" in ended.message


DINAR = {
    "currency": "KWD",
    "delivery_date": "2026-01-05",
    "lines": [{"description": "Work", "quantity": 1, "unit_price": "9.125", "tax_category": "AE", "tax_rate": 0}],
}


def test_an_invoice_in_a_currency_of_three_decimals_becomes_a_plain_pdf_and_says_why(press: Press) -> None:
    dinar, euro = press.shop.issue(DINAR, {})
    for_dinar, for_euro = press.make([dinar, euro], combined=True)
    assert (for_dinar.status, for_euro.status) == ("succeeded", "succeeded")
    document = press.newest(dinar, DocumentFormat.PLAIN)
    assert (document.pages, document.version, document.file_name) == (1, 1, f"{document.invoice_number}.pdf")
    assert document.plain_reason is not None
    assert "Amounts in KWD such as 9.125 have more than two decimals" in document.plain_reason
    assert for_dinar.result["documents"][0]["plain_reason"] == document.plain_reason
    pdf = press.file(document)
    assert "KWD 9.125" in page_texts(pdf)[0].replace("\xa0", " ")
    with pikepdf.open(BytesIO(pdf)) as opened:
        assert not opened.attachments
    assert judged(pdf) == []
    with press.shop.scope() as connection:
        assert all_invoices_without_documents(connection, DocumentRequest()) == []
        assert make_one(connection, press.context, dinar) == document
    (again,) = press.make([dinar])
    assert again.status == "skipped"
    (xrechnung,) = press.make([dinar], formats=[UBL])
    assert (xrechnung.status, xrechnung.code) == ("failed", "LACKS_DATA")
    (bundle,) = press.rows("select documents from delivery.document_bundle where kind = 'combined_pdf'")
    assert bundle.documents == 2


def test_an_own_template_that_always_attaches_is_named_and_stops_no_other_document(press: Press) -> None:
    own = bundle_of({}).files["invoice.typ"].decode()
    press.override("invoice.typ", own.replace('#if sys.inputs.xml != ""', "#if true"))
    ended = press.make(press.shop.issue(DINAR, {}))
    assert [(item.status, item.code) for item in ended] == [("failed", "TEMPLATE"), ("succeeded", None)]
    assert ended[0].message is not None
    assert 'if sys.inputs.xml != ""' in ended[0].message
