"""What goes to a person, what passes, and what fails: by source, confidence and rules."""

from __future__ import annotations

import dataclasses
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoice_pipelines.einvoice.model import Party, Payment, PaymentAccount
from invoice_pipelines.einvoice.rules.verdict import Severity, Verdict, Violation, ViolationClass
from invoice_pipelines.intake.reading import Provenance, Reading, Source
from invoice_pipelines.intake.review.fields import place_of, stored_value
from invoice_pipelines.intake.review.reason import ReviewReason
from invoice_pipelines.intake.review.reasons import LOW_CONFIDENCE, THRESHOLDS, Judgement, judge, not_asked
from invoice_pipelines.intake.stages.judging import Standard, judge_reading
from invoice_pipelines.intake.validation.content import Expectations, content_violations
from invoice_pipelines.intake.validation.duplicates import EarlierInvoice
from invoice_pipelines.intake.validation.validate import validate
from invoice_pipelines.organizations import ReviewThresholds
from invoice_pipelines_tests.integration.intake.conftest import make_reading
from invoice_pipelines_tests.support.intake.review.lane import on_paper

EXPECTATIONS = Expectations(date(2026, 5, 1))
TOTALS = ("net_amount", "tax_amount", "gross_amount", "payable_amount")


def judged(
    reading: Reading, thresholds: ReviewThresholds | None = None, expectations: Expectations = EXPECTATIONS
) -> tuple[Judgement, tuple[ReviewReason, ...]]:
    standard = Standard(expectations.today, past_years=10, thresholds=thresholds or ReviewThresholds())
    found = judge_reading(reading, expectations, standard)
    return found.judgement, found.reasons


def codes(reasons: tuple[ReviewReason, ...]) -> list[tuple[str, str | None]]:
    return [(reason.code, reason.field) for reason in reasons]


def test_a_page_of_which_every_value_is_sure_passes() -> None:
    assert judged(on_paper()) == (Judgement.VALID, ())


# By another rate than any that the total could hold: nothing proves the VAT but its own confidence.
ODD = {"net_amount": Decimal("88.00"), "tax_amount": Decimal("31.00"), "tax_breakdowns": ()}


@pytest.mark.parametrize("field", [name for name in THRESHOLDS if name != "iban"])
def test_a_value_below_its_threshold_goes_to_a_person_and_one_at_it_does_not(field: str) -> None:
    threshold = getattr(ReviewThresholds(), THRESHOLDS[field])
    name = field.replace(".", "_")
    changes = ODD | ({"seller": Party(name="Muster GmbH")} if field == "seller.name" else {})  # a VAT id would do
    judgement, reasons = judged(on_paper(changes=changes, **{name: threshold - 0.001}))
    assert judgement is Judgement.NEEDS_REVIEW
    assert codes(reasons) == [(LOW_CONFIDENCE, field)]
    assert reasons[0].confidence == pytest.approx(threshold - 0.001)
    assert not reasons[0].must_be_corrected
    assert judged(on_paper(changes=changes, **{name: threshold}))[0] is Judgement.VALID


def test_an_account_that_was_read_unsurely_goes_to_a_person_and_none_at_all_does_not() -> None:
    reading = on_paper(changes={"payments": (Payment(accounts=(PaymentAccount("DE02120300000000202051"),)),)})
    assert codes(judged(reading)[1]) == [(LOW_CONFIDENCE, "iban")]
    sure = {**reading.provenance, place_of("iban"): Provenance(Source.TEXT, 0.98)}
    assert judged(dataclasses.replace(reading, provenance=sure))[0] is Judgement.VALID


def test_a_value_of_which_nothing_is_known_is_not_sure() -> None:
    reading = dataclasses.replace(on_paper(), provenance={})
    assert {field for _, field in codes(judged(reading)[1])} == {name for name in THRESHOLDS if name != "iban"}


