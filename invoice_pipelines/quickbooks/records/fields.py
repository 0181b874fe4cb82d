"""The synced fields of customers and items: from our rows, from documents of QuickBooks, and back into both.

Fields are normalised so that equal means equal: blanks at the ends are no part of a text, an empty text is None, an
amount is a decimal without trailing zeros, a country has two letters. A field that a document does not say, or says
in a way that we cannot read (a country as free text), is left out of its fields: then it is no edit.

A snapshot (`quickbooks.mapping.snapshot`) is the base of the next merge in our form, with up to four further keys:
`theirs`, where QuickBooks has another form of the same value (a cleaned name, a change that it refuses), `carried`,
parts of the address that are not synced but must be sent with it, `currency`, which a customer keeps for ever, and
`merged_into`, the id of the survivor of a merge in QuickBooks.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.billing.errors import storable
from invoice_pipelines.errors import InvoicePipelinesError
from invoice_pipelines.quickbooks.api.countries import alpha_2, alpha_3
from invoice_pipelines.quickbooks.records.merge import Fields, Rule, Value
from invoice_pipelines.quickbooks.values import EntityType, as_json


@dataclass(frozen=True, slots=True)
class Field:
    """A column of ours that is the same in QuickBooks: where a document has it, and how many characters it takes.

    Of a field that is `whole` a part is worth nothing, and leads astray: what is too long is not sent at all.
    """

    name: str
    path: tuple[str, ...]
    longest: int | None = None
    whole: bool = False


ADDRESS = "BillAddr"
"""One thing to QuickBooks: if a part of it changed, all of it is sent."""
CUSTOMER = (
    Field("name", ("DisplayName",), 500),
    Field("email", ("PrimaryEmailAddr", "Address"), 100, whole=True),
    Field("phone", ("PrimaryPhone", "FreeFormNumber"), 30, whole=True),
    Field("street", (ADDRESS, "Line1"), 500),
    Field("additional_street", (ADDRESS, "Line2"), 500),
    Field("city", (ADDRESS, "City"), 255),
    Field("post_code", (ADDRESS, "PostalCode"), 30, whole=True),
    Field("country_code", (ADDRESS, "Country")),
    Field("is_active", ("Active",)),
)
ITEM = (
    Field("name", ("Name",), 100),
    Field("sku", ("Sku",), 100, whole=True),
    Field("description", ("Description",), 4000),
    Field("unit_price", ("UnitPrice",)),
    Field("is_active", ("Active",)),
    Field("item_type", ("Type",)),
)
"""A further column of customers is a line here, and one in the triggers of change_capture.sql."""

NOT_ITEMS = ("Category", "Group")
"""Types of Item that cannot stand on an invoice line of ours: they are never read."""

_INACTIVE_NAME = re.compile(r" \(deleted(?: ?[0-9]+)?\)$")
_CARRIED = ("Line3", "Line4", "Line5", "CountrySubDivisionCode")
_UNITS_OF_TIME = frozenset(["SEC", "MIN", "HUR", "LH", "DAY", "WEE", "MON", "QAN", "ANN"])  # UN/ECE recommendation 20
_LARGEST_PRICE = Decimal("9999999999.9999")  # billing.items.unit_price, numeric(14, 4)


class UnusableDocument(InvoicePipelinesError):
    """A document of QuickBooks cannot become a record here; the message says why, in one line."""


@dataclass(frozen=True, slots=True)
class RecordType:
    """What customers and items are here and in QuickBooks. `key` is the column by which people know one."""

    there: str
    name_key: str
    view: str
    key: str
    synced: tuple[Field, ...]
    fields: Callable[[Mapping[str, Any]], Fields]
    fields_of: Callable[[Mapping[str, Any]], Fields]
    """Of a document. Raises UnusableDocument."""


def customer_fields(row: Mapping[str, Any]) -> Fields:
    """The synced fields of a row of billing.customers."""
    return {field.name: _text(row[field.name]) for field in CUSTOMER} | {"is_active": bool(row["is_active"])}


def item_fields(row: Mapping[str, Any]) -> Fields:
    """The synced fields of a row of billing.items."""
    return {
        **{field: _text(row[field]) for field in ("name", "sku", "description")},
        "unit_price": price(row["unit_price"]),
        "is_active": bool(row["is_active"]),
        "item_type": "Inventory" if row["tracks_stock"] else "NonInventory",
    }


def customer_fields_of(document: Mapping[str, Any]) -> Fields:
    """The synced fields of a Customer. Raises UnusableDocument."""
    fields: Fields = {field.name: _text(_found(document, field.path)) for field in CUSTOMER}
    country = alpha_2(cast("str | None", fields.pop("country_code")))
    if country is not None:
        fields["country_code"] = country
    return fields | {"name": _name(document, "DisplayName"), "is_active": _active(document)}


def item_fields_of(document: Mapping[str, Any]) -> Fields:
    """The synced fields of an Item. Raises UnusableDocument."""
    try:
        unit_price = price(document.get("UnitPrice") or 0)
    except InvalidOperation:
        raise UnusableDocument("its price is not a number") from None
    if not 0 <= Decimal(unit_price) <= _LARGEST_PRICE:
        raise UnusableDocument(f"its price {unit_price} is not between 0 and {_LARGEST_PRICE}")
    fields: Fields = {"name": _name(document, "Name"), "description": _text(document.get("Description"))}
    if sku := _text(document.get("Sku")):
        fields["sku"] = sku
    fields["unit_price"] = unit_price
    fields["is_active"] = _active(document)
    fields["item_type"] = "Inventory" if document.get("Type") == "Inventory" else "NonInventory"
    return fields


def document_of(
    entity: EntityType,
    fields: Mapping[str, Value],
    changed: Iterable[str] | None = None,
    carried: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The part of a Customer or Item that sets fields: all that are given (`changed` None, a create), or those that
    changed. The type of an item is set by a create only.

    If a part of the address changed, all of it is in the document, with the parts that
    are not synced (`carried`, see `kept_of`), which would be lost otherwise.
    """
    sent = set(fields) if changed is None else set(changed) - {"item_type"}
    document: dict[str, Any] = {}
    address: dict[str, Value] = {}
    for field in RECORDS[entity].synced:
        value, (key, *inner) = fields.get(field.name), field.path
        if value is None and changed is None:
            continue
        if key == ADDRESS:
            address[inner[0]] = value or ""
        elif field.name in sent:
            given = Decimal(cast(str, value)) if field.name == "unit_price" else "" if value is None else value
            document[key] = {inner[0]: given} if inner else given
    if any(field.name in sent for field in RECORDS[entity].synced if field.path[0] == ADDRESS):
        if country := address.get("Country"):
            address["Country"] = alpha_3(str(country))
        document[ADDRESS] = {**(carried or {}), **address}
    return document


