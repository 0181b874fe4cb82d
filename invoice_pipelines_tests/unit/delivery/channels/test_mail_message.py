"""What stands in an email, and what cannot get into one."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from invoice_pipelines.delivery.channels.channel import Attachment, Refused
from invoice_pipelines.delivery.channels.mail_message import write_mail
from invoice_pipelines_tests.support.delivery.channels.outgoing import CUSTOMER, PDF, email
from invoice_pipelines_tests.support.sizes import example_count


def read(**fields: Any) -> EmailMessage:
    """As another program reads it."""
    message = message_from_bytes(write_mail(email(**fields)).data, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


def part(message: EmailMessage, kind: Literal["plain", "html"]) -> str:
    """Its text, of one kind."""
    body = message.get_body((kind,))
    assert body is not None
    return str(body.get_content())


def test_an_email_says_from_whom_to_whom_and_that_a_machine_wrote_it() -> None:
    message = read(reply_to="office@acme.example")
    assert message["From"] == "Acme GmbH <invoices@acme.example>"
    assert message["To"] == CUSTOMER
    assert message["Reply-To"] == "office@acme.example"
    assert message["Subject"] == "Rechnung RE-2026-000017"
    assert message["Date"] == "Sun, 01 Mar 2026 09:30:00 +0000"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Content-Language"] == "de"


def test_the_date_is_the_same_in_whatever_time_zone_it_was_read() -> None:
    assert read(date=email().date.astimezone(ZoneInfo("Asia/Tokyo")))["Date"] == read()["Date"]


def test_it_has_a_text_the_same_in_html_and_the_pdf() -> None:
    message = read()
    alternative, attachment = message.iter_parts()
    assert message.get_content_type() == "multipart/mixed"
    assert [part.get_content_type() for part in alternative.iter_parts()] == ["text/plain", "text/html"]
    assert part(message, "plain").splitlines() == email().text.splitlines()
    assert "<b>119,00 €</b>" in part(message, "html")
    assert attachment.get_content_type() == "application/pdf"
    assert attachment.get_content() == PDF.data
    assert attachment.get_filename() == PDF.file_name


@pytest.mark.parametrize(
    "name",
    [
        "Rechnung Müller & Söhne.pdf",
        "請求書.pdf",
        'a "quoted" name; really.pdf',
        "x" * 180 + ".pdf",
        "ä" * 150 + ".pdf",
    ],
)
def test_files_keep_their_names(name: str) -> None:
    (attachment,) = read(attachments=(Attachment(name, "application/pdf", b"%PDF"),)).iter_attachments()
    assert attachment.get_filename() == name


texts = st.text(st.characters(exclude_categories=["Cc", "Zl", "Zp", "Cs"]), max_size=200)


def squeezed(text: str) -> str:
    return " ".join(text.split())


@settings(max_examples=example_count(30))
@given(
    texts,
    texts,
    st.text(st.characters(exclude_categories=["Cs"]), max_size=300),
    texts.filter(lambda name: name.strip() == name and name != ""),
)
def test_any_name_subject_and_text_arrive_as_they_are(name: str, subject: str, text: str, file_name: str) -> None:
    outgoing = email(
        sender_name=name, subject=subject, text=text, attachments=(Attachment(file_name, "application/pdf", b"%PDF"),)
    )
    data = write_mail(outgoing).data
    assert data == write_mail(outgoing).data
    head, _, _ = data.partition(b"\r\n\r\n")
    names = [line.partition(b":")[0] for line in head.split(b"\r\n") if not line.startswith(b" ")]
    assert names == [
        *(b"From", b"To", b"Subject", b"Date", b"Message-ID", b"Auto-Submitted", b"Content-Language"),
        *(b"MIME-Version", b"Content-Type"),
    ]
    assert head.isascii()
    assert max(map(len, data.split(b"\r\n"))) <= 998
    assert data.count(b"\n") == data.count(b"\r\n") == data.count(b"\r")
    message = message_from_bytes(data, policy=policy.default)
    # By the older half of the email package: the newer one puts blanks between the words of a long encoded name,
    # against RFC 2047 section 6.2.
    shown, address = parseaddr(str(message_from_bytes(data)["From"]))
    assert address == "invoices@acme.example"
    assert squeezed(str(make_header(decode_header(shown)))) == squeezed(name)
    assert squeezed(str(message["Subject"])) == squeezed(subject)
    assert part(message, "plain").split() == text.split()
    assert next(message.iter_attachments()).get_content() == b"%PDF"


LINE_BREAKS = ["\r\n", "\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\0"]


@pytest.mark.parametrize(
    "field", ["subject", "sender_name", "sender", "recipient", "reply_to", "message_id_header", "language"]
)
@pytest.mark.parametrize("line_break", LINE_BREAKS, ids=ascii)
def test_no_header_can_be_smuggled_in(field: str, line_break: str) -> None:
    good = getattr(email(reply_to="office@acme.example"), field)
    for text in (f"{good}{line_break}Bcc: other@evil.example", f"{line_break}{good}", f"{good}{line_break}"):
        with pytest.raises(Refused):
            write_mail(email(**{field: text}))


@pytest.mark.parametrize(
    "address",
    ["", "a", "a@b@c", "a b@c.example", "a@c.example, b@c.example", "<a@c.example>", "a@", "@c", "a@b>c", "a@-.ä"],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(Refused) as caught:
        write_mail(email(recipient=address))
    assert caught.value.code == "BAD_ADDRESS"


@pytest.mark.parametrize("name", ["a\r\nX: y.pdf", "a\x00.pdf"])
def test_a_file_name_brings_no_header(name: str) -> None:
    with pytest.raises(Refused):
        write_mail(email(attachments=(Attachment(name, "application/pdf", b""),)))


def test_half_a_character_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        write_mail(email(text="\ud800"))
    assert caught.value.code == "BAD_TEXT"


def test_different_messages_have_different_boundaries() -> None:
    first, second = read(), read()
    assert first.get_boundary() != second.get_boundary()
    assert str(first.get_boundary()).startswith("=_")
