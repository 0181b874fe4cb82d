"""What people may type: each field by its type, refused with what to write instead."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoice_pipelines.einvoice.model import TaxBreakdown
from invoice_pipelines.intake.reading import Provenance, Source
from invoice_pipelines.intake.review.fields import (
    FIELDS,
    WrongValue,
    field_of,
    parse_value,
    shown,
    stored_value,
    value_of,
    with_value,
)
from invoice_pipelines_tests.integration.intake.conftest import make_reading

PERSON = Provenance(Source.PERSON, 1.0)
VALUES: dict[str, Any] = {
    "number": "R-1",
    "issue_date": date(2026, 2, 28),
    "type_code": "381",
    "currency": "CHF",
    "due_date": date(2026, 4, 1),
    "delivery.date": date(2026, 2, 1),
    "order_reference": "PO 7",
    "buyer_reference": "04011000",
    "seller.name": "Müller & Söhne",
    "seller.vat_id": "DE136695976",
    "seller.tax_id": "12/345/67890",
    "buyer.name": "Kunde",
    "buyer.vat_id": "ATU12345678",
    "iban": "DE02120300000000202051",
    "tax_breakdowns": (
        TaxBreakdown(Decimal("100.00"), Decimal("19.00"), rate=Decimal(19)),
        TaxBreakdown(Decimal("-50.00"), Decimal("-3.50"), rate=Decimal("7.0")),
    ),
    **{name: Decimal("-1234.56") for name in FIELDS if name.endswith(("_amount", "_total"))},
}


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("1234.56", "1234.56"),
        ("1.234,56", "1234.56"),
        ("1,234.56", "1234.56"),
        ("1 234,56", "1234.56"),
        ("1'234.56", "1234.56"),
        ("-5", "-5"),
        ("0,10", "0.10"),
        ("1.234.567,00", "1234567.00"),
    ],
)
def test_amounts_may_be_written_in_any_notation(written: str, amount: str) -> None:
    assert parse_value("gross_amount", written) == Decimal(amount)


@pytest.mark.parametrize(
    "written", ["2026-03-31", "31.03.2026", "31.3.26", "31 March 2026", "31. März 2026", "3/31/2026"]
)
def test_dates_may_be_written_as_people_do(written: str) -> None:
    assert parse_value("issue_date", written) == date(2026, 3, 31)


@pytest.mark.parametrize(
    ("field", "written", "hint"),
    [
        ("gross_amount", "1.234", "two decimals"),
        ("gross_amount", "1,234", "two decimals"),
        ("gross_amount", "12 EUR", "not an amount"),
        ("gross_amount", "NaN", "not an amount"),
        ("gross_amount", "", "not an amount"),
        ("issue_date", "31.3.", "31.03.2026"),
        ("issue_date", "31.03.2026 or later", "31.03.2026"),
        ("issue_date", "04/03/2026", "two days"),
        ("issue_date", "2026-02-30", "2026-03-31"),
        ("currency", "EUO", "ISO 4217"),
        ("iban", "DE02120300000000202052", "check digits"),
        ("number", "  ", "printable"),
        ("number", "x" * 201, "200"),
        ("number", "a\x1b[2Jb", "printable"),
        ("tax_breakdowns", "19: 100", "19 % 100.00 19.00"),
        ("tax_breakdowns", "", "no rate"),
        ("type_code", "invoice", "UNTDID"),
        ("lines", "1", "cannot be corrected"),
        ("seller", "x", "cannot be corrected"),
    ],
)
def test_a_wrong_value_is_refused_with_the_field_and_how_to_write_it(field: str, written: str, hint: str) -> None:
    with pytest.raises(WrongValue, match=hint) as raised:
        parse_value(field, written)
    assert field in str(raised.value)


@pytest.mark.parametrize("field", list(FIELDS))
def test_every_field_can_be_set_read_shown_kept_and_emptied(field: str) -> None:
    value = VALUES[field]
    reading = with_value(make_reading(), field, value, PERSON)
    assert value_of(reading, field) == value
    kept = shown(value)
    assert kept is not None
    assert stored_value(field, kept) == value
    assert PERSON in reading.provenance.values()
    emptied = with_value(reading, field, None, PERSON)
    assert value_of(emptied, field) is None
    assert PERSON not in emptied.provenance.values()


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=2))
def test_an_amount_that_is_shown_is_typed_in_as_the_same(amount: Decimal) -> None:
    assert parse_value("gross_amount", shown(amount) or "") == amount


@given(st.sampled_from(list(FIELDS)), st.text(max_size=40))
def test_whatever_is_typed_is_a_value_that_can_be_kept_or_refused(field: str, written: str) -> None:
    try:
        value = parse_value(field, written)
    except WrongValue:
        return
    assert stored_value(field, shown(value) or "") == value
    assert value_of(with_value(make_reading(), field, value, PERSON), field) == value


def test_paths_of_rules_lead_to_the_field_that_a_person_corrects() -> None:
    assert field_of("payments[0].accounts[0].account_id") == "iban"
    assert field_of("tax_breakdowns[1].tax_amount") == "tax_breakdowns"
    assert field_of("gross_amount") == "gross_amount"
    assert field_of("lines[0].net_amount") is None
    assert field_of(None) is None
