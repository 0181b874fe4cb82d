"""Writes one document of an issued invoice, and hashes all that decides its look. No database, no files.

It runs in the processes of `pool`, which keep the renderer warm and store what is written.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from invoice_pipelines.billing.issued_invoices import InvoiceStatus, IssuedInvoice
from invoice_pipelines.delivery.einvoice import Seller, impossible, lacking, write_xml
from invoice_pipelines.delivery.rendering.bundle import TemplateBundle
from invoice_pipelines.delivery.rendering.errors import TemplateError
from invoice_pipelines.delivery.rendering.language.exemptions import with_reasons_in
from invoice_pipelines.delivery.rendering.page_data import payment_terms_of
from invoice_pipelines.delivery.rendering.renderer import ENGINE, Look, Renderer, catalogue_in
from invoice_pipelines.delivery.values import DocumentFormat
from invoice_pipelines.organizations import Organization

CODE_VERSION = "4"
"""Raise it with any change of code after which the same invoice makes another document: `renew` goes by it."""

XML_ENGINE = f"invoice_pipelines {CODE_VERSION}"

_NOT_PRINTED = frozenset({"created_at", "created_by", "batch_job_id", "void_reason", "voided_at", "voided_by"})
_SETTLEMENT = frozenset({"status", "amount_paid", "amount_credited", "amount_due"})
_UNSAFE = re.compile(r"[^\w.-]+")


@dataclass(frozen=True, slots=True)
class Stationery:
    """What all documents of an organization have in common until somebody changes it, and the setting that says where
    they are kept. `key` stands for all that decides what they look like.
    """

    bundle: TemplateBundle
    look: Look
    organization: Organization
    documents_root: str
    key: str

    @staticmethod
    def of(organization: Organization, bundle: TemplateBundle, documents_root: str) -> Stationery:
        look = Look.of(organization)
        key = _sha256([bundle.sha256, look, Seller.of(organization)])
        return Stationery(bundle, look, organization, documents_root, key)


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """A document to be made. `plain_reason` says why it is a plain one where an e-invoice was asked for."""

    invoice: IssuedInvoice
    format: DocumentFormat
    language: str
    plain_reason: str | None = None

    @property
    def key(self) -> tuple[UUID, DocumentFormat, str]:
        """As that of the document; see `rows`."""
        return self.invoice.id, self.format, self.language

    @staticmethod
    def of(invoice: IssuedInvoice, format: DocumentFormat, language: str) -> Task:
        """The document that stands for a format: a PDF without XML where no XML can say what the invoice says."""
        reason = impossible(as_issued(invoice)) if format is DocumentFormat.ZUGFERD else None
        return Task(invoice, DocumentFormat.PLAIN if reason else format, language, reason)


@dataclass(frozen=True, slots=True)
class Origin:
    """What a document was made of and with, as its row says. XML alone has neither template nor pages."""

    input_sha256: str
    engine: str
    template_sha256: str | None = None
    pages: int | None = None
    missing_glyphs: str | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """A document, not stored yet."""

    data: bytes
    origin: Origin


@dataclass(frozen=True, slots=True)
class Made:
    """A document that is written and stored."""

    sha256: str
    size_bytes: int
    origin: Origin


@dataclass(frozen=True, slots=True)
class NotMade:
    """Why a document was not made: a code and one line, as in work.Failed. `is_of_all`: no other would fare better."""

    code: str
    message: str
    retry: bool = False
    is_of_all: bool = False


class Writer:
    """Writes documents on the stationery of one organization."""

    def __init__(self, stationery: Stationery) -> None:
        self._stationery = stationery

    @cached_property
    def _renderer(self) -> Renderer:
        return Renderer(self._stationery.bundle, self._stationery.look)

    def write(self, task: Task) -> Written | NotMade:
        """One document; whatever is wrong with it is the answer, not an exception."""
        try:
            return self._write(task)
        except TemplateError as error:
            return NotMade("TEMPLATE", str(error), is_of_all=task.format is not DocumentFormat.PLAIN)
        except Exception as error:  # noqa: BLE001 (whatever a library raises for a document is about that document)
            lines = str(error).strip().splitlines() or [""]
            return NotMade("NOT_MADE", f"{type(error).__name__}: {lines[0]}", retry=True)

    def _write(self, task: Task) -> Written | NotMade:
        stationery = self._stationery
        look, decided = stationery.look, input_sha256(stationery, task)
        catalogue = catalogue_in(stationery.bundle, look, task.language)
        invoice = with_reasons_in(catalogue, as_issued(task.invoice), look.language)
        xml = None
        if task.format is not DocumentFormat.PLAIN:
            seller = Seller.of(stationery.organization, payment_terms_of(invoice, look.settings, catalogue))
            if reasons := lacking(invoice, seller, task.format):
                return NotMade("LACKS_DATA", " ".join(reasons))
            xml = write_xml(invoice, seller, task.format)
            if not task.format.is_pdf:
                return Written(xml, Origin(decided, XML_ENGINE))
        page = self._renderer.render(invoice, xml, language=task.language)
        return Written(page.pdf, Origin(decided, ENGINE, stationery.bundle.sha256, page.pages, page.missing_glyphs))


def as_issued(invoice: IssuedInvoice) -> IssuedInvoice:
    """The invoice as it was issued: a document made a year later does not speak of payments. But it asks for none where
    nothing is due any more.
    """
    nothing = Decimal(0)
    return replace(
        invoice,
        status=InvoiceStatus.ISSUED,
        amount_paid=nothing,
        amount_credited=nothing,
        amount_due=invoice.gross_amount if invoice.amount_due else nothing,
    )


def input_sha256(stationery: Stationery, task: Task) -> str:
    """Of all that decides what a document looks like: two with the same are the same."""
    invoice = {
        name: getattr(task.invoice, name)
        for name in _names(IssuedInvoice)
        if name not in _NOT_PRINTED and name not in _SETTLEMENT
    }
    engine = ENGINE if task.format.is_pdf else XML_ENGINE
    settled = ["settled"] if _is_settled(task.invoice) else []
    return _sha256([invoice, stationery.key, task.language, task.format, engine, CODE_VERSION, *settled])


def as_made_before(stationery: Stationery, task: Task, input_sha256_before: str) -> Task:
    """The task as it was when a document was made of it: what was paid since changes none that there is already."""
    if not _is_settled(task.invoice):
        return task
    unsettled = replace(task, invoice=replace(task.invoice, amount_due=task.invoice.gross_amount))
    return unsettled if input_sha256(stationery, unsettled) == input_sha256_before else task


def _is_settled(invoice: IssuedInvoice) -> bool:
    return bool(invoice.gross_amount) and not invoice.amount_due


def file_name(invoice_number: str, format: DocumentFormat) -> str:
    """Of a document for whoever gets it: letters, digits, `.`, `_` and `-` only."""
    stem = _UNSAFE.sub("_", invoice_number).strip("._") or "invoice"
    if format.is_pdf:
        return f"{stem}.pdf"
    return f"{stem}_{format.value.removeprefix('xrechnung_')}.xml"


def _sha256(value: object) -> str:
    text = json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _plain(value: Any) -> Any:
    """As JSON has it; numbers as text, with all their digits."""
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, (tuple, list)):
        return [_plain(element) for element in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {name: _plain(getattr(value, name)) for name in _names(type(value))}
    if isinstance(value, BaseModel):
        return _plain(value.model_dump())
    if isinstance(value, Mapping):
        return {str(name): _plain(element) for name, element in value.items()}
    return str(value)


@lru_cache(maxsize=64)
def _names(model: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(model))
