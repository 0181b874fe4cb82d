"""What Peppol asks of numbers of countries (PEPPOL-COMMON-*) and of invoices of sellers there (NO-R-*, DK-R-*, ...)."""

from __future__ import annotations

from invoice_pipelines.einvoice.rules.declarations.national.countries import (
    denmark,
    germany,
    in_cii,
    netherlands,
    north,
    numbers,
    south,
)

RULES = (*numbers.RULES, *germany.RULES, *netherlands.RULES, *denmark.RULES, *north.RULES, *south.RULES, *in_cii.RULES)
