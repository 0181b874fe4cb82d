"""Whatever an invoice says, it is booked in full or refused with a reason, and no row breaks an expression."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import event, given, settings
from hypothesis import strategies as st

from invoice_pipelines.einvoice.model import Address, AllowanceCharge, Line, Party, TaxBreakdown
from invoice_pipelines.intake.exports.datev.accounts.rules import RuleSet, check_rules
from invoice_pipelines.intake.exports.datev.batch_file import batch_file, split_into_files
from invoice_pipelines.intake.exports.datev.bookings import Booking, bookings_of
from invoice_pipelines.intake.exports.datev.document_numbers import encode, shortened
from invoice_pipelines.intake.exports.datev.errors import Refusal, Refused
from invoice_pipelines.intake.exports.datev.parts import CREDIT_TYPES, take_apart
from invoice_pipelines.intake.exports.datev.settings import checked_settings
from invoice_pipelines_tests.support.intake.exports.datev.books import invoice
from invoice_pipelines_tests.support.intake.exports.datev.validator import needs_expressions, violations
from invoice_pipelines_tests.support.sizes import example_count
from invoice_pipelines_tests.unit.intake.exports.datev.test_batch_file import WRITTEN

SETTINGS = checked_settings(consultant=1001, client=1, chart="SKR03", also_booked_types=("877",))
RULES, _ = check_rules(
    [
        {"account": "4930", "line_text": "a", "priority": "1"},
        {"account": "3400", "rate": "19", "region": "DE", "priority": "2"},
        {"account": "4900", "seller": "DE*"},
        {"account": "4980", "tax_key": "none"},
    ],
    SETTINGS.accounts,
)
words = st.text(max_size=20) | st.sampled_from(["a", "S", "K", "AE", "19", "380", "381", "EUR", "DE1", '"";\r\n'])
maybe = st.none() | words
amounts = st.one_of(
    st.integers(-(10**13), 10**13).map(lambda cents: Decimal(cents) / 100),
    st.integers(1, 10**6).map(lambda cents: Decimal(cents) / 100),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.sampled_from([Decimal(0), Decimal("0.00"), Decimal("19"), Decimal("100.00"), Decimal("1E+30"), Decimal("-0")]),
)
rates = st.none() | st.sampled_from([Decimal(0), Decimal(7), Decimal("19.00"), Decimal("1E+30"), Decimal(-100)])
categories = st.none() | st.sampled_from(["S", "K", "AE", "E", "Z", "O", "G"]) | words
breakdowns = st.builds(TaxBreakdown, st.none() | amounts, st.none() | amounts, categories, rates)
lines = st.builds(Line, name=maybe, kind=maybe, net_amount=st.none() | amounts, tax_category=categories, tax_rate=rates)
charges = st.builds(
    AllowanceCharge, st.booleans(), amount=amounts, tax_category=categories, tax_rate=rates, reason=maybe
)
parties = st.builds(
    Party, name=maybe, vat_id=maybe, tax_id=maybe, address=st.none() | st.builds(Address, country_code=maybe)
)


@needs_expressions
@settings(max_examples=example_count(600))
@given(
    taxes=st.lists(breakdowns, max_size=3),
    adds_up=st.booleans(),
    changes=st.fixed_dictionaries(
        {},
        optional={
            "number": maybe,
            "type_code": maybe,
            "currency": maybe,
            "issue_date": st.none() | st.dates(),
            "due_date": st.none() | st.dates(),
            "seller": parties,
            "gross_amount": st.none() | amounts,
            "lines": st.lists(lines, max_size=3).map(tuple),
            "allowances_charges": st.lists(charges, max_size=2).map(tuple),
        },
    ),
    rate=st.none() | st.decimals(Decimal("0.000001"), Decimal(10_000_000), places=6),
)
def test_any_invoice_is_booked_in_full_or_refused(
    taxes: list[TaxBreakdown], adds_up: bool, changes: dict[str, Any], rate: Decimal | None
) -> None:
    if adds_up:
        changes.pop("gross_amount", None)
    reading = invoice(*taxes, **changes)
    number = reading.number or "none"
    refusals: Sequence[Refusal] = ()
    bookings: list[Booking] = []
    try:
        parts = take_apart(reading, SETTINGS, RuleSet(1, tuple(RULES)))
        bookings = bookings_of(
            reading,
            parts,
            account="70000",
            document_field=encode(number) or shortened(number),
            rate=None if reading.currency == "EUR" else rate or Decimal("1.1"),
            document_guid=UUID(int=1),
        )
    except Refused as refused:
        refusals = refused.refusals
    event("refused" if refusals else "booked")
    if refusals:
        assert all(refusal.code.isupper() and refusal.message for refusal in refusals)
        return
    sign = -1 if reading.type_code in CREDIT_TYPES else 1
    assert reading.gross_amount is not None
    assert sum((booking.invoice_amount for booking in bookings), Decimal(0)) == sign * reading.gross_amount
    for content in split_into_files([bookings], SETTINGS):
        if content:
            assert violations(batch_file(content, SETTINGS, created_at=WRITTEN, label="x")) == []


def test_a_date_at_the_edge_of_what_can_be_written_is_booked() -> None:
    for day in (date(2000, 1, 1), date(2099, 12, 31)):
        rules = RuleSet(1, tuple(check_rules([{"account": "4980", "tax_key": "none"}], SETTINGS.accounts)[0]))
        reading = invoice(issue_date=day, due_date=None)
        parts = take_apart(reading, SETTINGS, rules)
        bookings = bookings_of(
            reading, parts, account="70000", document_field="1", rate=None, document_guid=UUID(int=1)
        )
        assert batch_file(bookings, SETTINGS, created_at=WRITTEN, label="x")
