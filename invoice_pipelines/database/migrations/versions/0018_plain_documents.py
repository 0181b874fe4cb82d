"""Delivery: PDFs without XML, of invoices that cannot be e-invoices."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """alter table delivery.invoice_document
               add column plain_reason text,
               drop constraint invoice_document_format_check,
               drop constraint invoice_document_check,
               drop constraint invoice_document_check1,
               add constraint invoice_document_format_check
                   check (format in ('zugferd', 'xrechnung_cii', 'xrechnung_ubl', 'plain')),
               add constraint pages_are_of_pdfs check ((format in ('zugferd', 'plain')) = (pages is not null)),
               add constraint templates_are_of_pdfs check (
                   (format in ('zugferd', 'plain')) = (template_sha256 is not null)),
               add constraint reason_is_of_plain_ones check (format = 'plain' or plain_reason is null)"""
    )
    op.execute(
        """comment on column delivery.invoice_document.format is
               'zugferd: PDF/A-3 with the EN 16931 XML of ZUGFeRD/Factur-X inside; xrechnung_cii, xrechnung_ubl: XML
                alone; plain: PDF/A-3 without XML'"""
    )
    op.execute(
        """comment on column delivery.invoice_document.plain_reason is
               'why it has no XML although one was asked for; null: it was asked for as it is'"""
    )


def downgrade() -> None:
    op.execute("drop view if exists public.invoice_documents")
    op.execute("alter table delivery.invoice_document disable trigger user")
    op.execute("delete from delivery.invoice_document where format = 'plain'")
    op.execute("alter table delivery.invoice_document enable trigger user")
    op.execute(
        """alter table delivery.invoice_document
               drop constraint invoice_document_format_check,
               drop constraint pages_are_of_pdfs,
               drop constraint templates_are_of_pdfs,
               drop column plain_reason,
               add constraint invoice_document_format_check
                   check (format in ('zugferd', 'xrechnung_cii', 'xrechnung_ubl')),
               add check ((format = 'zugferd') = (pages is not null)),
               add check ((format = 'zugferd') = (template_sha256 is not null))"""
    )
