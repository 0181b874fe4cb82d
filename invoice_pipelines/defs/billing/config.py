"""What a person types into the launchpad, as a request of billing."""

from __future__ import annotations

from datetime import date

import dagster as dg
from pydantic import Field

from invoice_pipelines.billing.requests import RequestOptions, parse_date
from invoice_pipelines.defs.choices import Channel


class RequestConfig(dg.Config):
    """What each request says beside what is invoiced and when: when it is due, and what follows."""

    due_days: int = Field(default=0, description="Days from the issue date until the invoices are due.")
    language: str | None = Field(
        default=None, description="Two letters, such as de; without any, that of the customer or the organization."
    )
    generate_pdf: bool = Field(default=False, description="Make the PDF of each invoice once it is issued.")
    send_immediately: bool = Field(
        default=False, description="Send each invoice to its customer, by communication_method."
    )
    communication_method: Channel | None = Field(default=None, description="Goes with send_immediately.")

    def options(self, invoice_date: date | None) -> RequestOptions:
        """As a request wants it; what is wrong is told there."""
        return {
            "invoice_date": invoice_date,
            "due_days": self.due_days,
            "language": self.language,
            "generate_pdf": self.generate_pdf,
            "send_immediately": self.send_immediately,
            "communication_method": self.communication_method,
        }


def as_date(field: str, value: str | None) -> date | None:
    """A date in ISO form. Raises BillingError that names the field."""
    return None if value is None else parse_date(field, value)
