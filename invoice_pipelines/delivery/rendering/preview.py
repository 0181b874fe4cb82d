"""What the documents of an organization look like now: a sample with its own name, settings and template files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection

from invoice_pipelines.billing.issued_invoices import IssuedInvoice, Party
from invoice_pipelines.delivery.rendering.bundle import TemplateBundle
from invoice_pipelines.delivery.rendering.errors import TemplateError
from invoice_pipelines.delivery.rendering.page_picture import page_png
from invoice_pipelines.delivery.rendering.renderer import Look, Renderer
from invoice_pipelines.delivery.rendering.samples import sample_invoice
from invoice_pipelines.delivery.rendering.template_checks import ask_child
from invoice_pipelines.delivery.rendering.template_files import load_bundle
from invoice_pipelines.organizations import Organization
from invoice_pipelines.organizations.registry import organization_in_scope
from invoice_pipelines.processes import Receive, Send, serve

TIME_LIMIT_SECONDS = 30.0
_WIDTH = 1100


@dataclass(frozen=True)
class Preview:
    """A sample that can be drawn, with all that it is made of."""

    bundle: TemplateBundle
    look: Look
    invoice: IssuedInvoice
    language: str

    @property
    def digest(self) -> str:
        """What is another one as soon as the sample looks different."""
        return hashlib.sha256(f"{self.bundle.sha256} {self.look} {self.invoice}".encode()).hexdigest()[:32]


def preview_of(connection: Connection) -> Preview:
    """The sample of the organization in scope, in its own language."""
    organization = organization_in_scope(connection)
    language = organization.settings.language
    invoice = sample_invoice(language, seller=_seller(organization), currency=organization.currency)
    return Preview(load_bundle(connection), Look.of(organization), invoice, language)


def draw(preview: Preview, form: Literal["pdf", "png"]) -> bytes:
    """The sample as a PDF, or its page as a picture. Raises what `ask_child` does."""
    made: bytes = ask_child(__name__, (preview, form), TIME_LIMIT_SECONDS)
    return made


def _seller(organization: Organization) -> Party:
    address = organization.address
    return Party(
        name=organization.name,
        country_code=organization.country_code,
        vat_id=organization.vat_id,
        tax_number=organization.tax_number,
        iban=organization.iban,
        street=address.street,
        additional_street=address.additional_street,
        city=address.city,
        post_code=address.post_code,
    )


def _answer(receive: Receive, send: Send) -> None:
    try:
        preview, form = receive()
        pdf = Renderer(preview.bundle, preview.look).render(preview.invoice, None, language=preview.language).pdf
        send(page_png(pdf, width=_WIDTH) if form == "png" else pdf)
    except TemplateError as error:
        send(error)


if __name__ == "__main__":
    serve(_answer)
