"""What answers about received invoices are made of."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pydantic import ConfigDict

from invoice_pipelines.intake.review.fields import FIELDS
from invoice_pipelines.intake.review.show import Document, ReadValue
from invoice_pipelines.intake.states import Status
from invoice_pipelines.web.values import Amount, Answer, Day, Instant

INVOICE_EXAMPLE: dict[str, Any] = {
    "id": "0199a1b2-0000-7000-8000-000000000012",
    "upload_id": "0199a1b2-0000-7000-8000-000000000011",
    "file_name": "rechnung-4711.pdf",
    "status": "PARSED",
    "processing_version": 2,
    "in_review": True,
    "code": None,
    "message": None,
    "invoice_number": "2026-4711",
    "type_code": "380",
    "issue_date": "2026-03-05",
    "due_date": "2026-04-04",
    "seller_name": "Zimmerei Holzwurm GmbH",
    "seller_vat_id": "DE136695976",
    "unconfirmed_seller": None,
    "buyer_name": "Kunde AG",
    "currency": "EUR",
    "net_amount": "1000.00",
    "tax_amount": "190.00",
    "gross_amount": "1190.00",
    "iban": "DE02120300000000202051",
    "format": "PDF",
    "profile": None,
    "source": "text",
    "confidence": "0.810",
    "created_at": "2026-03-31T12:00:00Z",
    "created_by": "token shop",
    "last_processed_at": "2026-03-31T12:00:04Z",
}
REASON_EXAMPLE: dict[str, Any] = {
    "code": "LOW_CONFIDENCE",
    "field": "gross_amount",
    "message": "The total with VAT 1190.00 was read with confidence 0.81, below 0.95.",
    "message_de": "Gesamtbetrag 1190.00 wurde mit der Sicherheit 0.81 gelesen, unter 0.95.",
    "value": "1190.00",
    "confidence": 0.81,
    "must_be_corrected": False,
}
DOCUMENT_EXAMPLE: dict[str, Any] = {
    "values": [
        {
            "field": "gross_amount",
            "label": "total with VAT",
            "label_de": "Gesamtbetrag",
            "value": "1190.00",
            "unconfirmed": None,
            "source": "text",
            "engine": None,
            "confidence": 0.81,
            "page": 1,
            "box": [482.0, 523.2, 545.0, 534.1],
            "text": "1.190,00",
        }
    ],
    "pages": [{"number": 1, "width": 595.3, "height": 841.9}],
    "reasons": [REASON_EXAMPLE],
    "violations": [],
    "remarks": [],
    "decisions": [
        {
            "number": 1,
            "decision": "corrected",
            "field": "invoice_number",
            "code": None,
            "old_value": None,
            "new_value": "2026-4711",
            "page": 1,
            "box": [450.0, 220.9, 482.3, 232.0],
            "reason": None,
            "act": 1,
            "undoes": None,
            "decided_by": "anna@example.com",
            "decided_at": "2026-03-31T12:10:00Z",
        }
    ],
    "can_be_undone": True,
    "claim": {
        "claimed_by": "anna@example.com",
        "claimed_at": "2026-03-31T12:09:00Z",
        "expires_at": "2026-03-31T12:24:00Z",
    },
    "postponed_until": None,
    "notes": [
        {
            "id": "0199a1b2-0000-7000-8000-000000000015",
            "note": "The supplier confirmed the total.",
            "created_at": "2026-03-31T12:10:00Z",
            "created_by": "anna@example.com",
        }
    ],
}


class ReceivedInvoice(Answer):
    """A received invoice as it stands. `code` and `message` say why one failed; `in_review` waits for a person.
    `unconfirmed_seller` was read unsurely on a simplified invoice, which passes without it.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [INVOICE_EXAMPLE]})

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
    issue_date: Day | None
    due_date: Day | None
    seller_name: str | None
    seller_vat_id: str | None
    unconfirmed_seller: str | None
    buyer_name: str | None
    currency: str | None
    net_amount: Amount | None
    tax_amount: Amount | None
    gross_amount: Amount | None
    iban: str | None
    format: str | None
    profile: str | None
    source: str | None
    confidence: Amount | None
    created_at: Instant
    created_by: str
    last_processed_at: Instant | None


