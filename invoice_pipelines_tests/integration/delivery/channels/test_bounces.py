"""Reports of undeliverable emails, in the shapes of several mail servers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from invoice_pipelines.delivery.channels.bounces import read_reports
from invoice_pipelines.delivery.channels.mail_message import write_mail
from invoice_pipelines.workshop.sandbox.mail import ReportStyle, delivery_report
from invoice_pipelines_tests.support.delivery.channels.outgoing import CUSTOMER, email
from invoice_pipelines_tests.support.sizes import example_count

ORIGINAL = write_mail(email(message_id_header="<0197-a1b2@acme.example>")).data


@pytest.mark.parametrize("style", ReportStyle)
def test_a_failure_names_message_recipient_and_reason(style: ReportStyle) -> None:
    (report,) = read_reports(delivery_report(style, ORIGINAL, recipient=CUSTOMER))
    assert report.message_id == "<0197-a1b2@acme.example>"
    assert report.recipients == (CUSTOMER,)
    assert report.is_final
    assert report.status == "5.1.1"
    assert report.diagnostic.startswith("550 5.1.1")
    assert "User unknown" in report.diagnostic
    assert "\n" not in report.diagnostic


@pytest.mark.parametrize("style", ReportStyle)
def test_a_delay_is_not_final(style: ReportStyle) -> None:
    (report,) = read_reports(delivery_report(style, ORIGINAL, recipient=CUSTOMER, failed=False))
    assert not report.is_final
    assert report.status == "4.4.1"


def test_who_gave_up_after_days_has_failed_for_good_although_its_code_is_of_a_passing_fault() -> None:
    data = delivery_report(ReportStyle.POSTFIX, ORIGINAL, recipient=CUSTOMER, status="4.4.7")
    (report,) = read_reports(data)
    assert report.is_final
    assert report.status == "4.4.7"


def test_a_report_of_two_recipients_is_two_reports() -> None:
    data = delivery_report(ReportStyle.EXCHANGE, ORIGINAL, recipient=CUSTOMER)
    more = b"\r\nFinal-Recipient: rfc822;other@kunde.example\r\nAction: delayed\r\nStatus: 4.2.2\r\n"
    data = data.replace(b"X-Display-Name: accounts\r\n", b"X-Display-Name: accounts\r\n" + more)
    assert [(one.recipients[0], one.action) for one in read_reports(data)] == [
        (CUSTOMER, "failed"),
        ("other@kunde.example", "delayed"),
    ]


def test_a_report_of_an_address_beyond_ascii_is_understood() -> None:
    """RFC 6533: message/global-delivery-status, address type utf-8, and a character written as \\x{FC}."""
    data = delivery_report(ReportStyle.POSTFIX, ORIGINAL, recipient=CUSTOMER)
    data = data.replace(b"message/delivery-status", b"message/global-delivery-status")
    data = data.replace(
        b"Final-Recipient: rfc822; " + CUSTOMER.encode(), rb"Final-Recipient: utf-8; J\x{FC}rgen@kunde.example"
    )
    (report,) = read_reports(data)
    assert report.recipients == ("jürgen@kunde.example", CUSTOMER)


def test_only_headers_of_the_original_or_a_reference_to_it_are_enough() -> None:
    data = delivery_report(ReportStyle.GMAIL, ORIGINAL, recipient=CUSTOMER)
    head, _, _ = data.partition(b"Content-Type: text/rfc822-headers")
    (report,) = read_reports(head + b"Content-Type: text/plain\r\n\r\ncut off\r\n")
    assert report.message_id == "<0197-a1b2@acme.example>"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        ORIGINAL,
        delivery_report(ReportStyle.POSTFIX, ORIGINAL, recipient=CUSTOMER).replace(
            b"multipart/report", b"multipart/mixed"
        ),
        delivery_report(ReportStyle.POSTFIX, ORIGINAL.replace(b"<0197", b"0197"), recipient=CUSTOMER),
        delivery_report(ReportStyle.POSTFIX, ORIGINAL, recipient=CUSTOMER).replace(
            b"delivery-status", b"disposition-notification"
        ),
    ],
    ids=["empty", "other mail", "no report", "of no message", "receipt"],
)
def test_what_is_no_report_says_nothing(data: bytes) -> None:
    assert read_reports(data) == []


@settings(max_examples=example_count(30))
@given(st.data())
def test_a_damaged_report_breaks_nothing(data: st.DataObject) -> None:
    whole = delivery_report(data.draw(st.sampled_from(list(ReportStyle))), ORIGINAL, recipient=CUSTOMER)
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 300)))
    for report in read_reports(whole[:start] + data.draw(st.binary(max_size=20)) + whole[end:]):
        assert report.message_id.startswith("<")
        assert "\n" not in report.diagnostic


def test_parts_in_parts_without_end_break_nothing() -> None:
    data = b"Content-Type: multipart/report; boundary=a\r\n\r\n" + b"--a\r\nContent-Type: message/rfc822\r\n\r\n" * 600
    assert read_reports(data) == []
