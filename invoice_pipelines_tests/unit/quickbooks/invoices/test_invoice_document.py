"""An invoice is written for QuickBooks with amounts that are ours to the cent, whatever its lines are."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoice_pipelines.quickbooks.api import exact_json
from invoice_pipelines.quickbooks.api.options import Company, ConnectionOptions
from invoice_pipelines.quickbooks.invoices.document import (
    Buyer,
    InvoiceProblem,
    invoice_document,
    invoice_snapshot,
    is_ours,
    marker_of,
    quantity_and_price,
)
from invoice_pipelines.quickbooks.push.batches import Operation
from invoice_pipelines.quickbooks.push.looking_up import LooksLikeOurs, check_match
from invoice_pipelines.quickbooks.records.names import clean_fields, clean_name, restore_fields
from invoice_pipelines.quickbooks.values import EntityType

CENT = Decimal("0.01")
GERMAN = Company(country="DE", home_currency="EUR", custom_txn_numbers=True)
AMERICAN = Company(country="US", home_currency="EUR", custom_txn_numbers=True, automated_sales_tax=True)
OPTIONS = ConnectionOptions(tax_codes={"S:19.00": "1", "S:7.00": "2"})

quantities = st.decimals("0.001", "999999.999", places=3)
prices = st.decimals("0", "99999.9999", places=4)
percents = st.decimals("0", "100", places=2)
lines = st.tuples(quantities, prices, percents, st.sampled_from(["19.00", "7.00"]))


def invoice(given_lines: list[tuple[Decimal, Decimal, Decimal, str]], discount: Decimal) -> dict[str, Any]:
    """As billing computes it: lines rounded half up, then VAT of the sum per rate."""
    written: list[dict[str, Any]] = []
    taxes: list[dict[str, Any]] = []
    for number, (quantity, price, percent, rate) in enumerate(given_lines, 1):
        net = (quantity * price * (100 - percent) / 100).quantize(CENT, ROUND_HALF_UP)
        written.append(
            {
                "line_number": number,
                "item_id": None,
                "description": f"Line {number}",
                "quantity": quantity,
                "unit_code": "C62",
                "unit_price": price,
                "discount_percent": percent,
                "net_amount": net,
                "tax_category": "S",
                "tax_rate": Decimal(rate),
            }
        )
    for percentage in sorted({Decimal(each[3]) for each in given_lines}):
        amount = sum((line["net_amount"] for line in written if line["tax_rate"] == percentage), Decimal(0))
        allowance = (amount * discount / 100).quantize(CENT, ROUND_HALF_UP)
        taxes.append(
            {
                "tax_category": "S",
                "tax_rate": percentage,
                "allowance_amount": allowance,
                "taxable_amount": amount - allowance,
                "tax_amount": ((amount - allowance) * percentage / 100).quantize(CENT, ROUND_HALF_UP),
            }
        )
    tax = sum(each["tax_amount"] for each in taxes)
    return {
        "id": str(uuid4()),
        "invoice_number": "INV-2026-000001",
        "customer_id": str(uuid4()),
        "issue_date": "2026-01-02",
        "due_date": "2026-01-16",
        "currency": "EUR",
        "gross_amount": sum(each["taxable_amount"] for each in taxes) + tax,
        "tax_amount": tax,
        "discount_percent": discount,
        "lines": written,
        "taxes": taxes,
    }


def written(content: dict[str, Any], company: Company = GERMAN) -> dict[str, Any]:
    document = invoice_document(content, company=company, options=OPTIONS, customer=Buyer("7", "Buyer AG"), items={})
    read: dict[str, Any] = exact_json.loads(exact_json.dumps(document))
    return read


@given(st.lists(lines, min_size=1, max_size=8), percents)
def test_no_amount_differs_from_quantity_times_price_and_the_sums_are_ours(
    given_lines: list[tuple[Decimal, Decimal, Decimal, str]], discount: Decimal
) -> None:
    content = invoice(given_lines, discount)
    bases: dict[str, Decimal] = {}
    for line in written(content)["Line"]:
        detail, amount = line["SalesItemLineDetail"], Decimal(line["Amount"])
        assert ("Qty" in detail) == ("UnitPrice" in detail)
        if "Qty" in detail:
            assert Decimal(detail["Qty"]) * Decimal(detail["UnitPrice"]) == amount
            assert Decimal(detail["UnitPrice"]) == round(Decimal(detail["UnitPrice"]), 5)
        assert amount == amount.quantize(CENT)
        code = detail["TaxCodeRef"]["value"]
        bases[code] = bases.get(code, Decimal(0)) + amount
    for tax in content["taxes"]:
        assert bases["1" if tax["tax_rate"] == 19 else "2"] == tax["taxable_amount"]


@pytest.mark.parametrize(
    ("quantity", "price", "amount", "expected"),
    [
        ("2", "50.00", "100.00", ("2", "50")),
        ("10", "9.99", "89.91", ("10", "8.991")),  # less 10 %
        ("3", "0.3333", "1.00", None),
        ("0.125", "19.99", "2.50", ("0.125", "20")),
        ("0", "1", "0", ("0", "1")),
    ],
)
def test_a_price_is_said_where_it_gives_the_amount_exactly(
    quantity: str, price: str, amount: str, expected: tuple[str, str] | None
) -> None:
    said = quantity_and_price(Decimal(quantity), Decimal(price), Decimal(amount))
    assert tuple(str(value) for value in said.values()) == (expected or ())


def test_an_american_company_gets_words_for_taxed_and_untaxed_lines() -> None:
    document = written(invoice([(Decimal(1), Decimal(1), Decimal(0), "19.00")], Decimal(0)), AMERICAN)
    assert document["Line"][0]["SalesItemLineDetail"]["TaxCodeRef"] == {"value": "TAX"}
    assert "GlobalTaxCalculation" not in document
    assert "CurrencyRef" not in document


def test_the_mark_is_found_in_a_note_that_was_prepended_and_not_in_that_of_another() -> None:
    content = invoice([(Decimal(1), Decimal(1), Decimal(0), "19.00")], Decimal(0))
    note = written(content)["PrivateNote"]
    assert note == f"INV-2026-000001 {marker_of(content['id'])}"
    assert is_ours({"PrivateNote": f"Voided - {note}"}, content["id"])
    assert not is_ours({"PrivateNote": note + "0"}, content["id"])
    assert not is_ours({}, content["id"])


def test_a_rate_without_a_code_is_named() -> None:
    with pytest.raises(InvoiceProblem, match=r"S with 5\.50 %.*tax_codes\['S:5\.50'\]"):
        written(invoice([(Decimal(1), Decimal(1), Decimal(0), "5.5")], Decimal(0)))


def test_payments_move_nothing_of_the_snapshot() -> None:
    there = {"TotalAmt": Decimal("11.90"), "Balance": Decimal("11.9"), "SyncToken": "0", "Line": [{"Amount": 10}]}
    paid = there | {"TotalAmt": Decimal("11.9"), "Balance": 0, "SyncToken": "3", "LinkedTxn": [{"TxnId": "9"}]}
    assert invoice_snapshot(there) == invoice_snapshot(paid)
    assert invoice_snapshot(there) != invoice_snapshot(there | {"TotalAmt": 12})


@pytest.mark.parametrize("change", [{"CustomerRef": {"value": "8"}}, {"TotalAmt": Decimal("11.91")}])
def test_an_invoice_there_is_ours_on_a_full_match_only(change: dict[str, Any]) -> None:
    sent = {"invoice_number": "1", "customer": "7", "gross_amount": "11.90"}
    operation = Operation("1", uuid4(), "create", 0, sent)
    there = {"Id": "1", "CustomerRef": {"value": "7"}, "TotalAmt": Decimal("11.9")}
    check_match(there, operation)
    with pytest.raises(LooksLikeOurs):
        check_match(there | change, operation)


@given(st.text(min_size=1, max_size=700), st.booleans())
def test_any_name_is_cleaned_once_and_restored_to_ours(name: str, american: bool) -> None:
    company = AMERICAN if american else GERMAN
    clean = clean_name(name, 500, company)
    assert clean_name(clean, 500, company) == clean
    assert len(clean) <= 500
    assert not set(clean) & set(":\t\n")
    if american:
        clean.encode("latin-1")
    sent = clean_fields(EntityType.CUSTOMER, {"name": name}, company)
    assert restore_fields(EntityType.CUSTOMER, sent, {"name": name}, company) == {"name": name}
