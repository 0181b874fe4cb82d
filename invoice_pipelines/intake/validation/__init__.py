"""Validates received invoices: `validate` gives a `Verdict` of schema, business rules and this project's own rules.

It judges and never corrects: no amount is recomputed, no field filled in.
"""

from __future__ import annotations

from invoice_pipelines.intake.validation.business_rules import business_rules
from invoice_pipelines.intake.validation.content import Expectations
from invoice_pipelines.intake.validation.duplicates import EarlierInvoice
from invoice_pipelines.intake.validation.rule_files import RulesDirectoryError
from invoice_pipelines.intake.validation.validate import validate
from invoice_pipelines.intake.validation.verdict import Severity, Verdict, Violation, ViolationClass

__all__ = [
    "EarlierInvoice",
    "Expectations",
    "RulesDirectoryError",
    "Severity",
    "Verdict",
    "Violation",
    "ViolationClass",
    "business_rules",
    "validate",
]
