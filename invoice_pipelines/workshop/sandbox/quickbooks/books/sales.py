"""The rules for invoices, credit memos and refund receipts: lines, amounts, numbers, dates, and voiding."""

from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal

from invoice_pipelines.workshop.sandbox.quickbooks.books.books import Books, amount_of
from invoice_pipelines.workshop.sandbox.quickbooks.books.currencies import set_money
from invoice_pipelines.workshop.sandbox.quickbooks.books.taxes import US_CODES, computed_tax, tax_code_of, to_cent
from invoice_pipelines.workshop.sandbox.quickbooks.clock import SERVER_ZONE
from invoice_pipelines.workshop.sandbox.quickbooks.wire import refusals
from invoice_pipelines.workshop.sandbox.quickbooks.wire.json_text import Document

READ_ONLY = frozenset(
    ["TotalAmt", "Balance", "LinkedTxn", "HomeTotalAmt", "HomeBalance", "RemainingCredit", "InvoiceLink"]
)
_MOST_LINES = 10_000
_MOST_TAXED_LINES = 750
_DOC_NUMBER = 21
_DETAIL_TYPES = (
    "SalesItemLineDetail",
    "SubTotalLineDetail",
    "DiscountLineDetail",
    "DescriptionOnly",
    "GroupLineDetail",
)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_LENGTHS = {"PrivateNote": 4000, "DocNumber": _DOC_NUMBER}
_ZERO = Decimal("0.00")


def complete_sale(books: Books, entity: str, sent: Document, old: Document | None) -> Document:
    """An invoice, a credit memo or a refund receipt as it will be stored; raises Refusal."""
    document = dict(sent)
    for element, most in _LENGTHS.items():
        if len(str(document.get(element, ""))) > most:
            raise refusals.bad_length(element, most, len(document[element]))
    if entity != "RefundReceipt" or "CustomerRef" in document:  # money is paid back to anybody
        set_customer(books, document)
    set_date(books, document, old)
    set_money(books, document, old)
    if entity == "RefundReceipt" and "DepositToAccountRef" not in document:
        raise refusals.missing("DepositToAccountRef")
    total, detail = _complete_lines(books, document)
    paid = _ZERO if old is None else Decimal(old["TotalAmt"]) - _open_of(entity, old)
    if total < paid:
        raise refusals.business("Business Validation Error: The amount is less than what is already applied.")
    document["TxnTaxDetail"] = detail
    document["TotalAmt"] = total
    if "ExchangeRate" in document:
        document["HomeTotalAmt"] = to_cent(total * Decimal(document["ExchangeRate"]))
    document["Balance"] = total - paid if entity != "RefundReceipt" else _ZERO
    if entity == "CreditMemo":
        document["RemainingCredit"] = document["Balance"]
    document["LinkedTxn"] = (old or {}).get("LinkedTxn", [])
    document.setdefault("PrintStatus", "NotSet")
    document.setdefault("EmailStatus", "NotSet")
    if entity == "Invoice":
        _set_due_date(books, document)
    set_number(books, entity, document, old)
    return document


def _open_of(entity: str, document: Document) -> Decimal:
    return Decimal(document["TotalAmt"] if entity == "RefundReceipt" else document["Balance"])


def set_customer(books: Books, document: Document) -> None:
    """Who it is for: there, and in use."""
    if "CustomerRef" not in document:
        raise refusals.missing("CustomerRef")
    customer = books.referred("Customer", document["CustomerRef"], "CustomerRef")
    if not customer["Active"]:
        raise refusals.inactive_customer(customer["DisplayName"])
    document["CustomerRef"] = {"value": customer["Id"], "name": customer["DisplayName"]}
    if "BillAddr" in customer:
        document.setdefault("BillAddr", customer["BillAddr"])


def set_date(books: Books, document: Document, old: Document | None) -> None:
    """TxnDate, today if none is given, and not before the books were closed; neither may the old one be."""
    document.setdefault("TxnDate", (old or {}).get("TxnDate") or books.now.astimezone(SERVER_ZONE).date().isoformat())
    for one in (document, old or {}):
        if "TxnDate" in one:
            check_open(books, date_of(one["TxnDate"], "TxnDate"))
    if "DueDate" in document:
        date_of(document["DueDate"], "DueDate")


def check_open(books: Books, day: date) -> None:
    """Raises Refusal 6200 or 6210 for a day whose books are closed."""
    closed = books.company.books_closed_until
    if closed is not None and day <= closed:
        raise refusals.books_closed(books.company.books_closed_with_password)


def date_of(value: object, element: str) -> date:
    """A date as sent; raises Refusal 2060."""
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        raise refusals.bad_date(element, value)
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise refusals.bad_date(element, value) from None


