"""The rules for customers, vendors and employees, who share their names, and for items."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from invoice_pipelines.workshop.sandbox.quickbooks.books.books import NAMES, Books, amount_of
from invoice_pipelines.workshop.sandbox.quickbooks.books.companies import CURRENCY_NAMES
from invoice_pipelines.workshop.sandbox.quickbooks.books.countries import three_letters
from invoice_pipelines.workshop.sandbox.quickbooks.wire import refusals
from invoice_pipelines.workshop.sandbox.quickbooks.wire.json_text import Document

_LENGTHS = {
    "DisplayName": 500,
    "Title": 16,
    "GivenName": 100,
    "MiddleName": 100,
    "FamilyName": 100,
    "Suffix": 16,
    "CompanyName": 100,
    "PrintOnCheckName": 110,
    "Notes": 2000,
    "ResaleNum": 16,
}
_NO_COLON = ("DisplayName", "Title", "GivenName", "MiddleName", "FamilyName", "Suffix", "PrintOnCheckName")
_ADDRESS_LENGTHS = {**dict.fromkeys(("Line1", "Line2", "Line3", "Line4", "Line5"), 500), "City": 255, "Country": 255}
_ADDRESS_LENGTHS |= {"CountrySubDivisionCode": 255, "PostalCode": 30}
_EMAIL = 100
_PHONES = ("PrimaryPhone", "AlternatePhone", "Mobile", "Fax")
_ITEM_LENGTHS = {"Name": 100, "Sku": 100, "Description": 4000, "PurchaseDesc": 4000}
ITEM_TYPES = ("Service", "NonInventory", "Inventory", "Group", "Category")
NAME_READ_ONLY = frozenset(["FullyQualifiedName", "BalanceWithJobs", "Level", "Balance", "IsProject"])
ITEM_READ_ONLY = frozenset(["FullyQualifiedName", "Level"])
_DELETED = " (deleted)"
_WAS_DELETED = re.compile(r" \(deleted( \d+)?\)\Z")
_MOST_LEVELS = 5


def complete_name(books: Books, entity: str, sent: Document, old: Document | None) -> Document:
    """A customer, vendor or employee as it will be stored; raises Refusal."""
    document = dict(sent)
    _check_texts(document, _LENGTHS, _NO_COLON, ":\t\n")
    for phone in _PHONES:
        number = document.get(phone, {}).get("FreeFormNumber", "")
        if len(number) > 30:
            raise refusals.bad_length(f"{phone}.FreeFormNumber", 30, len(number))
    if len(document.get("WebAddr", {}).get("URI", "")) > 1000:
        raise refusals.bad_length("WebAddr.URI", 1000, len(document["WebAddr"]["URI"]))
    emails = str(document.get("PrimaryEmailAddr", {}).get("Address", ""))
    if len(emails) > _EMAIL:
        raise refusals.bad_length("PrimaryEmailAddr.Address", _EMAIL, len(emails))
    for address in emails.split(","):
        if address and not ("@" in address and "." in address.rpartition("@")[2]):
            raise refusals.bad_email("PrimaryEmailAddr.Address")
    parts = [
        document[part] for part in ("Title", "GivenName", "MiddleName", "FamilyName", "Suffix") if part in document
    ]
    if not document.get("DisplayName"):
        document["DisplayName"] = (old or {}).get("DisplayName") or " ".join(parts)
    if not document["DisplayName"].strip():
        raise refusals.business(
            "At least one of the fields DisplayName, Title, GivenName, MiddleName, FamilyName or Suffix is required.",
            "6080",
            "DisplayName",
        )
    if books.switches.names_trimmed:
        document["DisplayName"] = document["DisplayName"].strip()
    _set_active(books, entity, document, old, "DisplayName")
    document.setdefault("PrintOnCheckName", (old or {}).get("PrintOnCheckName") or document["DisplayName"][:110])
    _set_parent(books, entity, document, "DisplayName", old)
    _set_addresses(books, document, old)
    if entity == "Customer":
        _complete_customer(books, document, old)
    return document


def _complete_customer(books: Books, document: Document, old: Document | None) -> None:
    document.setdefault("Taxable", True)
    document.setdefault("Job", "ParentRef" in document)
    document.setdefault("BillWithParent", False)
    document.setdefault("PreferredDeliveryMethod", "Print")
    document["Balance"] = document["BalanceWithJobs"] = (old or {}).get("Balance", Decimal("0.00"))
    if identifier := document.get("PrimaryTaxIdentifier"):
        document["PrimaryTaxIdentifier"] = "X" * max(len(identifier) - 5, 0) + identifier[-5:]
    set_currency(books, document, old, books.company.home_currency)


def set_currency(books: Books, document: Document, old: Document | None, default: str) -> None:
    """Companies with one currency take no word about it; others fix it when the document is made."""
    currency = document.get("CurrencyRef")
    if not books.company.multi_currency:
        if currency is not None:
            raise refusals.business(
                "Business Validation Error: Multi Currency should be enabled to perform this operation.",
                element="CurrencyRef",
            )
        return
    before = (old or {}).get("CurrencyRef")
    value = (currency or before or {}).get("value", default)
    if not re.fullmatch(r"[A-Z]{3}", str(value)):
        raise refusals.bad_reference("Currency", value, "CurrencyRef")
    if before is not None and value != before["value"]:
        raise refusals.business("Business Validation Error: The currency cannot be changed.", element="CurrencyRef")
    document["CurrencyRef"] = {"value": value, "name": CURRENCY_NAMES.get(value, value)}


def complete_item(books: Books, entity: str, sent: Document, old: Document | None) -> Document:
    """An item as it will be stored; raises Refusal."""
    document = dict(sent)
    if not document.get("Name"):
        raise refusals.missing("Name")
    if books.switches.names_trimmed:
        document["Name"] = document["Name"].strip()
    _check_texts(document, _ITEM_LENGTHS, ("Name",), books.switches.item_name_forbidden)
    kind = document.setdefault("Type", (old or {}).get("Type", "NonInventory"))
    if kind not in ITEM_TYPES:
        raise refusals.bad_choice("Type", kind)
    if old is not None and kind != old["Type"] and "Inventory" in (kind, old["Type"]):
        raise refusals.business("Business Validation Error: The type of an inventory item cannot be changed.")
    if kind in ("Service", "NonInventory", "Inventory"):
        _set_account(books, document, "IncomeAccountRef", required=True)
    _set_account(books, document, "ExpenseAccountRef", required=kind == "Inventory")
    _set_account(books, document, "AssetAccountRef", required=kind == "Inventory")
    if kind == "Inventory":
        for element in ("QtyOnHand", "InvStartDate"):
            if element not in document:
                raise refusals.missing(element)
    if books.company.country == "FR":
        _set_french_category(document, old, filled_in=books.by_hand)
    document["TrackQtyOnHand"] = kind == "Inventory"
    for element in ("UnitPrice", "PurchaseCost", "QtyOnHand"):
        if element in document:
            document[element] = amount_of(document[element], element)
    if kind != "Category":
        document.setdefault("UnitPrice", Decimal(0))
    document.setdefault("Taxable", False)
    _set_active(books, entity, document, old, "Name")
    _set_parent(books, entity, document, "Name", old)
    return document


def _set_french_category(document: Document, old: Document | None, *, filled_in: bool) -> None:
    """ItemCategoryType, which items of French companies must have, and keep."""
    if old is not None:
        document["ItemCategoryType"] = old["ItemCategoryType"]
    elif filled_in:
        document.setdefault("ItemCategoryType", "Service" if document["Type"] == "Service" else "Product")
    if "ItemCategoryType" not in document:
        raise refusals.missing("ItemCategoryType")
    if document["ItemCategoryType"] not in ("Product", "Service"):
        raise refusals.bad_choice("ItemCategoryType", document["ItemCategoryType"])


def _check_texts(document: Document, lengths: dict[str, int], without: tuple[str, ...], characters: str) -> None:
    for element, most in lengths.items():
        value = document.get(element, "")
        if not isinstance(value, str):
            raise refusals.malformed(element)
        if len(value) > most:
            raise refusals.bad_length(element, most, len(value))
    for element in without:
        if any(character in document.get(element, "") for character in characters):
            raise refusals.bad_characters(element)


def _set_active(books: Books, entity: str, document: Document, old: Document | None, element: str) -> None:
    """Whether it is in use, and its name, which nobody else may have."""
    was = True if old is None else bool(old["Active"])
    active = document.setdefault("Active", was)
    if not isinstance(active, bool):
        raise refusals.malformed("Active")
    if was and not active and old is not None and Decimal(old.get("Balance", 0)):
        raise refusals.has_balance()
    name = document[element]
    if active and not was:
        name = _WAS_DELETED.sub("", name)
    if not active and (was or old is None):
        name, count = name + _DELETED, 0
        while _taken(books, entity, name, old):
            count += 1
            name = f"{document[element]} (deleted {count})"
    if _taken(books, entity, name, old):
        raise refusals.duplicate_name()
    document[element] = name


def _taken(books: Books, entity: str, name: str, old: Document | None) -> bool:
    keys = [books.name_key(name)]
    if books.switches.inactive_keeps_name:
        keys.append(books.name_key(name) + _DELETED)
    marks = ", ".join("?" * len(keys))
    found = books.store.rows(
        f"select entity, id from document where realm = ? and name_key in ({marks})", [books.realm, *keys]
    )
    kin = NAMES if entity in NAMES else (entity,)
    mine = (entity, int(old["Id"])) if old else None
    return any(other in kin and (other, identity) != mine for other, identity in found)


def _set_parent(books: Books, entity: str, document: Document, element: str, old: Document | None) -> None:
    name = document[element]
    if "ParentRef" not in document:
        document["FullyQualifiedName"] = name
        document.pop("Level", None)
        return
    parent = books.referred(entity, document["ParentRef"], "ParentRef")
    level = parent.get("Level", 0) + 1
    if level >= _MOST_LEVELS or (old is not None and parent["Id"] == old["Id"]):
        raise refusals.business("Business Validation Error: Too many levels of sub-customers or sub-items.")
    document["Level"] = level
    document["FullyQualifiedName"] = f"{parent['FullyQualifiedName']}:{name}"


def rename_children(books: Books, entity: str, parent: Document) -> None:
    """Whatever is below a name has the name within its own."""
    found = books.store.rows(
        "select id from document where realm = ? and entity = ? and json_extract(body, '$.ParentRef.value') = ?",
        (books.realm, entity, parent["Id"]),
    )
    for (identity,) in found:
        child = books.get(entity, identity)
        own = child["DisplayName" if entity in NAMES else "Name"]
        child["FullyQualifiedName"] = f"{parent['FullyQualifiedName']}:{own}"
        books.touch(entity, child)
        rename_children(books, entity, child)


def _set_addresses(books: Books, document: Document, old: Document | None) -> None:
    for element in ("BillAddr", "ShipAddr"):
        address = document.get(element)
        if address is None:
            continue
        if not isinstance(address, dict):
            raise refusals.malformed(element)
        for part, most in _ADDRESS_LENGTHS.items():
            if len(str(address.get(part, ""))) > most:
                raise refusals.bad_length(f"{element}.{part}", most, len(address[part]))
        before = (old or {}).get(element, {})
        identity = before.get("Id") or str(books.store.next_id(books.realm, "address"))
        document[element] = {**address, "Id": identity}
        if books.switches.country_as_iso3 and "Country" in address:
            document[element]["Country"] = three_letters(address["Country"])


def _set_account(books: Books, document: Document, element: str, *, required: bool) -> None:
    reference: Any = document.get(element)
    if reference is None:
        if required:
            raise refusals.missing(element)
        return
    account = books.referred("Account", reference, element)
    document[element] = {"value": account["Id"], "name": account["Name"]}