RECORDS = {
    EntityType.CUSTOMER: RecordType(
        "Customer",
        "DisplayName",
        "billing.customers",
        "customer_number",
        CUSTOMER,
        customer_fields,
        customer_fields_of,
    ),
    EntityType.ITEM: RecordType("Item", "Name", "billing.items", "sku", ITEM, item_fields, item_fields_of),
}
FIELDS: Mapping[EntityType, tuple[str, ...]] = {
    entity: tuple(field.name for field in record.synced) for entity, record in RECORDS.items()
}


def french_category(unit_code: str) -> str:
    """ItemCategoryType, which decides on VAT and accounts of an item in France: what is sold by time is a service."""
    return "Service" if unit_code in _UNITS_OF_TIME else "Product"


def kept_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """What a snapshot keeps of a Customer beside its fields: its currency, where the company has several, and the parts
    of the address that are not synced but must be sent with it (state, further lines).
    """
    address = _part(document, ADDRESS)
    carried = {key: address[key] for key in _CARRIED if address.get(key)}
    currency = _text(_part(document, "CurrencyRef").get("value"))
    return {key: value for key, value in (("carried", carried), ("currency", currency)) if value}


def base_of(entity: EntityType, snapshot: Mapping[str, Any]) -> Fields:
    """The base of the next merge, without what else a snapshot holds."""
    return {field: snapshot[field] for field in FIELDS[entity] if field in snapshot}


def in_our_form(theirs: Fields, snapshot: Mapping[str, Any]) -> Fields:
    """Their fields, where they hold what we know as another form of our value, in our form: such is no edit."""
    forms = snapshot.get("theirs") or {}
    return {
        field: snapshot[field] if field in forms and field in snapshot and forms[field] == value else value
        for field, value in theirs.items()
    }


def in_their_form(
    ours: Fields, snapshot: Mapping[str, Any], undecided: Mapping[str, Value] | None = None
) -> dict[str, Value]:
    """What to compose a document for QuickBooks from, so that fields which are not changed stay as they are there.

    `undecided` are the fields that wait for a person, with what QuickBooks has (`conflicts.undecided`).
    """
    forms = snapshot.get("theirs") or {}
    kept = {field: form for field, form in forms.items() if ours.get(field) == snapshot.get(field)}
    return {**ours, **kept, **(undecided or {})}