def test_a_net_amount_that_is_the_total_without_vat_is_as_sure_as_the_total() -> None:
    exempt = {"net_amount": Decimal("119.00"), "tax_amount": None, "tax_breakdowns": ()}
    assert judged(on_paper(changes=exempt, net_amount=0.4))[0] is Judgement.VALID
    judgement, reasons = judged(on_paper(changes=exempt, net_amount=0.4, gross_amount=0.9))
    assert judgement is Judgement.NEEDS_REVIEW
    assert {field for _, field in codes(reasons)} == {"net_amount", "gross_amount"}


def test_net_and_vat_are_not_asked_for_where_the_total_and_a_rate_prove_them() -> None:
    sevenths = {"net_amount": None, "tax_amount": Decimal("7.79"), "tax_breakdowns": ()}
    assert judged(on_paper(changes=sevenths, tax_amount=0.3))[0] is Judgement.VALID  # 7 of 107
    reading = on_paper(changes=sevenths, tax_amount=0.3)
    remark = not_asked(reading, ReviewThresholds(), "DE").remarks["tax_amount"]
    assert (remark.rule, remark.severity) == ("IP-READ-02", Severity.INFORMATION)
    assert remark.message.startswith("The VAT amount 7.79 was read with confidence 0.30, below 0.95, and is not asked")
    others = (
        on_paper(changes=sevenths | {"tax_amount": Decimal("7.77")}, tax_amount=0.3),
        on_paper(changes=sevenths | {"net_amount": Decimal("100.00")}, tax_amount=0.3),
        on_paper(changes=sevenths, tax_amount=0.3, gross_amount=0.9),
        # Another country's rate proves nothing: 7 % of a small French total may be the VAT of some of it.
        on_paper(changes=sevenths | {"seller": Party(name="Le Pain")}, tax_amount=0.3),
    )
    assert {judged(reading)[0] for reading in others} == {Judgement.NEEDS_REVIEW}


def receipt(number: str | None = None, **changes: Any) -> Reading:
    """On paper, paid, and without a number."""
    return dataclasses.replace(on_paper(), **{"number": number, "due_date": None, **changes})


@pytest.mark.parametrize(
    ("seller", "home", "currency", "total", "passes"),
    [
        ("DE136695976", None, "EUR", "250.00", True),
        ("DE136695976", "AT", "EUR", "250.01", False),
        ("ATU13585627", "DE", "EUR", "400.00", True),
        ("ATU13585627", "DE", "EUR", "400.01", False),
        ("FR40303265045", "DE", "EUR", "100.01", False),
        (None, "DE", "EUR", "249.00", True),
        (None, None, "EUR", "100.00", True),
        (None, None, "EUR", "101.00", False),
        (None, "DE", "SEK", "3999.00", True),
        (None, "DE", "GBP", "251.00", False),
        (None, "DE", "USD", "99.00", True),
        (None, "DE", "USD", "101.00", False),
    ],
)
def test_a_simplified_invoice_on_paper_needs_no_number(
    seller: str | None, home: str | None, currency: str, total: str, passes: bool
) -> None:
    amounts: dict[str, Any] = {"net_amount": None, "tax_amount": None, "tax_breakdowns": (), "currency": currency}
    amounts |= {"gross_amount": Decimal(total), "payable_amount": Decimal(total)}
    reading = receipt(**amounts, seller=Party(name="Gasthaus zur Post", vat_id=seller))
    expectations = Expectations(date(2026, 5, 1), country=home)
    verdict = validate(reading, expectations)
    judgement, reasons = judge(reading, verdict, ReviewThresholds(), home=home)
    assert (judgement is Judgement.VALID) is passes
    assert codes(reasons) == ([] if passes else [("IP-REQ-01", "number")])
    told = [one.severity for one in verdict.violations if one.rule == "IP-REQ-07"]
    assert told == ([Severity.INFORMATION] if passes else [])