def _set_due_date(books: Books, document: Document) -> None:
    if "DueDate" in document:
        return
    days = 30
    if "SalesTermRef" in document:
        days = int(books.referred("Term", document["SalesTermRef"], "SalesTermRef").get("DueDays", 0))
    document["DueDate"] = (date.fromisoformat(document["TxnDate"]) + timedelta(days=days)).isoformat()


def set_number(books: Books, entity: str, document: Document, old: Document | None) -> None:
    """DocNumber: the company's own, checked, or counted on by the server."""
    number = document.get("DocNumber")
    if not books.company.custom_txn_numbers:
        if number is None and old is not None:
            number = old.get("DocNumber")
        if number is None:
            number = str(1000 + books.store.next_id(books.realm, "document number"))
        document["DocNumber"] = number
        return
    if number is None or books.allow_duplicate_number:
        return
    found = books.store.rows(
        "select entity, id from document where realm = ? and doc_number = ?", (books.realm, number)
    )
    for other, identity in found:
        if other == entity and (old is None or str(identity) != old["Id"]):
            raise refusals.duplicate_number(number, other, str(identity))


def _complete_lines(books: Books, document: Document) -> tuple[Decimal, Document]:
    """Completes the lines in place; the total and TxnTaxDetail."""
    lines = [dict(line) for line in document.get("Line", []) if line.get("DetailType") != "SubTotalLineDetail"]
    if not lines:
        raise refusals.missing("Line")
    if len(lines) > _MOST_LINES:
        raise refusals.business(f"A transaction can have at most {_MOST_LINES} lines.", element="Line")
    discount = _ZERO
    items: list[tuple[str, Decimal]] = []
    subtotal = _ZERO
    for number, line in enumerate(lines, start=1):
        line["Id"] = str(number)
        line.setdefault("LineNum", number)
        kind = line.get("DetailType")
        if kind is None:
            raise refusals.missing("Line.DetailType")
        if kind not in _DETAIL_TYPES:
            raise refusals.bad_choice("Line.DetailType", kind)
        if len(line.get("Description", "")) > 4000:
            raise refusals.bad_length("Line.Description", 4000, len(line["Description"]))
        if kind == "SalesItemLineDetail" and _is_documentation(books, line):
            lines[number - 1] = {
                **{key: line[key] for key in ("Id", "LineNum", "Description") if key in line},
                "DetailType": "DescriptionOnly",
                "DescriptionLineDetail": {},
            }
        elif kind == "SalesItemLineDetail":
            subtotal += _complete_item_line(books, line)
            items.append((tax_code_of(line), line["Amount"]))
        elif kind == "DiscountLineDetail":
            discount += _discount_of(line, subtotal)
        elif "Amount" in line:
            line["Amount"] = amount_of(line["Amount"], "Line.Amount")
    if len(items) > _MOST_TAXED_LINES and any(code not in ("NON", "") for code, _ in items):
        raise refusals.business(f"A taxable invoice can have at most {_MOST_TAXED_LINES} lines.", element="Line")
    after = not books.company.automated_sales_tax or document.get("ApplyTaxAfterDiscount") is True
    if not _is_taxed(books, document):
        items = [("NON", amount) for _, amount in items]
    detail, tax = computed_tax(books, document, _less(items, discount) if after else items)
    lines.append({"Amount": subtotal, "DetailType": "SubTotalLineDetail", "SubTotalLineDetail": {}})
    document["Line"] = lines
    total = subtotal - discount + tax
    if total < 0:
        raise refusals.business("Business Validation Error: Transaction amount must be 0 or greater.", element="Line")
    return total, detail


def _is_documentation(books: Books, line: Document) -> bool:
    """Whether a line is words only: it names no item. Raises Refusal where one must be named."""
    if books.by_hand or "ItemRef" in (line.get("SalesItemLineDetail") or {}):
        return False
    if books.switches.line_without_item == "refused":
        raise refusals.missing("Line.SalesItemLineDetail.ItemRef")
    return books.switches.line_without_item == "ignored"


def _is_taxed(books: Books, document: Document) -> bool:
    """US companies know customers that pay no sales tax."""
    if not books.company.automated_sales_tax or "CustomerRef" not in document:
        return True
    return bool(books.get("Customer", document["CustomerRef"]["value"]).get("Taxable", True))


def move_stock(books: Books, old: Document | None, new: Document | None) -> None:
    """What an invoice sells leaves the stock: the item changes, though nobody edited it."""
    moves: dict[str, Decimal] = {}
    for document, sign in ((old, 1), (new, -1)):
        for line in (document or {}).get("Line", []):
            detail = line.get("SalesItemLineDetail", {})
            if "ItemRef" in detail and detail.get("Qty"):
                item = str(detail["ItemRef"]["value"])
                moves[item] = moves.get(item, Decimal(0)) + sign * Decimal(str(detail["Qty"]))
    for item, move in moves.items():
        stored = books.get("Item", item)
        if move and stored["Type"] == "Inventory":
            books.touch("Item", {**stored, "QtyOnHand": Decimal(stored["QtyOnHand"]) + move})


