"""Received invoices, the uploads they are read from, and the exports they went into, in pages. Reads only.

The connection is in the scope of the organization. `after` is the last one of the page before; the newest come first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.database.ids import find_id
from invoice_pipelines.intake.received_invoices import IntakeError, UnknownInvoice, UnknownUpload
from invoice_pipelines.intake.rows import invoice_key
from invoice_pipelines.intake.states import Status


class ExportNotFound(IntakeError):
    """The organization has no export with a number that was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """Which received invoices are meant: those of which all holds that is not None or empty. `seller` is a part of the
    name, and `words` one of the file's name, the number, a reference, the IBAN or a party, in capital or small letters.
    A `number` is compared as people retype it, without blanks and case. Dates and amounts include both ends.
    """

    statuses: Collection[Status] = ()
    in_review: bool | None = None
    seller: str | None = None
    number: str | None = None
    issued_from: date | None = None
    issued_until: date | None = None
    gross_from: Decimal | None = None
    gross_until: Decimal | None = None
    currency: str | None = None
    words: str | None = None
    arrived_from: datetime | None = None


@dataclass(frozen=True, slots=True)
class ReceivedInvoice:
    """A received invoice as it stands. `code` and `message` say why one failed; `in_review` waits for a person.
    `unconfirmed_seller` is the name, else the VAT id, that was read of a seller and is left out."""

    id: UUID
    upload_id: UUID
    file_name: str
    status: Status
    processing_version: int
    in_review: bool
    code: str | None
    message: str | None
    invoice_number: str | None
    type_code: str | None
    issue_date: date | None
    due_date: date | None
    seller_name: str | None
    seller_vat_id: str | None
    unconfirmed_seller: str | None
    buyer_name: str | None
    currency: str | None
    net_amount: Decimal | None
    tax_amount: Decimal | None
    gross_amount: Decimal | None
    iban: str | None
    format: str | None
    profile: str | None
    source: str | None
    confidence: Decimal | None
    created_at: datetime
    created_by: str
    last_processed_at: datetime | None


@dataclass(frozen=True, slots=True)
class ReceivedLine:
    """A line as it was read."""

    line_number: int
    description: str | None
    quantity: Decimal | None
    unit: str | None
    unit_price: Decimal | None
    net_amount: Decimal | None
    tax_category: str | None
    tax_rate: Decimal | None


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A change of the status, with the processing version that it led to."""

    processing_version: int
    from_status: str | None
    to_status: str
    changed_at: datetime
    changed_by: str


@dataclass(frozen=True, slots=True)
class Violation:
    """What the newest verdict finds wrong."""

    rule: str
    severity: str
    violation_class: str
    message: str
    message_de: str
    location: str | None


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it arrived, and the invoice that is read from it."""

    id: UUID
    file_name: str
    sha256: str
    size_bytes: int
    media_type: str | None
    source: str
    received_at: datetime
    created_by: str
    received_invoice_id: UUID | None
    status: Status | None


@dataclass(frozen=True, slots=True)
class ExportRecord:
    """An export. `files` have `path`, `sha256`, `size_bytes` and `rows`; there are none while it is pending."""

    id: UUID
    number: int
    format: str
    status: str
    invoice_count: int
    files: Sequence[Mapping[str, Any]]
    created_at: datetime
    created_by: str
    completed_at: datetime | None


def list_received(
    connection: Connection, sought: Sought = Sought(), *, after: UUID | None = None, limit: int = 50
) -> list[ReceivedInvoice]:
    """Received invoices."""
    values = {
        "statuses": list(sought.statuses) or None,
        "in_review": sought.in_review or None,
        "not_in_review": sought.in_review is False or None,
        "seller": sought.seller,
        "number": sought.number and invoice_key(sought.number),
        "arrived_from": sought.arrived_from,
        "issued_from": sought.issued_from,
        "issued_until": sought.issued_until,
        "gross_from": sought.gross_from,
        "gross_until": sought.gross_until,
        "currency": sought.currency,
        "words": sought.words,
        "after": after,
    }
    # Only what is asked for stands in the statement, so that the planner sees which index serves it.
    conditions = [_CONDITIONS[name] for name, value in values.items() if value is not None]
    rows = connection.execute(
        text(
            f"""{_RECEIVED}
                where {" and ".join(["r.organization_id = (select organizations.current())", *conditions])}
                order by r.id desc limit :limit"""
        ),
        {name: value for name, value in values.items() if value is not None} | {"limit": limit},
    )
    return [ReceivedInvoice(*row) for row in rows]


