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


FATAL, WARNING = Severity.FATAL, Severity.WARNING
NAMED = Party(name="Muster GmbH")


def with_account(account: str) -> dict[str, Any]:
    return {"payments": (Payment(accounts=(PaymentAccount(account),)),)}


def seller(vat_id: str) -> dict[str, Any]:
    return {"seller": Party(name="M", vat_id=vat_id)}


def profile(name: str) -> dict[str, Any]:
    return {"format": Format.CII, "specification_identifier": f"urn:factur-x.eu:1p0:{name}", "lines": ()}


@pytest.mark.parametrize(
    ("change", "found"),
    [
        pytest.param({}, {}, id="a sound invoice"),
        pytest.param({"seller": Party(vat_id="DE136695976")}, {}, id="a seller known by its VAT id alone"),
        pytest.param({"seller": NAMED}, {"IP-REQ-06": WARNING}, id="VAT without a tax number of the seller"),
        pytest.param({"seller": replace(NAMED, tax_id="12/345/67890")}, {}, id="a seller with a tax number"),
        pytest.param(profile("minimum"), {"IP-PROFILE-01": WARNING}, id="a booking aid: MINIMUM"),
        pytest.param(profile("basicwl"), {"IP-PROFILE-01": WARNING}, id="a booking aid: BASIC WL"),
        pytest.param({"format": Format.ZUGFERD1}, {"IP-PROFILE-02": WARNING}, id="ZUGFeRD 1.0"),
        pytest.param({"issue_date": TODAY + timedelta(days=30), "due_date": None}, {}, id="30 days ahead"),
        pytest.param(
            {"issue_date": TODAY + timedelta(days=31), "due_date": None}, {"IP-DATE-01": FATAL}, id="31 days ahead"
        ),
        pytest.param({"issue_date": date(2016, 1, 1)}, {}, id="ten years old"),
        pytest.param({"issue_date": date(2015, 12, 31)}, {"IP-DATE-02": WARNING}, id="older than ten years"),
        pytest.param({"due_date": date(2026, 2, 28)}, {"IP-DATE-03": WARNING}, id="due before its issue"),
        *(
            pytest.param({"currency": code}, {"IP-CUR-01": FATAL}, id=f"no currency: {code}")
            for code in ("EURO", "XXQ", "eur", "€")
        ),
        *(pytest.param({"currency": code}, {}, id=f"currency: {code}") for code in ("CHF", "VES", "SLE", "JPY")),
        pytest.param({"currency": "HRK", "issue_date": date(2022, 12, 31)}, {}, id="kuna in 2022"),
        pytest.param(
            {"currency": "HRK", "issue_date": date(2023, 1, 15)}, {"IP-CUR-01": FATAL}, id="kuna after their last day"
        ),
        pytest.param({"type_code": "999"}, {"IP-TYPE-01": WARNING}, id="unknown type"),
        pytest.param({"type_code": "325"}, {"IP-TYPE-02": WARNING}, id="a type that is not paid"),
        *(
            pytest.param(with_account(account), {}, id=f"account: {account}")
            for account in (
                *("DE75512108001245126199", "de75 5121 0800 1245 1261 99", "NO9386011117947", "123456", "PL-5551"),
            )
        ),
        *(
            pytest.param(with_account(account), {"IP-IBAN-01": WARNING}, id=f"wrong IBAN: {account}")
            for account in ("DE75512108001245126198", "DE7551210800124512619", "SE1212341234123412")
        ),
        *(
            pytest.param(seller(vat_id), {}, id=f"VAT id: {vat_id}")
            for vat_id in ("DE136695976", "DE 136 695 976", "ATU13585627", "EL094259216", "NO995525828MVA")
        ),
        pytest.param({"buyer": Party(vat_id="DE111111111")}, {"IP-VAT-02": WARNING}, id="wrong VAT id of the buyer"),
    ],
)
def test_what_the_own_rules_say_of_an_invoice(change: dict[str, Any], found: dict[str, Severity]) -> None:
    assert severities(replace(SIMPLE, **change)) == found


@pytest.mark.parametrize(
    ("vat_id", "reason"),
    [("DE136695978", "check digits"), ("DE12345", "format"), ("136695976", "country code"), ("ATX1", "format")],
)
def test_a_wrong_vat_id_warns_and_says_why(vat_id: str, reason: str) -> None:
    found = violations_of(replace(SIMPLE, **seller(vat_id)))
    assert found["IP-VAT-01"].severity is Severity.WARNING
    assert reason in found["IP-VAT-01"].message


def earlier(number: str, issued: date, gross: str) -> Expectations:
    invoice = EarlierInvoice(number, issued, Decimal(gross), "EUR", "march.pdf")
    return Expectations(today=TODAY, earlier_invoices=(invoice,))


@pytest.mark.parametrize(
    ("change", "before", "found"),
    [
        pytest.param({}, (" 2026-001", date(2026, 1, 5), "50.00"), {"IP-DUP-01": FATAL}, id="number, same year"),
        pytest.param({}, ("2026-001", date(2025, 1, 5), "50.00"), {"IP-DUP-02": WARNING}, id="number, another year"),
        pytest.param(
            {"issue_date": None},
            ("2026-001", date(2025, 1, 5), "50.00"),
            {"IP-DUP-01": FATAL, "IP-REQ-02": FATAL},
            id="number, unknown date",
        ),
        pytest.param({}, ("2026-002", date(2026, 3, 1), "119"), {"IP-DUP-03": WARNING}, id="date and total"),
        pytest.param({}, ("2026-002", date(2026, 3, 2), "119"), {"IP-DUP-04": WARNING}, id="total, another date"),
    ],
)
def test_what_was_received_before_is_a_duplicate_or_pointed_out(
    change: dict[str, Any], before: tuple[str, date, str], found: dict[str, Severity]
) -> None:
    violations = violations_of(replace(SIMPLE, **change), earlier(*before))
    assert {rule: violation.severity for rule, violation in violations.items()} == found
    assert all("march.pdf" in violation.message for rule, violation in violations.items() if "DUP" in rule)


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
    reading = replace(SIMPLE, **with_account("DE02500105170137075030"))
    found = violations_of(reading, expectations)["IP-IBAN-02"]
    assert found.severity is Severity.WARNING
    assert all(part in found.message for part in ("DE02500105170137075030", "DE02120300000000202051", "march.pdf"))
    assert found.location == "payments[0].accounts[0].account_id"
    assert "IP-IBAN-02" not in violations_of(replace(reading, payments=()), expectations)


def test_remarks_of_the_reader_are_passed_on() -> None:
    found = violations_of(replace(SIMPLE, warnings=("The date 31.02.2026 does not exist.",)))
    assert found["IP-READ-01"].severity is Severity.INFORMATION
    assert "31.02.2026" in found["IP-READ-01"].message