def test_a_likely_seller_whose_vat_id_is_sure_is_not_asked_for_by_name() -> None:
    reading = on_paper(seller_name=0.79)
    nameless = dataclasses.replace(reading, seller=Party(name="Muster GmbH"))
    assert codes(judged(nameless)[1]) == [(LOW_CONFIDENCE, "seller.name")]

    def with_vat_id(value: str, confidence: float) -> Reading:
        places = {**reading.provenance, "seller.vat_id": Provenance(Source.TEXT, confidence)}
        party = dataclasses.replace(reading.seller, vat_id=value)
        return dataclasses.replace(reading, seller=party, provenance=places)

    assert judged(with_vat_id("DE136695976", 0.97)) == (Judgement.VALID, ())
    assert (LOW_CONFIDENCE, "seller.name") in codes(judged(with_vat_id("DE136695976", 0.9))[1])
    assert (LOW_CONFIDENCE, "seller.name") in codes(judged(with_vat_id("DE136695977", 0.97))[1])
    # "Room Number", and the VAT id of a hotel
    assert codes(judged(on_paper(seller_name=0.7))[1]) == [(LOW_CONFIDENCE, "seller.name")]


def test_an_unsure_number_of_a_simplified_invoice_is_not_asked_for_and_that_of_one_to_be_paid_is() -> None:
    places = on_paper(number=0.6).provenance
    paid = receipt("0381", provenance=places)
    assert judged(paid)[0] is Judgement.VALID
    assert "up to 250 EUR, § 33 UStDV" in not_asked(paid, ReviewThresholds(), "DE").remarks["number"].message
    due = receipt("0381", provenance=places, due_date=date(2026, 3, 31))
    assert codes(judged(due)[1]) == [(LOW_CONFIDENCE, "number")]
    account = (Payment(accounts=(PaymentAccount("DE02120300000000202051"),)),)
    to_be_paid = receipt("0381", provenance=places, payments=account)
    assert (LOW_CONFIDENCE, "number") in codes(judged(to_be_paid)[1])


def test_xml_needs_its_number_whatever_its_total() -> None:
    reading = dataclasses.replace(make_reading(), number=None, due_date=None, xml=b"<Invoice/>")
    found = [one.rule for one in content_violations(reading, EXPECTATIONS)]
    assert "IP-REQ-01" in found
    assert "IP-REQ-07" not in found


def test_a_receipt_without_a_number_that_may_have_come_before_goes_to_a_person() -> None:
    earlier = EarlierInvoice(None, date(2026, 3, 1), Decimal("119.00"), "EUR", "first.jpg")

    def found(reading: Reading, before: EarlierInvoice) -> list[tuple[str, str | None]]:
        return codes(judged(reading, expectations=Expectations(date(2026, 5, 1), earlier_invoices=(before,)))[1])

    assert found(receipt(), earlier) == [("IP-DUP-06", None)]
    # The name of who made it may have been read in another way, and the words of another picture are others.
    assert found(receipt(), dataclasses.replace(earlier, same_seller=False)) == [("IP-DUP-06", None)]
    assert found(receipt(), dataclasses.replace(earlier, same_content=True)) == [("IP-DUP-06", None)]
    assert found(on_paper("A-1"), earlier) == [("IP-DUP-06", None)]
    assert found(on_paper("A-1"), dataclasses.replace(earlier, same_seller=False)) == []
    assert found(receipt(), dataclasses.replace(earlier, issue_date=date(2026, 2, 28))) == []
    assert found(receipt(), dataclasses.replace(earlier, gross_amount=Decimal("118.00"))) == []


def test_an_organization_may_ask_for_more_or_less() -> None:
    assert judged(on_paper(number=0.97), ReviewThresholds(number=0.98))[0] is Judgement.NEEDS_REVIEW
    assert judged(on_paper(number=0.5), ReviewThresholds(number=0.4))[0] is Judgement.VALID


def test_a_reason_says_in_both_languages_what_was_read_and_how_surely() -> None:
    _, (reason,) = judged(on_paper(gross_amount=0.8))
    assert reason.message == "The total with VAT 119.00 was read with confidence 0.80, below 0.95."
    assert reason.message_de == "Gesamtbetrag 119.00 wurde mit der Sicherheit 0.80 gelesen, unter 0.95."
    assert reason.value == "119.00"


