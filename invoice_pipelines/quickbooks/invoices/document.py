"""How an issued invoice is written as an Invoice of QuickBooks, and what is checked before it is sent.

An issued invoice never changes, so neither does its document. Amounts are ours to the cent: a line says a quantity and
a price only where their product is its amount exactly (QuickBooks refuses others, code 6070); the discount on the whole
document is a negative line per VAT rate, so that the base of each rate is ours whatever the discount settings of the
company are. What QuickBooks makes of the total is compared afterwards.

Where a rule is Intuit's, it is that of the reference, developer.intuit.com/app/developer/qbo/docs/api/accounting/
all-entities/invoice: a line without an item is documentation and its amount is ignored (SalesItemLineDetail.ItemRef);
the exchange rate is 1 where none is sent (ExchangeRate); the tax of a US company is that of one tax code for the whole
document (TxnTaxDetail).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from invoice_pipelines.errors import InvoicePipelinesError
from invoice_pipelines.quickbooks.api import exact_json
from invoice_pipelines.quickbooks.api.options import Company, ConnectionOptions
from invoice_pipelines.quickbooks.records.names import TooLong, clean_text, in_its_characters

MOST_LINES = 750
"""Of an invoice with taxes."""
LONGEST_NUMBER = 21
LONGEST_DESCRIPTION = 4000
WAITS_FOR_RATE = "MISSING_EXCHANGE_RATE"
"""Code of an invoice that waits for an exchange rate."""
MARKER = "invoice_pipelines:"
"""Stands with our id in PrivateNote: by it an invoice there is known to be ours."""

_PRICE_DIGITS = Decimal("0.00001")
_LARGEST_AMOUNT = Decimal(10) ** 13


class InvoiceProblem(InvoicePipelinesError):
    """An invoice cannot be sent as it is: `code` is for machines, the message says what is wrong and what to do.

    With `retry` it waits for something that comes without touching the invoice.
    """

    def __init__(self, code: str, message: str, *, retry: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.retry = retry


@dataclass(frozen=True, slots=True)
class Buyer:
    """The customer of an invoice in QuickBooks; `currency` None: it is not known in which one he is kept there."""

    quickbooks_id: str
    name: str
    currency: str | None = None


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
    customer: Buyer,
    items: Mapping[str, str],
    exchange_rate: Decimal | None = None,
) -> dict[str, Any]:
    """The document to create. `items` are ids of QuickBooks by ours, `exchange_rate` is what a unit of the invoice's
    currency is worth in that of the company.

    Raises InvoiceProblem for what QuickBooks would refuse, or take and change.
    """
    check_invoice(invoice, company)
    _check_currency(invoice, company, options, customer, exchange_rate)
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
        "CustomerRef": {"value": customer.quickbooks_id},
        "TxnDate": invoice["issue_date"],
        "DueDate": invoice["due_date"],
        "PrivateNote": f"{clean_text(invoice['invoice_number'], 100, company)} {marker_of(invoice['id'])}",
        "Line": lines,
    }
    if company.custom_txn_numbers:
        document["DocNumber"] = invoice["invoice_number"]
    if company.multi_currency:
        document["CurrencyRef"] = {"value": invoice["currency"]}
        if exchange_rate is not None and invoice["currency"] != company.home_currency:
            document["ExchangeRate"] = exchange_rate
    if company.country != "US":
        document["GlobalTaxCalculation"] = "TaxExcluded"
    elif invoice["tax_amount"] != 0:
        document["TxnTaxDetail"] = _sales_tax(invoice, company, options)
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


def _check_currency(
    invoice: Mapping[str, Any],
    company: Company,
    options: ConnectionOptions,
    customer: Buyer,
    exchange_rate: Decimal | None,
) -> None:
    """Raises InvoiceProblem where QuickBooks keeps the customer in another currency, or would book at a rate of 1."""
    number, currency = invoice["invoice_number"], invoice["currency"]
    if company.multi_currency and customer.currency not in (None, currency):
        raise other_currency(number, currency, customer)
    if currency != company.home_currency and exchange_rate is None:
        theirs = options.exchange_rates == "quickbooks"
        raise InvoiceProblem(
            WAITS_FOR_RATE,
            f"Invoice {number} of {invoice['issue_date']} is in {currency}, and no exchange rate to "
            f"{company.home_currency} is known for that day{', nor has QuickBooks one of its own' if theirs else ''}; "
            "without one QuickBooks would book it at 1. Add the rate (`exchange-rates import` or `set`), and it is "
            "sent by itself"
            + ("." if theirs else "; or take QuickBooks' rate: `quickbooks options ORG exchange_rates=quickbooks`."),
            retry=True,
        )


def other_currency(number: str, currency: str, customer: Buyer) -> InvoiceProblem:
    """Why an invoice cannot go to a customer of another currency, and what to do."""
    return InvoiceProblem(
        "CUSTOMER_CURRENCY_DIFFERS",
        f"Invoice {number} is in {currency}, but QuickBooks keeps {customer.name} (id {customer.quickbooks_id}) in "
        f"{customer.currency} and never changes that. Issue invoices in {currency} to a second customer, such as "
        f"'{customer.name[:60]} {currency}', and enter this one in QuickBooks for such a customer.",
    )


def _sales_tax(invoice: Mapping[str, Any], company: Company, options: ConnectionOptions) -> dict[str, Any]:
    """The tax of an invoice in the US as it was issued, and, where nothing computes it, under which tax code."""
    detail: dict[str, Any] = {"TotalTax": Decimal(invoice["tax_amount"])}
    if company.automated_sales_tax:
        return detail
    keys = [f"{tax['tax_category']}:{Decimal(tax['tax_rate']):.2f}" for tax in invoice["taxes"] if tax["tax_amount"]]
    missing = [key for key in keys if key not in options.tax_codes]
    if missing:
        raise InvoiceProblem(
            "MISSING_TAX_CODE",
            f"Invoice {invoice['invoice_number']} has sales tax that the QuickBooks company does not compute itself, "
            f"and {missing[0]} has no tax code there: `quickbooks options ORG tax_codes.{missing[0]}=ID`, with the id "
            "of a tax code of the company.",
        )
    codes = {options.tax_codes[key] for key in keys}
    if len(codes) > 1:
        raise InvoiceProblem(
            "SEVERAL_TAX_CODES",
            f"Invoice {invoice['invoice_number']} has sales tax at {len(keys)} rates ({', '.join(keys)}), and a US "
            "company of QuickBooks takes one tax code for a whole invoice: enter it there.",
        )
    return {"TxnTaxCodeRef": {"value": codes.pop()}, **detail}


def cut_descriptions(invoice: Mapping[str, Any], company: Company) -> Iterator[tuple[int, TooLong]]:
    """Lines whose description is longer than QuickBooks takes it, by their numbers."""
    for line in invoice["lines"]:
        length = len(in_its_characters(_description(line), company))
        if length > LONGEST_DESCRIPTION:
            yield line["line_number"], TooLong("description", length, LONGEST_DESCRIPTION)


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


def chosen_items_of(document: Mapping[str, Any], options: ConnectionOptions) -> list[str]:
    """Ids of the items that the organization chose for lines without one, as far as a document has them."""
    used = {(line["SalesItemLineDetail"].get("ItemRef") or {}).get("value") for line in document["Line"]}
    return sorted({each for each in (options.default_item, options.discount_item) if each is not None} & used)


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
        "exchange_rate": _rate(answer.get("ExchangeRate")),
        "deposit": _text(answer.get("Deposit") or 0),
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
    item = options.default_item if line["item_id"] is None else items[line["item_id"]]
    detail: dict[str, Any] = {} if item is None else {"ItemRef": {"value": item}}
    detail.update(quantity_and_price(quantity, price, amount))
    detail["TaxCodeRef"] = {"value": tax_code(line["tax_category"], Decimal(line["tax_rate"]), company, options)}
    return _sales_line(amount, clean_text(_description(line), LONGEST_DESCRIPTION, company), detail)


def _description(line: Mapping[str, Any]) -> str:
    """What a line says; with what it was reckoned from, where QuickBooks does not get that as numbers."""
    quantity, price, amount = (Decimal(line[name]) for name in ("quantity", "unit_price", "net_amount"))
    described: str = line["description"]
    if not quantity_and_price(quantity, price, amount) or Decimal(line["discount_percent"]) != 0:
        described += f" ({_plain(quantity):f} {line['unit_code']} x {_plain(price):f}"
        described += f" - {_plain(Decimal(line['discount_percent'])):f} %)" if line["discount_percent"] else ")"
    return described


def _allowance(
    tax: Mapping[str, Any], invoice: Mapping[str, Any], company: Company, options: ConnectionOptions
) -> dict[str, Any]:
    rate = Decimal(tax["tax_rate"])
    description = f"Discount {_plain(Decimal(invoice['discount_percent'])):f} %"
    if len(invoice["taxes"]) > 1:
        description += f" on {tax['tax_category']} {_plain(rate):f} %"
    item = options.discount_item or options.default_item
    detail: dict[str, Any] = {} if item is None else {"ItemRef": {"value": item}}
    detail["TaxCodeRef"] = {"value": tax_code(tax["tax_category"], rate, company, options)}
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


def _rate(answered: object) -> str | None:
    """An exchange rate; None where there is none to speak of, whether QuickBooks says 1 or nothing."""
    rate = _text(answered)
    return None if rate == "1" else rate


def _text(amount: object) -> str | None:
    return None if amount is None else f"{_plain(Decimal(str(amount))):f}"


def item_ids(invoices: Sequence[Mapping[str, Any]]) -> set[str]:
    """Our ids of the items on the lines of invoices."""
    return {line["item_id"] for invoice in invoices for line in invoice["lines"] if line["item_id"] is not None}
