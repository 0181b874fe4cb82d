"""Holds how an issued invoice is written as an Invoice of QuickBooks, and what is checked before it is sent.

An issued invoice never changes, so neither does its document. Amounts are ours to the cent: a line says a quantity and
a price only where their product is its amount exactly (QuickBooks refuses others, code 6070); the discount on the whole
document is a negative line per VAT rate, so that the base of each rate is ours whatever the discount settings of the
company are. What QuickBooks makes of the total is compared afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from invoice_pipelines.quickbooks import exact_json
from invoice_pipelines.quickbooks.names import clean_text
from invoice_pipelines.quickbooks.options import Company, ConnectionOptions

MOST_LINES = 750
"""Of an invoice with taxes."""
LONGEST_NUMBER = 21
LONGEST_DESCRIPTION = 4000
MARKER = "invoice_pipelines:"
"""Stands with our id in PrivateNote: by it an invoice there is known to be ours."""

_PRICE_DIGITS = Decimal("0.00001")
_LARGEST_AMOUNT = Decimal(10) ** 13


class InvoiceProblem(Exception):
    """An invoice cannot be sent as it is: `code` is for machines, the message says what is wrong and what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def marker_of(invoice_id: object) -> str:
    """What PrivateNote of an invoice of ours contains."""
    return f"{MARKER}{invoice_id}"


def read_content(content: str) -> dict[str, Any]:
    """An invoice as `quickbooks.invoices_to_push` gives it, with all numbers exact."""
    invoice: dict[str, Any] = exact_json.loads(content)
    return invoice


def invoice_document(
    invoice: Mapping[str, Any],
    *,
    company: Company,
    options: ConnectionOptions,
    customer: str,
    items: Mapping[str, str],
) -> dict[str, Any]:
    """The document to create. `customer` and `items` are ids of QuickBooks, the latter by ours.

    Raises InvoiceProblem for what QuickBooks would refuse, or take and change.
    """
    check_invoice(invoice, company)
    lines = [_line(line, items, company, options) for line in invoice["lines"]]
    lines += [
        _allowance(tax, invoice, company, options) for tax in invoice["taxes"] or () if tax["allowance_amount"] != 0
    ]
    if len(lines) > MOST_LINES:
        raise InvoiceProblem(
            "TOO_MANY_LINES",
            f"Invoice {invoice['invoice_number']} has {len(lines)} lines and QuickBooks takes {MOST_LINES}: "
            "enter it there.",
        )
    document: dict[str, Any] = {
        "CustomerRef": {"value": customer},
        "TxnDate": invoice["issue_date"],
        "DueDate": invoice["due_date"],
        "PrivateNote": f"{clean_text(invoice['invoice_number'], 100, company)} {marker_of(invoice['id'])}",
        "Line": lines,
    }
    if company.custom_txn_numbers:
        document["DocNumber"] = invoice["invoice_number"]
    if company.multi_currency:
        document["CurrencyRef"] = {"value": invoice["currency"]}
    if company.country != "US":
        document["GlobalTaxCalculation"] = "TaxExcluded"
    elif invoice["tax_amount"] != 0 and not company.automated_sales_tax:
        document["TxnTaxDetail"] = {"TotalTax": Decimal(invoice["tax_amount"])}
    return document


def check_invoice(invoice: Mapping[str, Any], company: Company) -> None:
    """Raises InvoiceProblem where the company would refuse the invoice as a whole."""
    number = invoice["invoice_number"]
    if company.custom_txn_numbers and len(number) > LONGEST_NUMBER:
        raise InvoiceProblem(
            "NUMBER_TOO_LONG",
            f"Invoice number {number} has {len(number)} characters, QuickBooks takes {LONGEST_NUMBER}: "
            "shorten the pattern of the organization's numbers, and enter this invoice there.",
        )
    if company.custom_txn_numbers and clean_text(number, LONGEST_NUMBER, company) != number:
        raise InvoiceProblem(
            "NUMBER_NOT_LATIN", f"Invoice number {number} has characters that a US company of QuickBooks does not take."
        )
    if not company.multi_currency and invoice["currency"] != company.home_currency:
        raise InvoiceProblem(
            "FOREIGN_CURRENCY",
            f"Invoice {number} is in {invoice['currency']}, the QuickBooks company keeps {company.home_currency} only: "
            "switch on multicurrency there and connect again.",
        )
    if (
        company.books_closed_until is not None
        and date.fromisoformat(invoice["issue_date"]) <= company.books_closed_until
    ):
        raise InvoiceProblem(
            "BOOKS_CLOSED",
            f"Invoice {number} is dated {invoice['issue_date']}, the books of the QuickBooks company are closed until "
            f"{company.books_closed_until}: open them there, or enter the invoice in the open period.",
        )
    if not -_LARGEST_AMOUNT < Decimal(invoice["gross_amount"]) < _LARGEST_AMOUNT:
        raise InvoiceProblem("AMOUNT_TOO_LARGE", f"Invoice {number}: QuickBooks takes amounts of up to 15 digits.")