def _complete_item_line(books: Books, line: Document) -> Decimal:
    if "Amount" not in line:
        raise refusals.missing("Line.Amount")
    amount = amount_of(line["Amount"], "Line.Amount")
    detail = dict(line.get("SalesItemLineDetail") or {})
    if "ItemRef" in detail:
        item = books.referred("Item", detail["ItemRef"], "Line.SalesItemLineDetail.ItemRef")
        if not item["Active"]:
            raise refusals.not_found(inactive=True)
        detail["ItemRef"] = {"value": item["Id"], "name": item["Name"]}
    price = amount_of(detail.get("UnitPrice", 0), "Line.SalesItemLineDetail.UnitPrice")
    quantity = amount_of(detail.get("Qty", 0), "Line.SalesItemLineDetail.Qty")
    if price and quantity and to_cent(price * quantity) != amount:
        raise refusals.wrong_amount(line["Amount"])
    if amount != to_cent(amount):
        raise refusals.bad_number("Line.Amount", line["Amount"])
    if books.company.country == "US":
        code = detail.setdefault("TaxCodeRef", {"value": "NON"}).get("value")
        if code not in US_CODES:
            raise refusals.bad_reference("TaxCodes", code, "TaxCodeRef")
    line["Amount"] = to_cent(amount)
    line["SalesItemLineDetail"] = detail
    return to_cent(amount)


def _discount_of(line: Document, subtotal: Decimal) -> Decimal:
    detail = line.get("DiscountLineDetail") or {}
    if detail.get("PercentBased"):
        percent = amount_of(detail.get("DiscountPercent", 0), "Line.DiscountLineDetail.DiscountPercent")
        line["Amount"] = to_cent(subtotal * percent / 100)
    else:
        line["Amount"] = to_cent(amount_of(line.get("Amount", 0), "Line.Amount"))
    return Decimal(line["Amount"])


def _less(items: list[tuple[str, Decimal]], discount: Decimal) -> list[tuple[str, Decimal]]:
    """The lines' amounts, each with its share of the discount taken off."""
    subtotal = sum((amount for _, amount in items), _ZERO)
    if not discount or not subtotal:
        return items
    left, result = discount, []
    for index, (code, amount) in enumerate(items):
        share = left if index == len(items) - 1 else to_cent(discount * amount / subtotal)
        left -= share
        result.append((code, amount - share))
    return result


def voided_sale(books: Books, entity: str, old: Document) -> Document:
    """What an invoice becomes by being voided; raises Refusal."""
    check_not_void(books, old)
    if is_void(old):
        return old
    check_open(books, date.fromisoformat(old["TxnDate"]))
    if any(link["TxnType"] == "Payment" for link in old.get("LinkedTxn", [])):
        raise refusals.business(
            "Business Validation Error: You cannot void this transaction, as a payment is applied to it.",
            books.switches.void_with_payment_code,
        )
    lines = []
    for line in old["Line"]:
        nothing = {**line, "Amount": _ZERO} if "Amount" in line else dict(line)
        if "SalesItemLineDetail" in nothing:
            nothing["SalesItemLineDetail"] = {**nothing["SalesItemLineDetail"], "Qty": 0}
        lines.append(nothing)
    document = {**old, "Line": lines, "TxnTaxDetail": {"TotalTax": _ZERO}, "TotalAmt": _ZERO, "Balance": _ZERO}
    if entity == "CreditMemo":
        document["RemainingCredit"] = _ZERO
    document["PrivateNote"] = void_note(old)
    return document


def check_not_void(books: Books, document: Document) -> None:
    """Raises Refusal for what was voided before, unless that is taken."""
    if is_void(document) and books.switches.double_void == "refuse":
        raise refusals.business("Business Validation Error: The transaction is already voided.")


def is_void(document: Document) -> bool:
    """Whether it was voided."""
    return document["TotalAmt"] == 0 and str(document.get("PrivateNote", "")).startswith("Voided")


def void_note(old: Document) -> str:
    """The note of a voided transaction."""
    note = old.get("PrivateNote")
    return f"Voided - {note}" if note else "Voided"


def check_no_links(document: Document) -> None:
    """Raises Refusal for what cannot be deleted while something is linked to it."""
    links = document.get("LinkedTxn", [])
    if any(link["TxnType"] == "Deposit" for link in links):
        raise refusals.deposited()
    if links:
        raise refusals.business(
            "Business Validation Error: You must unlink the linked transactions before you delete this one.", "800"
        )
