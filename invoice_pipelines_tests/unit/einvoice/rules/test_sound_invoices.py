"""What is written of an invoice that keeps the rules keeps them, in both syntaxes."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from invoice_pipelines.einvoice import Invoice, Profile, Syntax, validate, write
from invoice_pipelines_tests.support.einvoice.sound import CATEGORIES, sound_invoice, sound_invoices
from invoice_pipelines_tests.support.sizes import example_count

SYNTAXES = pytest.mark.parametrize("syntax", [Syntax.UBL, Syntax.CII])
PROFILES = pytest.mark.parametrize("profile", list(Profile))


def found(invoice: Invoice, syntax: Syntax) -> list[tuple[str, str]]:
    return [(each.rule, each.message) for each in validate(write(invoice, syntax)).violations]


@SYNTAXES
@PROFILES
@pytest.mark.parametrize("category", CATEGORIES)
def test_an_invoice_with_every_term_breaks_no_rule(category: str, profile: Profile, syntax: Syntax) -> None:
    for type_code in ("380", "381"):
        assert found(sound_invoice(category, profile, type_code), syntax) == []


@SYNTAXES
@PROFILES
@settings(max_examples=example_count(200), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_any_sound_invoice_breaks_no_rule(profile: Profile, syntax: Syntax, data: st.DataObject) -> None:
    assert found(data.draw(sound_invoices(profile)), syntax) == []