@pytest.mark.parametrize(
    ("changes", "rule", "field"),
    [
        ({"number": None}, "IP-REQ-01", "number"),
        ({"issue_date": None}, "IP-REQ-02", "issue_date"),
        ({"currency": None}, "IP-REQ-04", "currency"),
        ({"gross_amount": None, "payable_amount": None}, "IP-REQ-05", "gross_amount"),
        ({"gross_amount": Decimal(120), "payable_amount": Decimal(120)}, "IP-TOTAL-01", "gross_amount"),
        ({"payable_amount": Decimal(100)}, "IP-TOTAL-04", "payable_amount"),
        ({"issue_date": date(2027, 1, 1), "due_date": None}, "IP-DATE-01", "issue_date"),
        ({"currency": "EUO"}, "IP-CUR-01", "currency"),
    ],
)
def test_what_breaks_a_fatal_rule_on_a_page_goes_to_a_person_and_in_xml_fails(
    changes: dict[str, Any], rule: str, field: str
) -> None:
    for source in (Source.TEXT, Source.OCR):
        judgement, reasons = judged(dataclasses.replace(on_paper(), source=source, **changes))
        assert judgement is Judgement.NEEDS_REVIEW
        assert [(one.code, one.field) for one in reasons if one.must_be_corrected] == [(rule, field)]
    assert judged(dataclasses.replace(make_reading(), **changes)) == (Judgement.FAILED, ())


def test_xml_is_never_doubted() -> None:
    assert judged(make_reading()) == (Judgement.VALID, ())


@pytest.mark.parametrize("source", [Source.XML, Source.TEXT])
@pytest.mark.parametrize("rule", ["IP-IBAN-02", "IP-HYB-04"])
def test_a_sign_of_fraud_or_of_a_lost_invoice_goes_to_a_person_whatever_was_read(source: Source, rule: str) -> None:
    changed = Violation(rule, Severity.WARNING, ViolationClass.CONTENT, "Another one.", "Ein anderer.", "iban")
    reading = on_paper() if source is Source.TEXT else make_reading()
    judgement, (reason,) = judge(reading, Verdict((changed,), "1"), ReviewThresholds())
    assert judgement is Judgement.NEEDS_REVIEW
    assert (reason.code, reason.must_be_corrected) == (rule, False)
    assert judge(reading, Verdict((changed,), "1"), ReviewThresholds(), accepted=[reason.subject]) == (
        Judgement.VALID,
        (),
    )


def test_a_duplicate_that_is_surely_read_fails_and_one_in_doubt_goes_to_a_person() -> None:
    earlier = EarlierInvoice("A-1", date(2026, 3, 1), Decimal("119.00"), "EUR", "first.pdf")
    expectations = Expectations(date(2026, 5, 1), earlier_invoices=(earlier,))
    assert judged(on_paper("A-1"), expectations=expectations) == (Judgement.FAILED, ())
    judgement, reasons = judged(on_paper("A-1", number=0.5), expectations=expectations)
    assert judgement is Judgement.NEEDS_REVIEW
    assert {reason.code for reason in reasons} == {"IP-DUP-01", LOW_CONFIDENCE}


def test_vat_by_rate_that_does_not_sum_up_on_a_page_goes_to_a_person() -> None:
    reading = on_paper(
        changes={
            "net_amount": Decimal("200.00"),
            "tax_amount": Decimal("38.00"),
            "gross_amount": Decimal("238.00"),
            "payable_amount": Decimal("238.00"),
        }
    )
    assert {code for code, _ in codes(judged(reading)[1])} == {"IP-TAX-02", "IP-TAX-03"}


def test_what_was_accepted_is_settled_for_this_value_only() -> None:
    reading = on_paper(gross_amount=0.7)
    verdict = validate(reading, EXPECTATIONS)
    _, (reason,) = judge(reading, verdict, ReviewThresholds())
    assert judge(reading, verdict, ReviewThresholds(), accepted=[reason.subject])[0] is Judgement.VALID
    other = (reason.code, reason.field, "119.10")
    assert judge(reading, verdict, ReviewThresholds(), accepted=[other])[0] is Judgement.NEEDS_REVIEW