def rules(entity: EntityType, *, description_from: str = "ours") -> dict[str, Rule]:
    """Which side always wins which field; the organization's policy decides the others."""
    if entity is not EntityType.ITEM:
        return {}
    wins: Rule = "ours" if description_from == "ours" else "theirs"
    return {"unit_price": "theirs", "is_active": "theirs", "item_type": "theirs", "description": wins}


def changed_here(
    entity: EntityType, ours: Fields, snapshot: Mapping[str, Any], *, description_from: str, push_descriptions: bool
) -> frozenset[str]:
    """The fields that a push has to send for a mapped record; without those that wait for a person."""
    base, fixed = base_of(entity, snapshot), rules(entity, description_from=description_from)
    changed = {
        field
        for field, value in ours.items()
        if fixed.get(field) != "theirs" and (field not in base or base[field] != value)
    }
    if entity is EntityType.ITEM and not push_descriptions:
        changed.discard("description")
    return frozenset(changed)


def load_rows(
    connection: Connection, entity: EntityType, local_ids: Iterable[UUID], *, lock: bool = False
) -> dict[UUID, Fields]:
    """The synced fields of our records by id; with `lock` nobody else changes them until the transaction ends."""
    return {row["id"]: RECORDS[entity].fields(row) for row in load_records(connection, entity, local_ids, lock=lock)}


def load_records(
    connection: Connection, entity: EntityType, local_ids: Iterable[UUID], *, lock: bool = False
) -> list[dict[str, Any]]:
    """Our rows as they are, in the order of their ids, which is also the order in which `lock` locks them."""
    view = RECORDS[entity].view
    rows = (
        connection.execute(
            text(
                f"""select * from {view}
                    where organization_id = organizations.current() and id = any(cast(:ids as uuid[]))
                    order by id {"for no key update" if lock else ""}"""
            ),
            {"ids": sorted(set(local_ids))},
        )
        .mappings()
        .all()
    )
    return [{str(name): value for name, value in row.items()} for row in rows]


def store_fields(connection: Connection, entity: EntityType, changes: Mapping[UUID, Fields]) -> None:
    """Writes fields of our records as they came from QuickBooks; change capture does not send them back.

    `item_type` is never written: whether stock is kept is not changed from outside.
    """
    if not changes:
        return
    columns = [field for field in FIELDS[entity] if field != "item_type"]
    casts = {"unit_price": "::numeric", "is_active": "::boolean"}
    assignments = ", ".join(
        f"{c} = case when v.new ? '{c}' then (v.new ->> '{c}'){casts.get(c, '')} else r.{c} end" for c in columns
    )
    view = RECORDS[entity].view
    with unseen_by_capture(connection):
        connection.execute(
            text(
                f"""update {view} r set {assignments}, updated_at = now()
                    from unnest(cast(:ids as uuid[]), cast(:fields as jsonb[])) as v (id, new)
                    where r.organization_id = organizations.current() and r.id = v.id"""
            ),
            {"ids": list(changes), "fields": [as_json(fields) for fields in changes.values()]},
        )


@contextmanager
def unseen_by_capture(connection: Connection) -> Iterator[None]:
    """What is written to our records in the block is no change made here: it came from QuickBooks."""
    connection.execute(text("select set_config('app.quickbooks_pull', 'on', true)"))
    yield
    connection.execute(text("select set_config('app.quickbooks_pull', 'off', true)"))


def price(value: object) -> str:
    """A price with at most four decimal places, as they are kept here, without trailing zeros."""
    rounded = Decimal(str(value)).quantize(Decimal("0.0001"), ROUND_HALF_UP)
    return f"{rounded.normalize():f}"


def _text(value: object) -> str | None:
    if value is None:
        return None
    return unicodedata.normalize("NFC", storable(str(value)).replace("\r\n", "\n")).strip() or None


def _found(document: Mapping[str, Any], path: Sequence[str]) -> object:
    *outer, last = path
    for key in outer:
        document = _part(document, key)
    return document.get(last)


def _part(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    part = document.get(key)
    return part if isinstance(part, Mapping) else {}


def _active(document: Mapping[str, Any]) -> bool:
    return document.get("Active") not in (False, "false")


def _name(document: Mapping[str, Any], key: str) -> str:
    name = _text(document.get(key) or document.get("FullyQualifiedName"))
    if name is not None and not _active(document):
        name = _INACTIVE_NAME.sub("", name) or name
    if name is None:
        raise UnusableDocument(f"it has no {key}")
    return name