class Reason(Answer):
    """Why an invoice waits for a person. One that `must_be_corrected` does not go away by accepting what was read."""

    model_config = ConfigDict(json_schema_extra={"examples": [REASON_EXAMPLE]})

    code: str
    field: str | None
    message: str
    message_de: str
    value: str | None
    confidence: float | None
    must_be_corrected: bool


class Value(Answer):
    """A value as it was read: from where, how surely (0 to 1), and where it stands. `box` is left, top, right, bottom
    in points, on the page as its picture shows it; `text` is what is printed there. `unconfirmed` is what was read
    unsurely and left out, as nobody is asked for it.
    """

    field: str
    label: str
    label_de: str
    value: str | None
    unconfirmed: str | None
    source: str | None
    engine: str | None
    confidence: float | None
    page: int | None
    box: tuple[float, float, float, float] | None
    text: str | None


class PageSize(Answer):
    """A page with words, in points: the width and height of its picture stand for these."""

    number: int
    width: float
    height: float


class Violation(Answer):
    """What the newest verdict finds wrong."""

    rule: str
    severity: str
    message: str
    message_de: str


class Decision(Answer):
    """What somebody decided. What was decided together has the same `act`; `undoes` is the act that is taken back."""

    number: int
    decision: str
    field: str | None
    code: str | None
    old_value: str | None
    new_value: str | None
    page: int | None
    box: tuple[float, float, float, float] | None
    reason: str | None
    act: int | None
    undoes: int | None
    decided_by: str
    decided_at: Instant


class Claim(Answer):
    """Who is at a review: until it expires or is released, nobody else decides about it."""

    model_config = ConfigDict(json_schema_extra={"examples": [DOCUMENT_EXAMPLE["claim"]]})

    claimed_by: str
    claimed_at: Instant
    expires_at: Instant


class Note(Answer):
    """What somebody wrote beside an invoice."""

    model_config = ConfigDict(json_schema_extra={"examples": [DOCUMENT_EXAMPLE["notes"][0]]})

    id: UUID
    note: str
    created_at: Instant
    created_by: str


class Reading(Answer):
    """All that was read on a document, and what people made of it."""

    values: list[Value]
    pages: list[PageSize]
    reasons: list[Reason]
    violations: list[Violation]
    remarks: list[str]
    decisions: list[Decision]
    can_be_undone: bool
    claim: Claim | None
    postponed_until: Instant | None
    notes: list[Note]


def reading_of(document: Document) -> dict[str, Any]:
    """The fields of a `Reading`."""
    return {
        "values": [_value(value) for value in document.values],
        "pages": document.pages,
        "reasons": document.reasons,
        "violations": document.violations,
        "remarks": document.remarks,
        "decisions": [
            {name: getattr(made.entry, name) for name in made.entry.__slots__}
            | {"number": made.number, "act": made.act, "decided_by": made.decided_by, "decided_at": made.decided_at}
            for made in document.decisions
        ],
        "can_be_undone": document.can_be_undone,
        "claim": document.claim,
        "postponed_until": document.postponed_until,
        "notes": document.notes,
    }


def _value(read: ReadValue) -> dict[str, Any]:
    place = read.place
    return {
        "field": read.field,
        "label": read.label,
        "label_de": FIELDS[read.field].label_de,
        "value": read.value,
        "unconfirmed": read.unconfirmed,
        "source": None if place is None else place.source,
        "engine": None if place is None else place.engine,
        "confidence": None if place is None else place.confidence,
        "page": None if place is None else place.page,
        "box": None if place is None else place.box,
        "text": None if place is None else place.text,
    }
