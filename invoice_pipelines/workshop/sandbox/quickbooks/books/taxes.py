"""How a company computes tax: in the US by its own rate or that of the document's tax code, elsewhere by the tax
codes of the lines."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from invoice_pipelines.workshop.sandbox.quickbooks.books.books import CENT, Books, amount_of
from invoice_pipelines.workshop.sandbox.quickbooks.wire import refusals
from invoice_pipelines.workshop.sandbox.quickbooks.wire.json_text import Document

_NOT_TAXED = ("NON", "")
US_CODES = ("TAX", "NON")


def to_cent(amount: Decimal) -> Decimal:
    """Rounded as an amount is."""
    return amount.quantize(CENT, ROUND_HALF_UP)


def tax_code_of(line: Document) -> str:
    """The TaxCode of a line; empty: none."""
    detail = line.get("SalesItemLineDetail", {})
    return str(detail.get("TaxCodeRef", {}).get("value", ""))


def computed_tax(books: Books, document: Document, lines: Sequence[tuple[str, Decimal]]) -> tuple[Document, Decimal]:
    """TxnTaxDetail, and what tax adds to the sum of the lines, given as tax code and amount after discount."""
    if books.company.automated_sales_tax:
        return _sales_tax(books, document, lines)
    if books.company.country == "US":
        return _tax_by_code_of_document(books, document, lines)
    return _tax_by_codes(books, document, lines)


def _tax_by_code_of_document(
    books: Books, document: Document, lines: Sequence[tuple[str, Decimal]]
) -> tuple[Document, Decimal]:
    """A US company without automated tax: one TaxCode for all lines that are taxed. Without it there is no tax."""
    sent = document.get("TxnTaxDetail") or {}
    taxed = sum((amount for code, amount in lines if code not in _NOT_TAXED), Decimal("0.00"))
    if "TxnTaxCodeRef" not in sent or not taxed:
        return {"TotalTax": Decimal("0.00")}, Decimal("0.00")
    code = books.referred("TaxCode", sent["TxnTaxCodeRef"], "TxnTaxDetail.TxnTaxCodeRef")
    rate = code["SalesTaxRateList"]["TaxRateDetail"][0]["TaxRateRef"]["value"]
    percent = Decimal(books.get("TaxRate", rate)["RateValue"])
    tax = to_cent(amount_of(sent["TotalTax"], "TotalTax") if "TotalTax" in sent else taxed * percent / 100)
    detail = {"TxnTaxCodeRef": {"value": code["Id"]}, "TotalTax": tax}
    return {**detail, "TaxLine": [_tax_line(rate, percent, taxed, tax)]}, tax


def _sales_tax(books: Books, document: Document, lines: Sequence[tuple[str, Decimal]]) -> tuple[Document, Decimal]:
    percent = books.company.tax_percent
    taxed = [amount for code, amount in lines if code not in _NOT_TAXED]
    sent = document.get("TxnTaxDetail") or {}
    if not taxed or not percent:
        return {"TotalTax": Decimal("0.00")}, Decimal("0.00")
    if "TotalTax" in sent and books.switches.sent_sales_tax == "taken" and not books.by_hand:
        tax = to_cent(amount_of(sent["TotalTax"], "TotalTax"))
        detail = {
            "TxnTaxCodeRef": {"value": "1"},
            "TotalTax": tax,
            "TaxLine": [_tax_line("1", percent, sum(taxed), tax)],
        }
        return detail, tax
    if books.company.tax_rounded_per_line:
        tax = sum((to_cent(amount * percent / 100) for amount in taxed), Decimal(0))
    else:
        tax = to_cent(sum(taxed) * percent / 100)
    tax += Decimal(books.switches.tax_differs_by)
    detail = {"TxnTaxCodeRef": {"value": "1"}, "TotalTax": tax, "TaxLine": [_tax_line("1", percent, sum(taxed), tax)]}
    return detail, tax


def _tax_by_codes(books: Books, document: Document, lines: Sequence[tuple[str, Decimal]]) -> tuple[Document, Decimal]:
    method = document.setdefault("GlobalTaxCalculation", "TaxExcluded")
    if method not in ("TaxExcluded", "TaxInclusive", "NotApplicable"):
        raise refusals.bad_choice("GlobalTaxCalculation", method)
    if method == "NotApplicable":
        return {"TotalTax": Decimal("0.00")}, Decimal("0.00")
    sums: dict[str, Decimal] = {}
    for code, amount in lines:
        if not code:
            raise refusals.business(
                "Business Validation Error: Make sure all your transactions have a VAT rate before you save.",
                element="TaxCodeRef",
            )
        sums[code] = sums.get(code, Decimal(0)) + amount
    tax_lines: list[Document] = []
    total = Decimal("0.00")
    for code, amount in sums.items():
        stored = books.referred("TaxCode", {"value": code}, "TaxCodeRef")
        rate = stored["SalesTaxRateList"]["TaxRateDetail"][0]["TaxRateRef"]["value"]
        percent = Decimal(books.get("TaxRate", rate)["RateValue"])
        if method == "TaxInclusive":
            net = to_cent(amount / (1 + percent / 100))
            tax = amount - net
        else:
            net, tax = amount, to_cent(amount * percent / 100)
        tax_lines.append(_tax_line(rate, percent, net, tax))
        total += tax
    difference = Decimal(books.switches.tax_differs_by)
    detail = {"TotalTax": total + difference, "TaxLine": tax_lines}
    return detail, difference if method == "TaxInclusive" else total + difference


def _tax_line(rate: str, percent: Decimal, net: Decimal | int, tax: Decimal) -> dict[str, Any]:
    return {
        "Amount": tax,
        "DetailType": "TaxLineDetail",
        "TaxLineDetail": {
            "TaxRateRef": {"value": rate},
            "PercentBased": True,
            "TaxPercent": percent,
            "NetAmountTaxable": net,
        },
    }