def tax_code(category: str, rate: Decimal, company: Company, options: ConnectionOptions) -> str:
    """Id of the TaxCode of a line. Raises InvoiceProblem that names the rate which nobody has given one."""
    if company.country == "US":
        return "TAX" if rate > 0 else "NON"
    key = f"{category}:{Decimal(rate):.2f}"
    code = options.tax_codes.get(key)
    if code is None:
        raise InvoiceProblem(
            "MISSING_TAX_CODE",
            f"VAT category {category} with {Decimal(rate):.2f} % has no tax code of QuickBooks: "
            f"set tax_codes[{key!r}] in the options of the connection.",
        )
    return code


def quantity_and_price(quantity: Decimal, unit_price: Decimal, amount: Decimal) -> dict[str, Decimal]:
    """Qty and UnitPrice whose product is the amount exactly; empty where no price of five digits gives it."""
    for price in (unit_price, (amount / quantity).quantize(_PRICE_DIGITS) if quantity else unit_price):
        if quantity * price == amount:
            return {"Qty": _plain(quantity), "UnitPrice": _plain(price)}
    return {}


def total_differs(invoice: Mapping[str, Any], answer: Mapping[str, Any]) -> Decimal | None:
    """The total that QuickBooks came to, where it is not ours."""
    theirs = Decimal(str(answer.get("TotalAmt", "0")))
    return None if theirs == Decimal(invoice["gross_amount"]) else theirs


def invoice_snapshot(answer: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of an invoice as QuickBooks answered it: what payments do not move, by which drift is found."""
    return {
        "total": _text(answer.get("TotalAmt")),
        "number": answer.get("DocNumber"),
        "date": answer.get("TxnDate"),
        "customer": (answer.get("CustomerRef") or {}).get("value"),
        "currency": (answer.get("CurrencyRef") or {}).get("value"),
        "lines": [
            [_text(line.get("Amount")), line.get("Description")]
            for line in answer.get("Line") or ()
            if line.get("DetailType") != "SubTotalLineDetail"
        ],
    }


def is_ours(answer: Mapping[str, Any], invoice_id: object) -> bool:
    """Whether an invoice there carries our mark."""
    return marker_of(invoice_id) in str(answer.get("PrivateNote") or "").split()


def _line(
    line: Mapping[str, Any], items: Mapping[str, str], company: Company, options: ConnectionOptions
) -> dict[str, Any]:
    quantity, price, amount = (Decimal(line[name]) for name in ("quantity", "unit_price", "net_amount"))
    detail: dict[str, Any] = {}
    if line["item_id"] is not None:
        detail["ItemRef"] = {"value": items[line["item_id"]]}
    exact = quantity_and_price(quantity, price, amount)
    detail.update(exact)
    detail["TaxCodeRef"] = {"value": tax_code(line["tax_category"], Decimal(line["tax_rate"]), company, options)}
    description = line["description"]
    if not exact or Decimal(line["discount_percent"]) != 0:
        description += f" ({_plain(quantity):f} {line['unit_code']} x {_plain(price):f}"
        description += f" - {_plain(Decimal(line['discount_percent'])):f} %)" if line["discount_percent"] else ")"
    return _sales_line(amount, clean_text(description, LONGEST_DESCRIPTION, company), detail)


def _allowance(
    tax: Mapping[str, Any], invoice: Mapping[str, Any], company: Company, options: ConnectionOptions
) -> dict[str, Any]:
    rate = Decimal(tax["tax_rate"])
    description = f"Discount {_plain(Decimal(invoice['discount_percent'])):f} %"
    if len(invoice["taxes"]) > 1:
        description += f" on {tax['tax_category']} {_plain(rate):f} %"
    detail = {"TaxCodeRef": {"value": tax_code(tax["tax_category"], rate, company, options)}}
    return _sales_line(-Decimal(tax["allowance_amount"]), description, detail)


def _sales_line(amount: Decimal, description: str, detail: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "DetailType": "SalesItemLineDetail",
        "Amount": amount,
        "Description": description,
        "SalesItemLineDetail": dict(detail),
    }


def _plain(number: Decimal) -> Decimal:
    """The same number without zeros at its end, and never written with an exponent."""
    return Decimal(f"{number.normalize():f}")


def _text(amount: object) -> str | None:
    return None if amount is None else f"{_plain(Decimal(str(amount))):f}"


def item_ids(invoices: Sequence[Mapping[str, Any]]) -> set[str]:
    """Our ids of the items on the lines of invoices."""
    return {line["item_id"] for invoice in invoices for line in invoice["lines"] if line["item_id"] is not None}
