"""Holds how what a person typed into the launchpad becomes a request, or a failure that names the field."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from invoice_pipelines.billing.errors import BillingError
from invoice_pipelines.delivery.values import DeliveryError
from invoice_pipelines.organizations import OrganizationError

FORMATS = (
    "zugferd: a PDF with the XML of the e-invoice in it; xrechnung_cii, xrechnung_ubl: XML alone. Any number of them."
)
LANGUAGE = "Two letters, such as de; without any, that of the invoice."


@contextmanager
def refusals_fail_the_run() -> Iterator[None]:
    """Lets a run fail with the one line that says what is wrong, instead of a traceback; it is not tried again."""
    try:
        yield
    except (BillingError, DeliveryError, OrganizationError) as error:
        raise dg.Failure(str(error), allow_retries=False) from None