@given(
    source=st.sampled_from([Source.TEXT, Source.OCR]),
    sure=st.fixed_dictionaries({name: st.none() | st.floats(0, 1) for name in TOTALS}),
    amounts=st.fixed_dictionaries(
        {name: st.sampled_from([None, Decimal(0), Decimal(100), Decimal(19), Decimal(119)]) for name in TOTALS}
    ),
)
def test_no_unsure_total_is_valid(
    source: Source, sure: dict[str, float | None], amounts: dict[str, Decimal | None]
) -> None:
    reading = dataclasses.replace(on_paper(), source=source, **amounts)
    places = {name: place for name, place in reading.provenance.items() if name not in TOTALS}
    places |= {name: Provenance(source, confidence) for name, confidence in sure.items() if confidence is not None}
    reading = dataclasses.replace(reading, provenance=places)
    untaxed = amounts["net_amount"] == amounts["gross_amount"] and not amounts["tax_amount"]
    proved = amounts["tax_amount"] == 19 and amounts["gross_amount"] == 119 and amounts["net_amount"] in (None, 100)
    follows = {"net_amount"} if untaxed else {"net_amount", "tax_amount"} if proved else set()
    follows = follows if (sure["gross_amount"] or 0.0) >= 0.95 else set()
    unsure = [
        name for name in TOTALS if amounts[name] is not None and name not in follows and (sure[name] or 0.0) < 0.95
    ]
    judgement, _ = judged(reading)
    if unsure:
        assert judgement is Judgement.NEEDS_REVIEW
    if judgement is Judgement.VALID:
        assert amounts["gross_amount"] is not None


@given(
    sure=st.fixed_dictionaries(
        {name: st.floats(0, 1) for name in ("number", "seller_name", "seller_vat_id", "seller_tax_id", "issue_date")}
    ),
    total=st.sampled_from([Decimal("-19.00"), Decimal("19.00"), Decimal("119.00"), Decimal("300.00")]),
    changes=st.fixed_dictionaries(
        {
            "seller": st.sampled_from(
                [
                    Party(name="Café"),
                    Party(name="Café", vat_id="DE136695976"),
                    Party(vat_id="ATU1"),
                    Party(tax_id="1"),
                    Party(),
                ]
            ),
            "buyer": st.sampled_from([Party(), Party(name="Kunde AG")]),
            "due_date": st.sampled_from([None, date(2026, 3, 31)]),
            "type_code": st.sampled_from([None, "380", "381"]),
        }
    ),
    asks=st.booleans(),
)
def test_nothing_below_its_threshold_is_told_of_what_passes(
    sure: dict[str, float], total: Decimal, changes: dict[str, Any], asks: bool
) -> None:
    untaxed = {"net_amount": None, "tax_amount": None, "tax_breakdowns": ()}
    amounts = {"gross_amount": total, "payable_amount": total}
    reading = dataclasses.replace(on_paper(**sure), **untaxed, **amounts, **changes)
    standard = Standard(date(2026, 5, 1), past_years=10, country="DE", asks_for_sellers=asks)
    found = judge_reading(reading, Expectations(date(2026, 5, 1), country="DE"), standard)
    if found.judgement is not Judgement.VALID:
        return
    told = found.reading
    assert sure["issue_date"] >= 0.97
    assert told.number is None or sure["number"] >= 0.95
    assert told.seller.vat_id is None or sure["seller_vat_id"] >= 0.9
    known = told.seller.vat_id is not None and sure["seller_vat_id"] >= 0.95 and sure["seller_name"] >= 0.75
    assert told.seller.name is None or sure["seller_name"] >= 0.8 or known
    assert not (told.seller.tax_id and "seller.name" in told.withheld and told.seller.vat_id is None)
    if {"seller.name", "seller.vat_id"} & told.withheld.keys():
        assert not asks
        assert 0 < total <= 250
        assert (changes["buyer"], changes["due_date"]) == (Party(), None)
        assert changes["type_code"] != "381"


def test_a_wrong_iban_that_was_read_can_be_shown_again() -> None:
    assert stored_value("iban", "DE02100500000054540420") == "DE02100500000054540420"
