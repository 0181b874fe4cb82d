"""What a push decides: what is to be done for each subject in its present state, and the documents for that.

An entry of the queue says "look at it" and nothing else, so the same subject twice, or late, does no harm. All of it
happens in one transaction that stores the batch as well; subjects of which something is under way are left alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.quickbooks.conflicts import conflicts
from invoice_pipelines.quickbooks.connection.connections import Connected
from invoice_pipelines.quickbooks.events import record_event
from invoice_pipelines.quickbooks.invoices.document import (
    Buyer,
    InvoiceProblem,
    chosen_items_of,
    cut_descriptions,
    invoice_document,
    item_ids,
    read_content,
)
from invoice_pipelines.quickbooks.invoices.exchange_rates import rates_to_home
from invoice_pipelines.quickbooks.push.batches import OperationKind, Planned
from invoice_pipelines.quickbooks.records.fields import (
    changed_here,
    customer_document,
    french_category,
    in_their_form,
    item_document,
    load_records,
    load_rows,
)
from invoice_pipelines.quickbooks.records.mappings import Mapped, load_mappings
from invoice_pipelines.quickbooks.records.merge import Fields
from invoice_pipelines.quickbooks.records.names import clean_fields, too_long, with_suffix
from invoice_pipelines.quickbooks.values import EntityType
from invoice_pipelines.work import Failed, Outcome, Skipped, Succeeded

WAITS = "WAITS_FOR_OTHERS"
"""Code of an invoice that waits for its customer or an item; known to push.sql."""


RateKey = tuple[str, date]
"""A currency and a day."""


@dataclass(slots=True)
class Decision:
    """What was decided. Every subject is in one of these; `busy` ones are left alone by now."""

    planned: list[Planned] = field(default_factory=list)
    voids: list[Mapped] = field(default_factory=list)
    settled: dict[UUID, Outcome] = field(default_factory=dict)
    busy: set[UUID] = field(default_factory=set)
    missing: dict[UUID, set[tuple[EntityType, UUID]]] = field(default_factory=dict)
    unpriced: dict[UUID, RateKey] = field(default_factory=dict)
    """Invoices for which QuickBooks is to be asked for its exchange rate."""


@dataclass(slots=True)
class Hints:
    """What a push has found out on its way: accounts of new items, names that need a suffix, records that others need
    although they are inactive, exchange rates of QuickBooks (None: it has none).
    """

    accounts: Mapping[str, Any] = field(default_factory=dict)
    suffixes: dict[UUID, str] = field(default_factory=dict)
    needed: Collection[UUID] = frozenset()
    rates: dict[RateKey, Decimal | None] = field(default_factory=dict)


def decide(
    connection: Connection, connected: Connected, entity: EntityType, subjects: Sequence[UUID], hints: Hints
) -> Decision:
    """Decides for all subjects, after taking turns on them with other workers."""
    busy = set(
        connection.execute(
            text("select quickbooks.take_turns(:entity, cast(:ids as uuid[]))"),
            {"entity": entity.value, "ids": list(subjects)},
        ).scalar_one()
    )
    decision = Decision(busy=busy)
    free = [subject for subject in subjects if subject not in busy]
    mappings = load_mappings(connection, connected.realm_id, entity, free)
    revisions = _revisions(connection, entity, free)
    if entity is EntityType.INVOICE:
        _decide_invoices(connection, connected, free, mappings, revisions, hints, decision)
    else:
        _decide_records(connection, connected, entity, free, mappings, revisions, hints, decision)
    return decision


def next_revision(connection: Connection, entity: EntityType, local_id: UUID, operation: OperationKind) -> int:
    """The revision of the next operation of this kind on a subject."""
    return _revisions(connection, entity, [local_id]).get((local_id, operation), 0)


def _revisions(connection: Connection, entity: EntityType, subjects: Sequence[UUID]) -> dict[tuple[UUID, str], int]:
    rows = connection.execute(
        text(
            """select local_id, operation, revision
               from quickbooks.next_revisions(:entity, cast(:ids as uuid[]))"""
        ),
        {"entity": entity.value, "ids": list(subjects)},
    )
    return {(row.local_id, row.operation): row.revision for row in rows}


def _decide_records(
    connection: Connection,
    connected: Connected,
    entity: EntityType,
    subjects: Sequence[UUID],
    mappings: Mapping[UUID, Mapped],
    revisions: Mapping[tuple[UUID, str], int],
    hints: Hints,
    decision: Decision,
) -> None:
    options = connected.options
    rows = load_rows(connection, entity, subjects)
    unsynced = _unsynced(connection, connected, entity, [subject for subject in subjects if subject not in mappings])
    undecided = conflicts.undecided(connection, [subject for subject in subjects if subject in mappings])
    for subject in subjects:
        ours, known = rows.get(subject), mappings.get(subject)
        if ours is None:
            decision.settled[subject] = Failed("NOT_FOUND", f"There is no {entity.value} {subject}.")
        elif known is None and not ours["is_active"] and subject not in hints.needed:
            decision.settled[subject] = Skipped("It is inactive and was never in QuickBooks.")
        elif known is None:
            kept = dict(ours)
            if entity is EntityType.ITEM and not options.push_descriptions:
                kept["description"] = None
            sent = _sent_form(entity, subject, kept, connected, hints)
            if entity is EntityType.CUSTOMER:
                document = customer_document(sent)
            else:
                document = {**item_document(sent), **_accounts(str(ours["item_type"]), hints.accounts)}
            document |= unsynced.get(subject, {})
            _note_cleaned(connection, connected, entity, subject, kept, sent)
            revision = revisions.get((subject, "create"), 0)
            decision.planned.append(Planned(subject, "create", document, _remembered(kept, sent), revision))
        elif known.state != "active":
            decision.settled[subject] = Skipped(f"It is {known.state} in QuickBooks.")
        else:
            parked = undecided.get(subject, {})
            changed = (
                changed_here(
                    entity,
                    ours,
                    known.snapshot,
                    description_from=options.description_from,
                    push_descriptions=options.push_descriptions,
                )
                - parked.keys()
            )
            if not changed:
                decision.settled[subject] = Succeeded({"operation": "none"})
                continue
            form = in_their_form(ours, known.snapshot, parked)
            cleaned = _sent_form(entity, subject, {field: form[field] for field in changed}, connected, hints)
            if entity is EntityType.CUSTOMER:
                document = customer_document({**form, **cleaned}, changed, known.snapshot.get("carried"))
            else:
                document = item_document({**form, **cleaned}, changed)
            _note_cleaned(connection, connected, entity, subject, ours, cleaned)
            document = {"Id": known.quickbooks_id, "SyncToken": known.sync_token, "sparse": True, **document}
            remembered = _remembered({field: ours[field] for field in changed}, cleaned)
            revision = revisions.get((subject, "update"), 0)
            decision.planned.append(Planned(subject, "update", document, remembered, revision))


def _sent_form(entity: EntityType, subject: UUID, fields: Fields, connected: Connected, hints: Hints) -> Fields:
    sent = clean_fields(entity, fields, connected.company)
    if "name" in sent and subject in hints.suffixes:
        sent["name"] = with_suffix(str(sent["name"]), entity, hints.suffixes[subject])
    return sent


def _remembered(ours: Fields, sent: Fields) -> dict[str, Any]:
    """What is sent, as a snapshot has it: our fields, and beside them those that were sent in another form."""
    forms = {field: sent[field] for field in ours if sent[field] != ours[field]}
    return {**ours, "theirs": forms} if forms else dict(ours)


def _unsynced(
    connection: Connection, connected: Connected, entity: EntityType, subjects: Sequence[UUID]
) -> dict[UUID, dict[str, Any]]:
    """What QuickBooks wants to know of new records and keeps for ever: the currency of a customer, where the company
    has several, and whether an item of a French company is a product or a service.
    """
    company = connected.company
    if entity is EntityType.CUSTOMER and company.multi_currency:
        rows = connection.execute(
            text("select customer_id, currency from quickbooks.currencies_of(cast(:ids as uuid[]))"),
            {"ids": list(subjects)},
        )
        return {row.customer_id: {"CurrencyRef": {"value": row.currency or company.home_currency}} for row in rows}
    if entity is EntityType.ITEM and company.country == "FR":
        categories = {
            row["id"]: "Product" if row["tracks_stock"] else french_category(row["unit_code"])
            for row in load_records(connection, entity, subjects)
        }
        # "If ItemCategoryType is set to Service, then Type is set to Service": the reference of Item.
        return {
            subject: {"ItemCategoryType": category} | ({"Type": "Service"} if category == "Service" else {})
            for subject, category in categories.items()
        }
    return {}


def _note_cleaned(
    connection: Connection, connected: Connected, entity: EntityType, subject: UUID, ours: Fields, sent: Fields
) -> None:
    for each in too_long(entity, {name: ours[name] for name in sent}, connected.company):
        record_event(
            connection,
            connected.realm_id,
            "FIELD_TOO_LONG",
            f"{str(ours['name'])[:100]!r}: {each} Shorten it here.",
            severity="warning",
            entity_type=entity.value,
            local_id=subject,
            detail={"field": each.field, "length": each.length, "limit": each.limit},
        )
    if "name" in sent and ours["name"] != sent["name"]:
        name, form = str(ours["name"]), str(sent["name"])
        record_event(
            connection,
            connected.realm_id,
            "NAME_CLEANED",
            f"{name[:200]!r} is {form[:200]!r} in QuickBooks, which does not take it as it is.",
            entity_type=entity.value,
            local_id=subject,
            detail={"ours": name, "sent": form},
        )


def _accounts(item_type: str, accounts: Mapping[str, Any]) -> dict[str, Any]:
    """What QuickBooks wants to know of a new item beside what is synced."""
    if item_type != "Inventory":
        return {key: accounts[key] for key in ("IncomeAccountRef",) if key in accounts}
    return {**accounts, "TrackQtyOnHand": True, "QtyOnHand": 0}


def _decide_invoices(
    connection: Connection,
    connected: Connected,
    subjects: Sequence[UUID],
    mappings: Mapping[UUID, Mapped],
    revisions: Mapping[tuple[UUID, str], int],
    hints: Hints,
    decision: Decision,
) -> None:
    realm = connected.realm_id
    rows = {
        row.invoice_id: row
        for row in connection.execute(
            text(
                """select invoice_id, status, document_kind, content
                   from quickbooks.invoices_to_push(cast(:ids as uuid[]))"""
            ),
            {"ids": list(subjects)},
        )
    }
    new: dict[UUID, dict[str, Any]] = {}
    for subject in subjects:
        row, known = rows.get(subject), mappings.get(subject)
        if row is None:
            decision.settled[subject] = Failed("NOT_FOUND", f"There is no issued invoice {subject}.")
        elif row.document_kind != "invoice":
            decision.settled[subject] = Skipped("Credit notes are not sent to QuickBooks: enter it there.")
        elif row.status == "void" and known is None:
            decision.settled[subject] = Skipped("It was voided before it was sent.")
        elif row.status == "void" and known is not None and known.state == "active":
            decision.voids.append(known)
        elif known is not None:
            decision.settled[subject] = Succeeded({"operation": "none", "quickbooks_id": known.quickbooks_id})
        else:
            new[subject] = read_content(row.content)
    customers = load_mappings(
        connection, realm, EntityType.CUSTOMER, {UUID(invoice["customer_id"]) for invoice in new.values()}
    )
    items = load_mappings(connection, realm, EntityType.ITEM, map(UUID, item_ids(list(new.values()))))
    item_references = {str(key): item.reference for key, item in items.items() if item.reference is not None}
    home = connected.company.home_currency
    foreign = [subject for subject, invoice in new.items() if invoice["currency"] != home]
    rates = rates_to_home(connection, foreign, home) if foreign and connected.company.multi_currency else {}
    for subject, invoice in new.items():
        customer = customers.get(UUID(invoice["customer_id"]))
        reference = None if customer is None else customer.reference
        missing = {(EntityType.ITEM, UUID(key)) for key in item_ids([invoice]) if key not in item_references}
        if reference is None:
            missing.add((EntityType.CUSTOMER, UUID(invoice["customer_id"])))
        if missing or reference is None or customer is None:
            decision.missing[subject] = missing
            continue
        rate, rate_is_theirs = rates.get(subject), False
        if subject in foreign and rate is None and connected.options.exchange_rates == "quickbooks":
            key = (invoice["currency"], date.fromisoformat(invoice["issue_date"]))
            if connected.company.multi_currency and key not in hints.rates:
                decision.unpriced[subject] = key
                continue
            rate, rate_is_theirs = hints.rates.get(key), True
        try:
            document = invoice_document(
                invoice,
                company=connected.company,
                options=connected.options,
                customer=_buyer(customer, reference),
                items=item_references,
                exchange_rate=rate,
            )
        except InvoiceProblem as problem:
            decision.settled[subject] = Failed(problem.code, str(problem), retry=problem.retry)
            continue
        _note_cut(connection, connected, subject, invoice)
        snapshot = {
            "invoice_number": invoice["invoice_number"],
            "number": document.get("DocNumber"),
            "customer": reference,
            "customer_id": invoice["customer_id"],
            "item_ids": sorted(item_ids([invoice])),
            "date": invoice["issue_date"],
            "gross_amount": str(invoice["gross_amount"]),
            "currency": invoice["currency"],
            "chosen_items": chosen_items_of(document, connected.options),
            "exchange_rate": None if "ExchangeRate" not in document else str(document["ExchangeRate"]),
            "exchange_rate_is_theirs": rate_is_theirs,
        }
        decision.planned.append(Planned(subject, "create", document, snapshot, revisions.get((subject, "create"), 0)))


def _buyer(customer: Mapped, reference: str) -> Buyer:
    """The customer of an invoice; of one that was merged away the currency of the survivor is not known here."""
    currency = customer.snapshot.get("currency") if reference == customer.quickbooks_id else None
    return Buyer(reference, str(customer.snapshot.get("name")), currency)


def _note_cut(connection: Connection, connected: Connected, subject: UUID, invoice: Mapping[str, Any]) -> None:
    for line_number, each in cut_descriptions(invoice, connected.company):
        record_event(
            connection,
            connected.realm_id,
            "FIELD_TOO_LONG",
            f"Line {line_number} of invoice {invoice['invoice_number']}: {each}",
            severity="warning",
            entity_type=EntityType.INVOICE.value,
            local_id=subject,
            detail={"line": line_number, "field": each.field, "length": each.length, "limit": each.limit},
        )
