"""German messages: there for what users meet, and never half-filled."""

from __future__ import annotations

import pytest

from invoice_pipelines.intake.validation import business_rules
from invoice_pipelines.intake.validation.messages import german_message
from invoice_pipelines_tests.intake.validation.specimens import UBL

CATEGORIES = ("S", "Z", "E", "AE", "IC", "G", "O", "AF", "AG", "IG", "IP")


@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize("number", range(1, 11))
def test_the_rules_of_each_vat_category_have_a_german_text(category: str, number: int) -> None:
    text = german_message(f"BR-{category}-{number:02}")
    assert text is not None
    assert "{" not in text


@pytest.mark.parametrize(
    "rule", [*(f"BR-{n:02}" for n in range(1, 34)), *(f"BR-CO-{n}" for n in range(10, 27)), "BR-DE-1", "BR-DE-23-a"]
)
def test_frequent_rules_have_a_german_text(rule: str) -> None:
    assert german_message(rule)


def test_a_rule_without_german_text_keeps_the_english_one() -> None:
    assert german_message("UBL-CR-001") is None
    (violation,) = business_rules(
        UBL.replace("<cbc:ID>2026", "<cbc:CopyIndicator>false</cbc:CopyIndicator><cbc:ID>2026").encode()
    )
    assert violation.rule == "UBL-CR-004"
    assert violation.message_de == violation.message


def test_a_broken_rule_speaks_both_languages() -> None:
    (violation,) = business_rules(UBL.replace(">119.00</cbc:TaxInc", ">118.00</cbc:TaxInc").encode())[:1]
    assert violation.message.startswith("Invoice total amount with VAT (BT-112)")
    assert violation.message_de.startswith("Der Gesamtbetrag mit Umsatzsteuer (BT-112)")
