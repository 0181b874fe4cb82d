"""The documents and messages of the demo: PDFs of all issued invoices, emails into a mail server of its own, and
some text messages into a Twilio of its own; each checked against what was to come.

One organization asks for PDF and sending together with its invoices; the others ask afterwards. One of them has its
customers reminded of what is overdue.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from email.policy import default
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from invoice_pipelines.billing.requests import RequestOptions
from invoice_pipelines.cli.output import console, styled, table
from invoice_pipelines.cli.supervisor import ServiceError, Services
from invoice_pipelines.database import organization_scope
from invoice_pipelines.delivery.documents.bundles import find_bundles
from invoice_pipelines.delivery.documents.requests import DocumentRequest, ask_for_documents
from invoice_pipelines.delivery.messages.messages import CommunicationRequest, ask_for_communications
from invoice_pipelines.delivery.overview import delivery_state
from invoice_pipelines.delivery.promises import OF_MESSAGES
from invoice_pipelines.organizations.settings import DocumentSettings, MessageSettings
from invoice_pipelines.settings import PREFIX, Settings, load_settings
from invoice_pipelines.storage import read_blob, root_path
from invoice_pipelines.workshop.demo.orders import Batch
from invoice_pipelines.workshop.sandbox.mail import MailServer, Received
from invoice_pipelines.workshop.sandbox.twilio import TwilioServer

AT_ONCE = "nordwind-handel"
"""Asks for PDFs and emails together with its invoices."""
BY_EMAIL = "harbour-and-hill"
"""Asks for PDFs and emails when its invoices are issued, and has its customers reminded by email."""
BY_SMS = "maple-ridge"
"""Asks for PDFs when its invoices are issued, and for text messages to some customers."""
PHONES = {"2": "+1 807 555 0142", "3": "+1 206 555 0117"}
"""Customers of BY_SMS who get text messages, by number."""
LOOKS = {
    AT_ONCE: DocumentSettings(
        accent_colour="#0f5c6e", contact_name="Buchhaltung", contact_phone="+49 40 5550 1200",
        contact_email="rechnung@nordwind-handel.example", website="nordwind-handel.example",
        bank_name="Deutsche Kreditbank Berlin", bic="BYLADEM1001",
        legal_text="Sitz der Gesellschaft: Hamburg · Amtsgericht Hamburg HRB 104711 · Geschäftsführung: Inga Petersen",
    ),
    BY_EMAIL: DocumentSettings(
        accent_colour="#6b2d3c", contact_name="Accounts Receivable", contact_email="invoices@harbour-and-hill.example",
        bank_name="Allied Irish Banks", bic="AIBKIE2D", legal_text="Registered in Ireland, no. 501234.",
    ),
    BY_SMS: DocumentSettings(
        accent_colour="#9a3412", paper="us-letter", contact_email="ap@maple-ridge.example",
    ),
}  # fmt: skip
_FAST: dict[str, Any] = {
    # No quiet hours, so that the demo ends at night as well.
    "quiet_from": "00:00",
    "quiet_until": "00:00",
    "emails_per_minute": 3000,
    "sms_per_minute": 600,
}
SENDERS = {
    AT_ONCE: MessageSettings(email_from="rechnung@nordwind-handel.example", **_FAST),
    BY_EMAIL: MessageSettings(email_from="invoices@harbour-and-hill.example", **_FAST),
    BY_SMS: MessageSettings(sms_from="MapleRidge", **_FAST),
}
REMINDED_BY: Mapping[str, tuple[Literal["email", "sms", "whatsapp"], ...]] = {
    AT_ONCE: (),
    BY_EMAIL: ("email",),
    BY_SMS: (),
}
SECONDS_AT_MOST = 180.0


@dataclass(frozen=True, slots=True)
class Outside:
    """The servers that stand in for a mail server and Twilio."""

    mail: MailServer
    twilio: TwilioServer


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of an organization's documents and messages. `sent` counts messages by channel and purpose."""

    slug: str
    documents: int
    pages: int
    combined: Path | None
    sent: Mapping[tuple[str, str], int]
    folder: Path


