"""The arithmetic of lines, totals and VAT: what ties passes, what does not tie is named with the right rule."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoice_pipelines.einvoice.model import Line
from invoice_pipelines.einvoice.rules.verdict import Severity
from invoice_pipelines.intake.reading import Format, Reading, Source
from invoice_pipelines_tests.support.intake.validation.specimens import CENT, SIMPLE, consistent_readings, violations_of

errors = st.decimals(min_value="0.01", max_value="500", places=2) | st.decimals(
    min_value="-500", max_value="-0.01", places=2
)
ARITHMETIC = ("IP-TOTAL", "IP-TAX", "IP-LINE")


def arithmetic(reading: Reading) -> set[str]:
    return {rule for rule in violations_of(reading) if rule.startswith(ARITHMETIC)}


@pytest.mark.parametrize("source", [Source.XML, Source.TEXT])
@given(st.data())
def test_an_invoice_whose_sums_tie_breaks_no_arithmetic_rule(source: Source, data: st.DataObject) -> None:
    assert arithmetic(data.draw(consistent_readings(source=source))) == set()


@pytest.mark.parametrize(
    ("source", "wrong", "rules"),
    [
        (Source.XML, "gross_amount", {"IP-TOTAL-01"}),
        (Source.OCR, "gross_amount", {"IP-TOTAL-01"}),
        (Source.XML, "payable_amount", {"IP-TOTAL-04"}),
        (Source.XML, "net_amount", {"IP-TOTAL-01", "IP-TOTAL-03"}),
    ],
)
@given(st.data(), errors)
def test_a_wrong_total_is_fatal_by_a_cent_already(
    source: Source, wrong: str, rules: set[str], data: st.DataObject, error: Decimal
) -> None:
    reading = data.draw(consistent_readings(source=source))
    found = violations_of(replace(reading, **{wrong: getattr(reading, wrong) + error}))
    assert {rule: found[rule].severity for rule in rules} == dict.fromkeys(rules, Severity.FATAL)
    assert wrong in {found[rule].location for rule in rules}


def with_wrong_part(reading: Reading, group: str, amount: str, error: Decimal, data: st.DataObject) -> Reading:
    """The reading with one amount of its lines or of its VAT breakdown off by an error."""
    parts = list(getattr(reading, group))
    index = data.draw(st.integers(0, len(parts) - 1))
    parts[index] = replace(parts[index], **{amount: getattr(parts[index], amount) + error})
    return replace(reading, **{group: tuple(parts)})


@given(consistent_readings(), errors, st.data())
def test_a_wrong_line_amount_is_found_beyond_half_a_cent_per_line(
    reading: Reading, error: Decimal, data: st.DataObject
) -> None:
    found = violations_of(with_wrong_part(reading, "lines", "net_amount", error, data))
    assert ("IP-TOTAL-02" in found) == (abs(error) > Decimal("0.005") * len(reading.lines))


@given(consistent_readings(), errors, st.data())
def test_wrong_vat_of_a_rate_is_a_warning_beyond_rounding_and_fatal_beyond_one_unit(
    reading: Reading, error: Decimal, data: st.DataObject
) -> None:
    found = violations_of(with_wrong_part(reading, "tax_breakdowns", "tax_amount", error, data))
    assert found["IP-TAX-02"].severity is Severity.FATAL
    rounding = max(CENT, Decimal("0.005") * len(reading.lines))
    if abs(error) <= rounding:
        assert "IP-TAX-01" not in found
    else:
        assert found["IP-TAX-01"].severity is (Severity.FATAL if abs(error) > 1 else Severity.WARNING)


@given(consistent_readings(), errors, st.data())
def test_a_wrong_taxable_amount_is_found(reading: Reading, error: Decimal, data: st.DataObject) -> None:
    found = violations_of(with_wrong_part(reading, "tax_breakdowns", "taxable_amount", error, data))
    assert ("IP-TAX-03" in found) == (abs(error) > Decimal("0.005") * len(reading.tax_breakdowns))


@pytest.mark.parametrize("source", [Source.TEXT, Source.OCR])
def test_a_total_without_a_net_amount_on_a_page_cannot_be_checked_and_is_a_warning(source: Source) -> None:
    bare = replace(SIMPLE, source=source, format=Format.PDF, lines=(), line_total=None, tax_breakdowns=())
    found = violations_of(replace(bare, net_amount=None))
    assert {rule: violation.severity for rule, violation in found.items()} == {"IP-TOTAL-05": Severity.WARNING}


@given(st.sampled_from([Source.TEXT, Source.OCR]), errors)
def test_a_total_on_a_page_that_is_not_its_net_amount_is_fatal_where_no_vat_is_found(
    source: Source, error: Decimal
) -> None:
    free = replace(SIMPLE, source=source, format=Format.PDF, tax_amount=None, tax_breakdowns=(), payable_amount=None)
    assert free.net_amount is not None
    found = violations_of(replace(free, gross_amount=free.net_amount + error))
    assert found["IP-TOTAL-01"].severity is Severity.FATAL
    assert arithmetic(replace(free, gross_amount=free.net_amount)) == set()


def test_missing_vat_counts_as_none_in_xml() -> None:
    free = replace(SIMPLE, tax_amount=None, tax_breakdowns=(), gross_amount=Decimal(100), payable_amount=Decimal(100))
    assert arithmetic(free) == set()
    assert "IP-TOTAL-01" in arithmetic(replace(free, gross_amount=Decimal(119), payable_amount=Decimal(119)))


def test_lines_of_a_page_that_do_not_sum_up_are_a_warning_since_some_may_be_unread() -> None:
    page = replace(SIMPLE, source=Source.TEXT, format=Format.PDF, line_total=None)
    assert arithmetic(page) == set()
    short = replace(page, lines=(replace(page.lines[0], net_amount=Decimal(50), unit_price=Decimal(25)),))
    assert violations_of(short)["IP-TOTAL-02"].severity is Severity.WARNING


def test_a_rate_of_a_page_may_be_unread_so_its_breakdown_only_warns() -> None:
    page = replace(SIMPLE, source=Source.OCR, format=Format.PDF)
    part = replace(SIMPLE.tax_breakdowns[0], taxable_amount=Decimal(50), tax_amount=Decimal("9.50"))
    found = violations_of(replace(page, tax_breakdowns=(part,)))
    assert {rule: v.severity for rule, v in found.items()} == {
        "IP-TAX-02": Severity.WARNING,
        "IP-TAX-03": Severity.WARNING,
    }


def test_sums_of_an_extension_are_warnings_since_it_has_amounts_the_core_does_not_know() -> None:
    extension = replace(
        SIMPLE,
        specification_identifier="urn:cen.eu:en16931:2017#conformant#urn:factur-x.eu:1p0:extended",
        payable_amount=Decimal("130.00"),
    )
    assert violations_of(extension)["IP-TOTAL-04"].severity is Severity.WARNING


def test_the_minimum_profile_has_no_prepayment_so_its_amount_due_is_not_checked() -> None:
    minimum = replace(
        SIMPLE,
        format=Format.CII,
        specification_identifier="urn:factur-x.eu:1p0:minimum",
        lines=(),
        payable_amount=Decimal("19.00"),
    )
    assert "IP-TOTAL-04" not in violations_of(minimum)


def test_group_and_information_lines_of_extended_are_not_added_up() -> None:
    grouped = replace(
        SIMPLE,
        lines=(
            Line("1", kind="GROUP", net_amount=Decimal("100.00")),
            *SIMPLE.lines,
            Line("2", kind="INFORMATION", net_amount=Decimal("7.00")),
        ),
    )
    assert "IP-TOTAL-02" not in violations_of(grouped)


@pytest.mark.parametrize(
    ("quantity", "price", "base", "net"),
    [("3", "0.333", None, "1.00"), ("1000", "9.95", "100", "99.50"), ("-2", "50", None, "-100.00")],
)
def test_a_line_is_quantity_times_price_by_base_quantity(quantity: str, price: str, base: str | None, net: str) -> None:
    line = Line(
        "1",
        quantity=Decimal(quantity),
        unit_price=Decimal(price),
        price_base_quantity=Decimal(base) if base else None,
        net_amount=Decimal(net),
    )
    assert "IP-LINE-01" not in violations_of(replace(SIMPLE, lines=(line,)))
    wrong = replace(line, net_amount=Decimal(net) * 2)
    found = violations_of(replace(SIMPLE, lines=(wrong,)))["IP-LINE-01"]
    assert found.severity is Severity.WARNING
    assert found.location == "lines[0].net_amount"


def test_a_negative_invoice_that_ties_is_let_pass_and_called_a_credit() -> None:
    negative = replace(
        SIMPLE,
        lines=(replace(SIMPLE.lines[0], quantity=Decimal(-2), net_amount=Decimal(-100)),),
        line_total=Decimal(-100),
        net_amount=Decimal(-100),
        tax_amount=Decimal(-19),
        gross_amount=Decimal(-119),
        payable_amount=Decimal(-119),
        tax_breakdowns=(replace(SIMPLE.tax_breakdowns[0], taxable_amount=Decimal(-100), tax_amount=Decimal(-19)),),
    )
    assert {rule: v.severity for rule, v in violations_of(negative).items()} == {"IP-SIGN-02": Severity.INFORMATION}
    credit_note = replace(negative, type_code="381")
    assert {rule: v.severity for rule, v in violations_of(credit_note).items()} == {"IP-SIGN-01": Severity.WARNING}


def test_a_credit_note_with_positive_amounts_is_in_order() -> None:
    assert violations_of(replace(SIMPLE, type_code="381")) == {}
