"""Requests for documents: the job that one becomes, and the invoices that lack documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError, model_validator
from sqlalchemy import Connection, text

from invoice_pipelines.delivery.values import MAKE_DOCUMENTS, DeliveryError, DocumentFormat
from invoice_pipelines.work import BatchAnswer, ask

SECONDS_PER_DOCUMENT = 0.02
"""As long as the organization has made none."""


class DocumentRequest(BaseModel):
    """What is to be made of each invoice; the parameters of the batch job.

    Without `language` it is that of the invoice. What exists is made again with `renew` only, as a new version where
    anything of it would differ. `combined` and `zip` put all documents of the job into one file.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    formats: tuple[DocumentFormat, ...] = Field(default=(DocumentFormat.ZUGFERD,), min_length=1)
    language: Annotated[str, Field(pattern=r"^[a-z]{2}$")] | None = None
    renew: StrictBool = False
    combined: StrictBool = False
    zip: StrictBool = False

    @model_validator(mode="after")
    def _is_possible(self) -> DocumentRequest:
        if len(set(self.formats)) < len(self.formats):
            raise ValueError("a format is listed twice")
        if self.combined and not any(format.is_pdf for format in self.formats):
            raise ValueError("XRechnung has no pages that could be combined")
        return self

    @staticmethod
    def of(parameters: Mapping[str, Any]) -> DocumentRequest:
        """The request of a job. Raises DeliveryError that names what is wrong."""
        try:
            return DocumentRequest.model_validate(parameters)
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(map(str, item['loc'])) or 'request'}: {item['msg'].removeprefix('Value error, ')}"
                for item in error.errors()
            )
            raise DeliveryError(f"This request for documents is not valid. {problems}.") from None


def ask_for_documents(
    connection: Connection, invoice_ids: Iterable[UUID | str], request: DocumentRequest, *, created_by: str
) -> BatchAnswer:
    """Asks for documents of issued invoices as a batch job.

    An id that is unknown becomes an item that fails with a reason.
    """
    return ask(
        connection,
        MAKE_DOCUMENTS,
        invoice_ids,
        request.model_dump(mode="json"),
        created_by=created_by,
        seconds_per_item=SECONDS_PER_DOCUMENT * len(request.formats),
    )


def all_invoices_without_documents(connection: Connection, request: DocumentRequest) -> list[UUID]:
    """Issued invoices and credit notes of the organization in scope that lack a document that is asked for, the oldest
    first. Void ones are left out, as nothing is made of them.
    """
    rows = connection.execute(
        text(
            """select i.id from billing.issued_invoice i
               where i.organization_id = organizations.current() and i.status <> 'void'
                 and exists (
                     select from unnest(cast(:formats as text[])) f (format)
                     where not exists (
                         select from delivery.invoice_document d
                         where d.organization_id = i.organization_id and d.invoice_id = i.id
                           and (d.format = f.format or f.format = 'zugferd' and d.plain_reason is not null)
                           and (cast(:language as text) is null or d.language = :language)))
               order by i.id"""
        ),
        {"formats": [format.value for format in request.formats], "language": request.language},
    )
    return list(rows.scalars())
