"""What the words of the sync are called at the desk: entities, fields, kinds of conflicts, and why something waits."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from invoice_pipelines.quickbooks.values import EntityType
from invoice_pipelines.web.pages.errors import N_
from invoice_pipelines.web.pages.languages import Language

ENTITIES = {
    EntityType.CUSTOMER: N_("Customers"),
    EntityType.ITEM: N_("Items"),
    EntityType.INVOICE: N_("Invoices"),
    EntityType.PAYMENT: N_("Payments"),
}
ONE = {
    EntityType.CUSTOMER: N_("Customer"),
    EntityType.ITEM: N_("Item"),
    EntityType.INVOICE: N_("Invoice"),
    EntityType.PAYMENT: N_("Payment"),
}
FIELDS = {
    "name": N_("Name"),
    "email": N_("Email"),
    "phone": N_("Phone"),
    "street": N_("Street"),
    "additional_street": N_("Additional street"),
    "city": N_("City"),
    "post_code": N_("Post code"),
    "country_code": N_("Country"),
    "is_active": N_("Active"),
    "sku": N_("Item number (SKU)"),
    "description": N_("Description"),
    "unit_price": N_("Unit price"),
    "item_type": N_("Kind of item"),
}
KINDS = {
    "field": (N_("Changed on both sides"), N_("Decide which value counts on both sides.")),
    "ambiguous": (N_("May be one of several"), N_("Say which of our records it is, or that it is a new one.")),
    "unusable": (
        N_("Cannot be stored here"),
        N_("Correct the record in QuickBooks. The next sync takes it over, and this is closed by itself."),
    ),
    "item_type": (
        N_("Stock item on one side only"),
        N_("Change the item here or in QuickBooks, so that both keep stock of it or neither does."),
    ),
    "sku_taken": (
        N_("Item number taken here"),
        N_("Another item has this number here. Give one of the two another number."),
    ),
    "name_in_use": (
        N_("Name taken in QuickBooks"),
        N_("A vendor, an employee or another record has this name in QuickBooks. Rename one of the two."),
    ),
    "number_in_use": (
        N_("Invoice number taken in QuickBooks"),
        N_("Give the other document in QuickBooks another number, then ask for this invoice to be sent again."),
    ),
    "looks_like_ours": (
        N_("Looks like ours in QuickBooks"),
        N_("QuickBooks has an invoice with this number that differs from ours. Compare the two, and correct it there."),
    ),
    "mapped_twice": (
        N_("Linked twice"),
        N_("Two of our records lead to the same one in QuickBooks. Compare them there."),
    ),
    "void_refused": (
        N_("Not voided in QuickBooks"),
        N_("The invoice is void here. Take the payment off it in QuickBooks, then void it there."),
    ),
}
"""Title, and what to do."""
OTHER_KIND = (N_("Needs a person"), N_("Put it right on one of the two sides, then close it."))
REASONS = {
    "MISSING_TAX_CODE": N_("QuickBooks has no tax code for one of its rates. Choose one in the settings, then resend."),
    "SEVERAL_TAX_CODES": N_("It has several taxed rates, and this company takes one. Enter it in QuickBooks by hand."),
    "FOREIGN_CURRENCY": N_("It is in another currency, and this company takes its own only."),
    "CUSTOMER_CURRENCY_DIFFERS": N_("The customer is in another currency in QuickBooks. Enter it there by hand."),
    "BOOKS_CLOSED": N_("The books are closed for its date in QuickBooks. Open them there, then resend."),
    "NUMBER_TOO_LONG": N_("Its number has more than the 21 characters that QuickBooks takes."),
    "TOO_MANY_LINES": N_("It has more lines than the 750 that QuickBooks takes."),
    "MISSING_EXCHANGE_RATE": N_("There is no exchange rate for its day. Add the rate; it goes on by itself."),
    "MISSING_ITEM": N_("It has lines without an item. Choose a default item in the settings, then resend."),
    "WAITS_FOR_OTHERS": N_("Its customer or an item is not there yet. It goes on by itself when they are."),
    "OUTCOME_UNKNOWN": N_("QuickBooks gave no answer. It is sent again as it was, by itself."),
    "NAME_IN_USE": N_("Its name is taken in QuickBooks. See the conflicts."),
    "NUMBER_IN_USE": N_("Its number is taken in QuickBooks. See the conflicts."),
    "LOOKS_LIKE_OURS": N_("QuickBooks has a similar invoice with this number. See the conflicts."),
    "VOID_REFUSED": N_("QuickBooks refuses to void it. See the conflicts."),
    "DELETED_THERE": N_("It was deleted in QuickBooks, and is not made again."),
}
"""Why a record was not sent, by the code of its entry."""


NOT_LANDED = {
    "not_allowed": N_("Nothing was connected, as the connection was not allowed at Intuit. To allow it, begin again."),
    "state_refused": N_(
        "Nothing was connected: this link was already used, has expired (15 minutes), or was started by somebody "
        "else. Begin again."
    ),
    "company_taken": N_(
        "Nothing was connected: this company is connected with another organization. Disconnect it there first, or "
        "choose another company."
    ),
    "forbidden": N_("Nothing was connected: only an admin of this organization can do that, in person."),
    "token_service_away": N_("Nothing was connected, as Intuit did not answer. Begin again in some minutes."),
}
"""Why a person comes back from Intuit without a connection, by the code of the problem."""
_NOT_LANDED = N_("Nothing was connected. Begin again; if it stays so, tell the operator.")


def reason_of(code: str, message: str, language: Language) -> str:
    """Why a record was not sent; in the words of QuickBooks where there are none of ours."""
    return language.gettext(REASONS[code]) if code in REASONS else language.in_english(message)


def unusable_of(message: str, language: Language) -> str:
    """Why a record of QuickBooks cannot be stored here, by what its conflict says; in English as it says it."""
    _, _, why = message.rstrip(".").partition(" cannot be used here: ")
    if missing := re.fullmatch(r"it has no (\w+)", why):
        return language.gettext("The field %(name)s is empty there.") % {"name": missing[1]}
    if why.startswith("its price"):
        return language.gettext("Its price there is not a number that fits here.")
    return language.in_english(message)


def value_of(field: str | None, value: Any, language: Language) -> str:
    """The value of a field as people read it."""
    if value is None:
        return language.gettext("(empty)")
    if isinstance(value, bool):
        return language.gettext("yes") if value else language.gettext("no")
    if field == "unit_price":
        return language.amount(Decimal(str(value)))
    if field == "item_type":
        is_stock = value == "Inventory"
        return language.gettext("Stock item") if is_stock else language.gettext("Without stock")
    return str(value)


def shown(language: Language) -> dict[str, Any]:
    """The functions by which templates say these words."""
    _ = language.gettext
    return {
        "entity_name": lambda entity: _(ENTITIES[EntityType(entity)]),
        "entity_one": lambda entity: _(ONE[EntityType(entity)]),
        "field_name": lambda field: _(FIELDS[field]) if field in FIELDS else str(field or ""),
        "kind_title": lambda kind: _(KINDS.get(kind, OTHER_KIND)[0]),
        "kind_hint": lambda kind: _(KINDS.get(kind, OTHER_KIND)[1]),
        "not_landed": lambda code: _(NOT_LANDED.get(code, _NOT_LANDED)),
        "reason": lambda code, message: reason_of(code, message, language),
        "unusable": lambda message: unusable_of(message, language),
        "value": lambda field, value: value_of(field, value, language),
    }