@contextmanager
def running_servers(ports: Mapping[str, str]) -> Iterator[Outside]:
    """A mail server and a Twilio to which the settings of this process and of those that it starts lead, whatever they
    were: the demo never sends to anybody. And settings for a small machine; `ports` are those of the API.
    """
    with ExitStack() as stack:
        outside = Outside(stack.enter_context(MailServer()), stack.enter_context(TwilioServer()))
        variables: dict[str, str | None] = {
            **outside.mail.environment,
            **outside.twilio.environment,
            f"{PREFIX}REDIRECT_EMAIL": None,
            f"{PREFIX}REDIRECT_PHONE": None,
            # On two cores: two runs work at a time, and where all three organizations are due, one run takes them.
            f"{PREFIX}DOCUMENT_PROCESSES": "1",
            f"{PREFIX}SWEEP_THRESHOLD": "2",
            **ports,
        }
        before = {name: os.environ.get(name) for name in variables}
        _set_environment(variables)
        try:
            yield outside
        finally:
            _set_environment(before)


def options_of(slug: str) -> RequestOptions:
    """What an organization asks for together with its invoices."""
    if slug != AT_ONCE:
        return {}
    return {"generate_pdf": True, "send_immediately": True, "communication_method": "email"}


def ask(engine: Engine, batches: Sequence[Batch]) -> None:
    """Asks for what was not asked for with the invoices."""
    for batch in batches:
        if batch.slug == AT_ONCE:
            continue
        with organization_scope(engine, batch.organization_id) as connection:
            issued = _issued(connection)
            ask_for_documents(connection, issued, DocumentRequest(combined=True), created_by="demo")
            if batch.slug == BY_EMAIL:
                by_email = CommunicationRequest(method="email")
                ask_for_communications(connection, issued, by_email, created_by="demo")
                continue
            for number, phone in PHONES.items():
                connection.execute(
                    text("update billing.customer set phone = :phone where customer_number = :number"),
                    {"phone": phone, "number": number},
                )
            by_sms = CommunicationRequest(method="sms")
            ask_for_communications(connection, _issued(connection, tuple(PHONES)), by_sms, created_by="demo")


def wait(services: Services, engine: Engine, batches: Sequence[Batch]) -> None:
    """Waits until Dagster has made and sent all of it."""
    deadline = time.monotonic() + SECONDS_AT_MOST
    while time.monotonic() < deadline:
        services.check()
        if all(_is_done(engine, batch.organization_id) for batch in batches):
            return
        time.sleep(0.5)
    raise ServiceError(
        f"documents and messages were not done after {SECONDS_AT_MOST:.0f} s; see {services.log_of('daemon')}"
    )


def outcome(engine: Engine, settings: Settings, outside: Outside, batches: Sequence[Batch]) -> list[Delivered]:
    """What became of it all; the emails that arrived and the combined PDFs are put where a person finds them."""
    return [_outcome(engine, settings, outside, batch) for batch in batches]


def problems(engine: Engine, outside: Outside, batches: Sequence[Batch]) -> Iterator[str]:
    """What did not come out as it must, in words: by our own rows, and by what arrived at the servers."""
    for batch in batches:
        with organization_scope(engine, batch.organization_id) as connection:
            for problem in _problems(connection, outside, batch.slug):
                yield f"{batch.slug}: {problem}"


