"""The own rules beside arithmetic: what must be there, dates, codes, identifiers, duplicates."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from invoice_pipelines.einvoice.model import Party, Payment, PaymentAccount
from invoice_pipelines.einvoice.rules.verdict import Severity
from invoice_pipelines.intake.reading import Format, Reading, Source
from invoice_pipelines.intake.validation.accounts import KnownAccount
from invoice_pipelines.intake.validation.content import Expectations
from invoice_pipelines.intake.validation.duplicates import EarlierInvoice
from invoice_pipelines_tests.support.intake.validation.specimens import SIMPLE, TODAY, violations_of


def severities(reading: Reading, expectations: Expectations | None = None) -> dict[str, Severity]:
    return {rule: violation.severity for rule, violation in violations_of(reading, expectations).items()}


def test_a_sound_invoice_breaks_no_rule() -> None:
    assert violations_of(SIMPLE) == {}


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"number": None}, "IP-REQ-01"),
        ({"number": "  "}, "IP-REQ-01"),
        ({"issue_date": None}, "IP-REQ-02"),
        ({"seller": Party()}, "IP-REQ-03"),
        ({"currency": None}, "IP-REQ-04"),
        ({"gross_amount": None}, "IP-REQ-05"),
    ],
)
@pytest.mark.parametrize("source", list(Source))
def test_what_a_payment_needs_is_fatal_when_missing_whatever_the_source(
    change: dict[str, Any], rule: str, source: Source
) -> None:
    found = violations_of(replace(SIMPLE, source=source, **change))
    assert found[rule].severity is Severity.FATAL
    assert found[rule].message != found[rule].message_de


def test_missing_optional_detail_of_a_page_is_no_violation() -> None:
    page = replace(
        SIMPLE,
        source=Source.TEXT,
        format=Format.PDF,
        due_date=None,
        type_code=None,
        lines=(),
        line_total=None,
        payable_amount=None,
        tax_breakdowns=(),
    )
    assert violations_of(page) == {}


def test_a_seller_known_by_vat_id_alone_is_enough() -> None:
    assert violations_of(replace(SIMPLE, seller=Party(vat_id="DE136695976"))) == {}


def test_vat_without_any_tax_number_of_the_seller_is_a_warning() -> None:
    assert severities(replace(SIMPLE, seller=Party(name="Muster GmbH"))) == {"IP-REQ-06": Severity.WARNING}
    assert severities(replace(SIMPLE, seller=Party(name="Muster GmbH", tax_id="12/345/67890"))) == {}


@pytest.mark.parametrize("profile", ["minimum", "basicwl"])
def test_profiles_without_lines_are_named_as_booking_aids(profile: str) -> None:
    aid = replace(SIMPLE, format=Format.CII, specification_identifier=f"urn:factur-x.eu:1p0:{profile}", lines=())
    assert severities(aid) == {"IP-PROFILE-01": Severity.WARNING}


def test_zugferd_1_is_named_as_no_e_invoice() -> None:
    assert severities(replace(SIMPLE, format=Format.ZUGFERD1)) == {"IP-PROFILE-02": Severity.WARNING}


def test_an_issue_date_far_in_the_future_is_fatal_and_one_long_ago_a_warning() -> None:
    expectations = Expectations(today=TODAY, future_days=30, past_years=10)
    at_limit = replace(SIMPLE, issue_date=TODAY + timedelta(days=30), due_date=None)
    assert severities(at_limit, expectations) == {}
    beyond = replace(SIMPLE, issue_date=TODAY + timedelta(days=31), due_date=None)
    assert severities(beyond, expectations) == {"IP-DATE-01": Severity.FATAL}
    assert severities(replace(SIMPLE, issue_date=date(2016, 1, 1)), expectations) == {}
    assert severities(replace(SIMPLE, issue_date=date(2015, 12, 31)), expectations) == {"IP-DATE-02": Severity.WARNING}


def test_due_before_issue_is_a_warning() -> None:
    assert severities(replace(SIMPLE, due_date=date(2026, 2, 28))) == {"IP-DATE-03": Severity.WARNING}


@pytest.mark.parametrize("currency", ["EURO", "XXQ", "eur", "€"])
def test_a_currency_outside_iso_4217_is_fatal(currency: str) -> None:
    assert severities(replace(SIMPLE, currency=currency)) == {"IP-CUR-01": Severity.FATAL}


@pytest.mark.parametrize("currency", ["CHF", "VES", "SLE", "JPY"])
def test_currencies_of_iso_4217_are_known(currency: str) -> None:
    assert severities(replace(SIMPLE, currency=currency)) == {}


def test_unknown_and_not_payable_types_are_warnings() -> None:
    assert severities(replace(SIMPLE, type_code="999")) == {"IP-TYPE-01": Severity.WARNING}
    assert severities(replace(SIMPLE, type_code="325")) == {"IP-TYPE-02": Severity.WARNING}


def with_account(account: str) -> Reading:
    return replace(SIMPLE, payments=(Payment(accounts=(PaymentAccount(account),)),))


@pytest.mark.parametrize(
    "account", ["DE75512108001245126199", "de75 5121 0800 1245 1261 99", "NO9386011117947", "123456", "PL-5551"]
)
def test_a_right_iban_and_a_national_account_number_pass(account: str) -> None:
    assert severities(with_account(account)) == {}


@pytest.mark.parametrize("account", ["DE75512108001245126198", "DE7551210800124512619", "SE1212341234123412"])
def test_an_iban_with_wrong_check_digits_or_length_warns(account: str) -> None:
    assert severities(with_account(account)) == {"IP-IBAN-01": Severity.WARNING}


@pytest.mark.parametrize("vat_id", ["DE136695976", "DE 136 695 976", "ATU13585627", "EL094259216", "NO995525828MVA"])
def test_a_right_vat_id_passes(vat_id: str) -> None:
    assert severities(replace(SIMPLE, seller=Party(name="M", vat_id=vat_id))) == {}


@pytest.mark.parametrize(
    ("vat_id", "reason"),
    [("DE136695978", "check digits"), ("DE12345", "format"), ("136695976", "country code"), ("ATX1", "format")],
)
def test_a_wrong_vat_id_warns_and_says_why(vat_id: str, reason: str) -> None:
    found = violations_of(replace(SIMPLE, seller=Party(name="M", vat_id=vat_id)))
    assert found["IP-VAT-01"].severity is Severity.WARNING
    assert reason in found["IP-VAT-01"].message


def test_the_buyers_vat_id_has_a_rule_of_its_own() -> None:
    assert severities(replace(SIMPLE, buyer=Party(vat_id="DE111111111"))) == {"IP-VAT-02": Severity.WARNING}


def earlier(number: str, issued: date, gross: str) -> Expectations:
    invoice = EarlierInvoice(number, issued, Decimal(gross), "EUR", "march.pdf")
    return Expectations(today=TODAY, earlier_invoices=(invoice,))


def test_the_same_number_in_the_same_year_is_a_fatal_duplicate() -> None:
    found = violations_of(SIMPLE, earlier(" 2026-001", date(2026, 1, 5), "50.00"))
    assert found["IP-DUP-01"].severity is Severity.FATAL
    assert "march.pdf" in found["IP-DUP-01"].message


def test_the_same_number_in_another_year_is_a_warning() -> None:
    assert severities(SIMPLE, earlier("2026-001", date(2025, 1, 5), "50.00")) == {"IP-DUP-02": Severity.WARNING}


def test_an_unknown_date_does_not_excuse_the_same_number() -> None:
    undated = replace(SIMPLE, issue_date=None)
    found = severities(undated, earlier("2026-001", date(2025, 1, 5), "50.00"))
    assert found["IP-DUP-01"] is Severity.FATAL


def test_another_number_with_the_same_date_and_total_is_a_warning() -> None:
    assert severities(SIMPLE, earlier("2026-002", date(2026, 3, 1), "119")) == {"IP-DUP-03": Severity.WARNING}
    assert "IP-DUP-03" not in severities(SIMPLE, earlier("2026-002", date(2026, 3, 2), "119"))


@pytest.mark.parametrize(("days", "alike"), [(-6, False), (-5, True), (-1, True), (1, True), (5, True), (6, False)])
def test_another_number_with_the_same_total_a_few_days_apart_is_a_warning(days: int, alike: bool) -> None:
    assert SIMPLE.issue_date is not None
    other = SIMPLE.issue_date + timedelta(days=days)
    assert severities(SIMPLE, earlier("2026-002", other, "119.000")) == (
        {"IP-DUP-04": Severity.WARNING} if alike else {}
    )
    assert severities(SIMPLE, earlier("2026-002", other, "119.01")) == {}


@pytest.mark.parametrize(("source", "severity"), [(Source.XML, Severity.FATAL), (Source.TEXT, Severity.WARNING)])
def test_the_same_content_in_another_file_is_a_duplicate_whatever_was_read_from_it(
    source: Source, severity: Severity
) -> None:
    before = EarlierInvoice(None, None, None, None, "march.pdf", same_content=True, same_seller=False)
    reading = replace(SIMPLE, source=source)
    found = violations_of(reading, Expectations(today=TODAY, earlier_invoices=(before,)))
    assert {rule: violation.severity for rule, violation in found.items()} == {"IP-DUP-05": severity}
    assert "march.pdf" in found["IP-DUP-05"].message


def test_the_same_number_and_amount_of_another_seller_are_no_duplicate() -> None:
    other = EarlierInvoice("2026-001", date(2026, 3, 1), Decimal(119), "EUR", "x.pdf", same_seller=False)
    assert severities(SIMPLE, Expectations(today=TODAY, earlier_invoices=(other,))) == {}


def test_an_account_that_is_new_for_the_seller_is_a_warning_that_names_both() -> None:
    expectations = Expectations(today=TODAY, other_account=KnownAccount("DE02120300000000202051", "march.pdf"))
    reading = with_account("DE02500105170137075030")
    found = violations_of(reading, expectations)["IP-IBAN-02"]
    assert found.severity is Severity.WARNING
    assert all(part in found.message for part in ("DE02500105170137075030", "DE02120300000000202051", "march.pdf"))
    assert found.location == "payments[0].accounts[0].account_id"
    assert "IP-IBAN-02" not in violations_of(replace(reading, payments=()), expectations)


def test_remarks_of_the_reader_are_passed_on() -> None:
    found = violations_of(replace(SIMPLE, warnings=("The date 31.02.2026 does not exist.",)))
    assert found["IP-READ-01"].severity is Severity.INFORMATION
    assert "31.02.2026" in found["IP-READ-01"].message