def find_received(connection: Connection, written: str) -> UUID:
    """The id of the received invoice whose id begins or ends with what was written. Raises UnknownId."""
    return find_id(connection, "intake.received_invoice", written, "a received invoice", "intake list")


def get_received(connection: Connection, invoice_id: UUID) -> ReceivedInvoice:
    """A received invoice. Raises UnknownInvoice."""
    row = connection.execute(
        text(f"{_RECEIVED} where r.organization_id = (select organizations.current()) and r.id = :id"),
        {"id": invoice_id},
    ).one_or_none()
    if row is None:
        raise UnknownInvoice(f"this organization has no received invoice {invoice_id}")
    return ReceivedInvoice(*row)


def lines_of_received(connection: Connection, invoice_id: UUID) -> list[ReceivedLine]:
    """The lines of a received invoice, as they were read."""
    return _of_invoice(connection, ReceivedLine, "intake.received_invoice_line", "line_number", invoice_id)


def status_changes(connection: Connection, invoice_id: UUID) -> list[StatusChange]:
    """The way of a received invoice, from its first status on."""
    return _of_invoice(connection, StatusChange, "intake.status_change", "processing_version", invoice_id)


def newest_violations(connection: Connection, invoice_id: UUID) -> list[Violation]:
    """What the newest verdict on a received invoice finds wrong."""
    return _of_invoice(connection, Violation, "public.invoice_violations", "severity, rule", invoice_id)


def list_uploads(connection: Connection, *, after: UUID | None = None, limit: int = 50) -> list[Upload]:
    """Uploads."""
    rows = connection.execute(
        text(
            f"""{_UPLOADS} where u.organization_id = (select organizations.current())
                  and (cast(:after as uuid) is null or u.id < cast(:after as uuid))
                order by u.id desc limit :limit"""
        ),
        {"after": after, "limit": limit},
    )
    return [Upload(*row) for row in rows]


def find_upload_id(connection: Connection, written: str) -> UUID:
    """The id of the upload whose id begins or ends with what was written. Raises UnknownId."""
    return find_id(connection, "intake.upload", written, "an upload", "uploads list")


def find_upload(connection: Connection, written: str) -> Upload:
    """The upload whose id begins or ends with what was written. Raises UnknownId or UnknownUpload."""
    return get_upload(connection, find_upload_id(connection, written))


def get_upload(connection: Connection, upload_id: UUID) -> Upload:
    """An upload. Raises UnknownUpload."""
    row = connection.execute(
        text(f"{_UPLOADS} where u.organization_id = (select organizations.current()) and u.id = :id"), {"id": upload_id}
    ).one_or_none()
    if row is None:
        raise UnknownUpload(f"this organization has no upload {upload_id}")
    return Upload(*row)


def list_exports(
    connection: Connection, *, format: str | None = None, after: int | None = None, limit: int = 50
) -> list[ExportRecord]:
    """Exports by number, also those whose files are still to be written."""
    rows = connection.execute(
        text(
            f"""{_EXPORTS} and (cast(:format as text) is null or format = :format)
                  and (cast(:after as integer) is null or export_number < :after)
                order by export_number desc limit :limit"""
        ),
        {"format": format, "after": after, "limit": limit},
    )
    return [ExportRecord(*row) for row in rows]


def find_export(connection: Connection, number: int) -> ExportRecord:
    """The export with a number. Raises ExportNotFound."""
    row = connection.execute(text(f"{_EXPORTS} and export_number = :number"), {"number": number}).one_or_none()
    if row is None:
        raise ExportNotFound(f"this organization has no export {number}")
    return ExportRecord(*row)


