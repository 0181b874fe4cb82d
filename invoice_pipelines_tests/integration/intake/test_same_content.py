"""The same content in another file is found, and other invoices over the same amount are pointed out."""

from __future__ import annotations

from collections import Counter
from datetime import date

from invoice_pipelines.intake.stages.stages import parse_uploads, validate_invoices
from invoice_pipelines_tests.integration.intake.conftest import IntakeDesk
from invoice_pipelines_tests.integration.intake.review.pages import page_of
from invoice_pipelines_tests.support.intake.review.lane import judged, on_paper
from invoice_pipelines_tests.support.intake.validation.specimens import UBL


def process(desk: IntakeDesk) -> None:
    parse_uploads(desk.intake())
    validate_invoices(desk.intake())


def rules(desk: IntakeDesk, name: str) -> Counter[str]:
    rows = desk.rows("select rule from public.invoice_violations where file_name = :name", name=name)
    return Counter(row.rule for row in rows)


def test_the_same_xml_in_another_file_fails_also_where_number_and_seller_were_read_otherwise(desk: IntakeDesk) -> None:
    desk.upload(UBL.encode(), "first.xml")
    process(desk)
    # As a reader that did not understand them may have left them.
    desk.rows("update intake.received_invoice set seller_key = null, invoice_key = null returning id")
    desk.upload(UBL.encode() + b"\n", "second.xml")
    process(desk)
    assert desk.statuses() == {"first.xml": "VALIDATED", "second.xml": "VALIDATED"}  # a blank more is another XML
    desk.rows("update intake.received_invoice set seller_key = null, invoice_key = null returning id")
    desk.rows(
        """update intake.received_invoice r set content_sha256 = encode(sha256(:xml), 'hex')
           from intake.upload u where u.id = r.upload_id and u.file_name = 'second.xml' returning r.id""",
        xml=UBL.encode() + b"\n\n",
    )
    desk.upload(UBL.encode() + b"\n\n", "third.xml")
    process(desk)
    assert desk.statuses()["third.xml"] == "FAILED"
    assert rules(desk, "third.xml") == {"IP-DUP-05": 1}


def test_the_same_words_on_the_pages_of_another_file_are_pointed_out(desk: IntakeDesk) -> None:
    page = page_of("HW-1", "1000.00")
    desk.upload(page, "first.pdf")
    process(desk)
    hashes = desk.rows("select content_sha256 from intake.received_invoice")
    desk.upload(page + b"\n% saved again\n", "again.pdf")
    desk.upload(page_of("HW-2", "1000.00"), "other.pdf")
    parse_uploads(desk.intake())
    found = {
        row.file_name: row.content_sha256
        for row in desk.rows(
            """select u.file_name, r.content_sha256 from intake.received_invoice r
               join intake.upload u on u.id = r.upload_id"""
        )
    }
    assert hashes[0].content_sha256 == found["first.pdf"] == found["again.pdf"] != found["other.pdf"]


def test_a_page_with_few_words_has_no_content_to_be_compared_by(desk: IntakeDesk) -> None:
    invoice = desk.parsed(on_paper())
    assert desk.one("select content_sha256 from intake.received_invoice where id = :id", id=invoice.id) is None


def test_the_same_total_a_few_days_later_is_a_warning_and_the_invoice_passes(desk: IntakeDesk) -> None:
    judged(desk, on_paper("A-1"))
    later = judged(desk, on_paper("A-2", {"issue_date": date(2026, 3, 4)}))
    month_later = judged(desk, on_paper("A-3", {"issue_date": date(2026, 4, 1)}))
    assert [desk.status(invoice_id) for invoice_id in (later, month_later)] == ["VALIDATED", "VALIDATED"]
    warned = desk.rows("select received_invoice_id from public.invoice_violations where rule = 'IP-DUP-04'")
    assert [row.received_invoice_id for row in warned] == [later]


def test_the_same_content_in_another_organization_is_nobodys_business(desk: IntakeDesk, other_desk: IntakeDesk) -> None:
    for one in (desk, other_desk):
        one.upload(UBL.encode(), "first.xml")
        process(one)
        assert one.statuses() == {"first.xml": "VALIDATED"}