def show(delivered: Sequence[Delivered]) -> None:
    """Prints what was made and sent per organization, and where to look."""
    columns = {
        ("email", "invoice"): "#invoices by email",
        ("email", "reminder"): "#reminders by email",
        ("sms", "invoice"): "#invoices by SMS",
    }
    shown = table(None, "organization", "#PDFs", "#pages", *columns.values())
    for found in delivered:
        counts = (str(found.sent.get(key, 0)) for key in columns)
        shown.add_row(found.slug, str(found.documents), str(found.pages), *counts)
    console.print()
    console.print(styled("Documents and messages", "bold"), "(into a local mail server and a local Twilio)")
    console.print(shown)
    for found in delivered:
        if found.combined is not None:
            console.print(f"  {found.combined}", soft_wrap=True)
        if any(channel == "email" for channel, _ in found.sent):
            console.print(f"  {found.folder}/*.eml", soft_wrap=True)


def _issued(connection: Connection, customers: Sequence[str] | None = None) -> list[UUID]:
    """Ids of the invoices that are not void, in the order of their numbers; or those of some customers."""
    rows = connection.execute(
        text(
            """select i.id from billing.issued_invoice i
               join billing.customer c on c.organization_id = i.organization_id and c.id = i.customer_id
               where i.status <> 'void'
                 and (cast(:customers as text[]) is null or c.customer_number = any (:customers))
               order by i.period, i.number"""
        ),
        {"customers": None if customers is None else list(customers)},
    )
    return list(rows.scalars())


def _is_done(engine: Engine, organization_id: UUID) -> bool:
    with organization_scope(engine, organization_id) as connection:
        state = delivery_state(connection)
    return not any((work.waiting or work.in_work) for work in (state.document_work, state.message_work))


def _outcome(engine: Engine, settings: Settings, outside: Outside, batch: Batch) -> Delivered:
    with organization_scope(engine, batch.organization_id) as connection:
        documents, pages = connection.execute(
            text("select count(*), coalesce(sum(pages), 0) from public.invoice_documents where is_newest")
        ).one()
        sent = connection.execute(
            text(
                """select channel, purpose, count(*) from public.outgoing_messages
                   where status in ('sent', 'delivered') group by channel, purpose"""
            )
        ).all()
        jobs = connection.execute(
            text("select id from batch_job_queue where job_type = 'invoice_documents' and created_by = 'demo'")
        ).scalars()
        bundles = [bundle for job in jobs for bundle in find_bundles(connection, job)]
    folder = settings.home.absolute() / "sent" / batch.slug
    folder.mkdir(parents=True, exist_ok=True)
    combined = None
    for bundle in bundles:
        combined = folder / bundle.file_name
        root = root_path(settings.documents_root)
        combined.write_bytes(read_blob(root, batch.organization_id, bundle.sha256, bundle.size_bytes))
    for number, mail in enumerate(_mails_of(outside, batch.slug), start=1):
        (folder / f"{number:03}.eml").write_bytes(mail.data)
    counts = {(row[0], row[1]): row[2] for row in sent}
    return Delivered(batch.slug, documents, int(pages), combined, counts, folder)


def _problems(connection: Connection, outside: Outside, slug: str) -> Iterator[str]:
    if slug != AT_ONCE:
        jobs = connection.execute(
            text("select count(*) from delivery.document_bundle where kind = 'combined_pdf' and pages >= documents")
        ).scalar_one()
        if jobs != 1:
            yield f"expected one PDF of all invoices, found {jobs}"
    yield from _document_problems(connection)
    yield from _message_problems(connection, outside, slug)
    for promise in OF_MESSAGES:
        if promise.find is not None and not (finding := promise.find(connection)).kept:
            yield f"{promise.name}: {finding.count} break it: {', '.join(finding.sample)}"


def _document_problems(connection: Connection) -> Iterator[str]:
    rows = connection.execute(
        text(
            """select i.invoice_number, i.status, count(d.id) as documents, max(d.version) as version
               from billing.issued_invoice i
               left join public.invoice_documents d on d.invoice_id = i.id
               group by i.invoice_number, i.status order by i.invoice_number"""
        )
    )
    for row in rows:
        if row.status != "void" and (row.documents, row.version) != (1, 1):
            yield f"{row.invoice_number}: expected one document, found {row.documents}"