def list_exported(
    connection: Connection, export_id: UUID, *, after: UUID | None = None, limit: int = 50
) -> list[ReceivedInvoice]:
    """The invoices in an export."""
    rows = connection.execute(
        text(
            f"""{_RECEIVED}
                where r.organization_id = (select organizations.current()) and r.id = any (array(
                      select x.received_invoice_id from intake.export_invoice x
                      where x.organization_id = (select organizations.current()) and x.export_id = :export))
                  and (cast(:after as uuid) is null or r.id < cast(:after as uuid))
                order by r.id desc limit :limit"""
        ),
        {"export": export_id, "after": after, "limit": limit},
    )
    return [ReceivedInvoice(*row) for row in rows]


_IN_REVIEW = """r.status = 'PARSED' and exists (
               select from intake.review_reason w
               where w.organization_id = r.organization_id and w.received_invoice_id = r.id
                 and w.processing_version = r.processing_version)"""
_CONDITIONS = {
    "statuses": "r.status = any (cast(:statuses as text[]))",
    "in_review": f"{_IN_REVIEW} and :in_review",
    "not_in_review": f"not ({_IN_REVIEW}) and :not_in_review",
    "seller": "strpos(lower(concat_ws(E'\\n', r.seller_name, r.unconfirmed_seller)), lower(:seller)) > 0",
    "number": "r.invoice_key = :number",
    "arrived_from": "r.created_at >= :arrived_from",
    "issued_from": "r.issue_date >= :issued_from",
    "issued_until": "r.issue_date <= :issued_until",
    "gross_from": "r.gross_amount >= :gross_from",
    "gross_until": "r.gross_amount <= :gross_until",
    "currency": "r.currency = :currency",
    "words": """strpos(lower(concat_ws(E'\\n', u.file_name, r.invoice_number, r.seller_name, r.unconfirmed_seller,
                                      r.buyer_name, r.order_reference, r.buyer_reference, r.iban)),
                          lower(:words)) > 0""",
    "after": "r.id < cast(:after as uuid)",
}
_RECEIVED = f"""
    select r.id, r.upload_id, u.file_name, r.status, r.processing_version,
           {_IN_REVIEW},
           e.code, e.message, r.invoice_number, r.type_code, r.issue_date, r.due_date, r.seller_name, r.seller_vat_id,
           r.unconfirmed_seller, r.buyer_name, r.currency, r.net_amount, r.tax_amount, r.gross_amount, r.iban, r.format,
           r.profile, r.source, r.confidence, r.created_at, r.created_by, r.last_processed_at
    from intake.received_invoice r
    cross join lateral (
        select u.file_name from intake.upload u
        where u.organization_id = r.organization_id and u.id between r.upload_id and r.upload_id order by u.id) u
    left join lateral (
        select e.code, e.message from intake.processing_error e
        where r.status = 'FAILED' and e.organization_id = r.organization_id and e.received_invoice_id = r.id
        order by e.id desc limit 1) e on true"""
_UPLOADS = """
    select u.id, u.file_name, u.sha256, u.size_bytes, u.media_type, u.source, u.received_at, u.created_by,
           r.id, r.status
    from intake.upload u
    left join lateral (
        select r.id, r.status from intake.received_invoice r
        where r.upload_id between u.id and u.id and r.organization_id = u.organization_id
        order by r.upload_id) r on true"""
_EXPORTS = """
    select id, export_number, format, status, invoice_count, files, created_at, created_by, completed_at
    from intake.export where organization_id = (select organizations.current())"""


def _of_invoice(connection: Connection, model: type[Any], relation: str, order: str, invoice_id: UUID) -> list[Any]:
    rows = connection.execute(
        text(
            f"""select {", ".join(model.__slots__)} from {relation}
                where organization_id = organizations.current() and received_invoice_id = :id order by {order}"""
        ),
        {"id": invoice_id},
    )
    return [model(*row) for row in rows]
