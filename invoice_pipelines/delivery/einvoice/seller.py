"""Facts about the seller that an invoice states beyond the snapshot taken when it was issued."""

from __future__ import annotations

from dataclasses import dataclass

from invoice_pipelines.organizations import Organization


@dataclass(frozen=True, slots=True)
class Seller:
    """What the organization says in its settings today, and the payment terms of this invoice as the page has them."""

    contact_name: str | None = None
    """BT-41"""
    contact_phone: str | None = None
    """BT-42"""
    contact_email: str | None = None
    """BT-43, and the electronic address BT-34"""
    bic: str | None = None
    """BT-86"""
    account_name: str | None = None
    """BT-85"""
    payment_terms: str | None = None
    """BT-20"""
    legal_text: str | None = None
    """BT-33"""
    iban: str | None = None
    """The account that `bic` belongs to: an invoice that names another one is written without BIC."""

    @classmethod
    def of(cls, organization: Organization, payment_terms: str | None = None) -> Seller:
        """What an organization has set, with the payment terms of the invoice that it is for."""
        chosen = organization.settings.documents
        return cls(
            contact_name=chosen.contact_name,
            contact_phone=chosen.contact_phone,
            contact_email=chosen.contact_email,
            bic=chosen.bic,
            account_name=organization.name,
            payment_terms=payment_terms,
            legal_text=chosen.legal_text,
            iban=organization.iban,
        )
