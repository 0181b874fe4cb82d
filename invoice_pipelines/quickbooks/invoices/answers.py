"""What QuickBooks made of an invoice that was sent: where its answer is not what was sent, and what its refusals
mean where they say too little.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from invoice_pipelines.quickbooks.api.client import QuickBooks
from invoice_pipelines.quickbooks.api.faults import Fault
from invoice_pipelines.quickbooks.api.options import Company
from invoice_pipelines.quickbooks.invoices.document import Buyer, other_currency, total_differs
from invoice_pipelines.work import Failed

_CENT = Decimal("0.01")
_REFERENCE = re.compile(r"Invalid Reference Id\s*:\s*(?P<kind>\w+) element id (?P<id>\S{1,20})")


@dataclass(frozen=True, slots=True)
class Note:
    """Something about an invoice that someone may ask about; an event."""

    code: str
    message: str
    severity: Literal["info", "warning", "error"]
    detail: dict[str, Any] = field(default_factory=dict)


def notes_on(company: Company, sent: Mapping[str, Any], answer: Mapping[str, Any]) -> Iterator[Note]:
    """How an invoice there differs from what was sent; `sent` is the snapshot of the operation."""
    theirs = total_differs(sent, answer)
    if theirs is not None:
        yield _other_total(sent, answer, theirs)
    if "exchange_rate" in sent and sent["currency"] != company.home_currency:
        yield from _exchange_rate(sent, answer)


def refusal_in_words(quickbooks: QuickBooks, fault: Fault, sent: Mapping[str, Any]) -> Failed | None:
    """What a refusal of an invoice comes to, where its words do not say what to do; None: they do.

    Reads the customer, whose currency is not always known here. Raises Fault and RealmPaused.
    """
    if any("ItemRef" in error.element or "ItemRef" in error.detail for error in fault.errors if error.code == "2020"):
        return Failed(
            "MISSING_ITEM",
            f"Invoice {sent['invoice_number']} has lines without an item, which this QuickBooks company refuses: "
            "`quickbooks options ORG default_item=NAME`, with the name or the id of an item there; then ask for the "
            "invoice again.",
        )
    company = quickbooks.connected.company
    if fault.code == "6000" and company.multi_currency and sent.get("currency"):
        customer = quickbooks.read("Customer", str(sent["customer"]))
        currency = (customer.get("CurrencyRef") or {}).get("value", company.home_currency)
        if currency != sent["currency"]:
            buyer = Buyer(str(sent["customer"]), str(customer.get("DisplayName")), str(currency))
            problem = other_currency(sent["invoice_number"], sent["currency"], buyer)
            return Failed(problem.code, str(problem))
    return None


def reference_not_there(fault: Fault) -> Failed | None:
    """Why an invoice is refused that refers to something QuickBooks does not have, other than a customer or an item."""
    named = _REFERENCE.search(f"{fault.message} {fault.detail}")
    if named is None or named["kind"].lower().startswith(("name", "customer", "item")):
        return None
    if named["kind"].lower().startswith("tax"):
        return Failed(
            "TAX_CODE_NOT_THERE",
            f"QuickBooks has no tax code {named['id']}: set the right one for this VAT rate, such as `quickbooks "
            f"options ORG tax_codes.S:19.00=ID`, then ask for the invoice again. {fault}",
        )
    return Failed(
        "REFERENCE_NOT_THERE", f"QuickBooks has no {named['kind']} {named['id']}: see `quickbooks options ORG`. {fault}"
    )


def chosen_item_gone(quickbooks: QuickBooks, sent: Mapping[str, Any]) -> Failed | None:
    """Why an invoice cannot be sent, where an item that was chosen for lines without one is not in use any more.

    Raises Fault and RealmPaused.
    """
    for item_id in sent.get("chosen_items") or ():
        try:
            item = quickbooks.read("Item", item_id)
        except Fault as fault:
            if fault.code not in ("610", "2500"):
                raise
            item = {"Active": False}
        if item.get("Active") is False:
            return Failed(
                "MISSING_ITEM",
                f"Invoice {sent['invoice_number']} has lines without an item, and the one that was chosen for them, "
                f"id {item_id}, is gone or inactive in QuickBooks: make it active there, or "
                "choose another one (`quickbooks options ORG default_item=NAME discount_item=NAME`); then ask for the "
                "invoice again.",
            )
    return None


def _other_total(sent: Mapping[str, Any], answer: Mapping[str, Any], theirs: Decimal) -> Note:
    ours = Decimal(sent["gross_amount"])
    ignored = [line for line in answer.get("Line") or () if line.get("DetailType") == "DescriptionOnly"]
    # Each line may be a cent off, and each rate of tax; more than that is no rounding.
    is_rounding = abs(theirs - ours) <= _CENT * len(answer.get("Line") or ()) and not ignored
    if ignored:
        hint = (
            f"Lines without an item, which QuickBooks took for text only: {len(ignored)}. Enter their amounts there, "
            "and set default_item (`quickbooks options`) for the invoices to come."
        )
    else:
        hint = "Compare the taxes."
    return Note(
        "TOTAL_DIFFERS",
        f"Invoice {sent['invoice_number']}: the total is {ours} here and {theirs} in QuickBooks. {hint}",
        "warning" if is_rounding else "error",
        {"ours": sent["gross_amount"], "theirs": str(theirs)},
    )


def _exchange_rate(sent: Mapping[str, Any], answer: Mapping[str, Any]) -> Iterator[Note]:
    number, ours = sent["invoice_number"], sent["exchange_rate"]
    theirs = Decimal(str(answer.get("ExchangeRate") or 1))
    detail = {"ours": ours, "theirs": str(theirs)}
    if ours is None or theirs != Decimal(ours):
        message = f"Invoice {number} was sent with an exchange rate of {ours}, and QuickBooks booked it at {theirs}."
        yield Note("EXCHANGE_RATE_DIFFERS", message, "warning", detail)
    elif sent.get("exchange_rate_is_theirs"):
        message = f"Invoice {number} was booked at QuickBooks' own exchange rate of {theirs}, as none was known here."
        yield Note("EXCHANGE_RATE_TAKEN", message, "info", detail)