def _message_problems(connection: Connection, outside: Outside, slug: str) -> Iterator[str]:
    """Each customer got what was for him, once, with the PDF of our records; one whose invoice was voided meanwhile may
    have got it before.
    """
    rows = connection.execute(
        text(
            """select m.channel, m.purpose, m.invoice_number, m.recipient, m.status, d.sha256,
                      i.status as invoice_status, x.message_id_header
               from public.outgoing_messages m
               join delivery.message x on x.id = m.id
               join billing.issued_invoice i on i.id = m.invoice_id
               left join public.invoice_documents d on d.id = m.document_id"""
        )
    ).all()
    if missing := _expected(connection, slug) - {(row.channel, row.purpose, row.invoice_number) for row in rows}:
        yield f"messages that were not sent: {', '.join(map(' '.join, sorted(missing)))}"
    arrived = _mails_of(outside, slug)
    mails = {mail.message_id: mail for mail in arrived}
    if len(arrived) != len(mails):
        yield f"{len(arrived)} emails arrived, of which {len(arrived) - len(mails)} had arrived before"
    for row in rows:
        if row.status not in ("sent", "delivered"):
            if row.invoice_status != "void":
                yield f"{row.purpose} {row.invoice_number} by {row.channel} is {row.status}"
        elif row.channel == "email":
            yield from _mail_problems(row, mails)
    texts = Counter(sent.to for sent in outside.twilio.messages())
    wanted = Counter(row.recipient for row in rows if row.channel == "sms")
    if slug == BY_SMS and texts != wanted:
        yield f"expected text messages to {dict(wanted)}, Twilio has {dict(texts)}"


def _expected(connection: Connection, slug: str) -> set[tuple[str, str, str]]:
    """Channel, purpose and invoice number of what must have gone out."""
    issued = """select invoice_number from billing.issued_invoice i
                where document_kind = 'invoice' and status <> 'void'"""
    if slug == BY_SMS:
        customers = """(select id from billing.customer where customer_number = any (:customers))"""
        rows = connection.execute(
            text(f"{issued} and customer_id in {customers}"), {"customers": list(PHONES)}
        ).scalars()
        return {("sms", "invoice", number) for number in rows}
    wanted = {("email", "invoice", str(number)) for number in connection.execute(text(issued)).scalars()}
    if slug == BY_EMAIL:
        overdue = f"{issued} and id in (select invoice_id from public.notifications where status <> 'closed')"
        wanted |= {("email", "reminder", str(number)) for number in connection.execute(text(overdue)).scalars()}
    return wanted


def _mail_problems(row: Any, mails: Mapping[str, Received]) -> Iterator[str]:
    mail = mails.get(row.message_id_header)
    what = f"{row.purpose} {row.invoice_number}"
    if mail is None:
        yield f"{what} never arrived at {row.recipient}"
        return
    if mail.envelope_to[0].casefold() != row.recipient.casefold():
        yield f"{what} was for {row.recipient} and went to {mail.envelope_to[0]}"
    parsed = message_from_bytes(mail.data, policy=default)
    assert isinstance(parsed, EmailMessage)
    pdfs = [part.get_content() for part in parsed.iter_attachments() if part.get_content_type() == "application/pdf"]
    if [sha256(pdf).hexdigest() for pdf in pdfs] != [row.sha256]:
        yield f"{what} does not carry the PDF that is kept"


def _mails_of(outside: Outside, slug: str) -> list[Received]:
    """What arrived from an organization, by its address."""
    sender = SENDERS[slug].email_from
    headers = BytesHeaderParser(policy=default)
    return [
        mail for mail in outside.mail.messages() if sender and sender in headers.parsebytes(mail.data).get("From", "")
    ]


def _set_environment(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    load_settings.cache_clear()
