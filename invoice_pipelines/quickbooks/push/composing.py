"""What a push decides: what is to be done for each subject in its present state, and the documents for that.

An entry of the queue says "look at it" and nothing else, so the same subject twice, or late, does no harm. All of it
happens in one transaction that stores the batch as well; subjects of which something is under way are left alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.quickbooks.conflicts import conflicts
from invoice_pipelines.quickbooks.connection.connections import Connected
from invoice_pipelines.quickbooks.events import Severity, record_event
from invoice_pipelines.quickbooks.invoices.document import (
    Buyer,
    InvoiceProblem,
    chosen_items_of,
    cut_descriptions,
    invoice_document,
    item_ids,
    read_content,
)
from invoice_pipelines.quickbooks.push.batches import OperationKind, Planned
from invoice_pipelines.quickbooks.records.fields import (
    changed_here,
    document_of,
    french_category,
    in_their_form,
    load_records,
    load_rows,
)
from invoice_pipelines.quickbooks.records.mappings import Mapped, load_mappings
from invoice_pipelines.quickbooks.records.merge import Fields, Value
from invoice_pipelines.quickbooks.records.names import clean_fields, too_long, with_suffix
from invoice_pipelines.quickbooks.values import EntityType
from invoice_pipelines.work import Failed, Outcome, Skipped, Succeeded

WAITS = "WAITS_FOR_OTHERS"
"""Code of an invoice that waits for its customer or an item; known to push.sql."""


RateKey = tuple[str, date]
"""A currency and a day."""


@dataclass(slots=True)
class Decision:
    """What was decided. Every subject is in one of these; `busy` ones are left for later."""

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
    free = [subject for subject in subjects if subject not in busy]
    decider = _Decider(connection, connected, entity, free, hints)
    decider.decision.busy = busy
    if entity is EntityType.INVOICE:
        decider.decide_invoices()
    else:
        decider.decide_records()
    return decider.decision


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


class _Decider:
    """Decides for subjects of one entity that nobody else works on."""

    def __init__(
        self,
        connection: Connection,
        connected: Connected,
        entity: EntityType,
        subjects: Sequence[UUID],
        hints: Hints,
    ) -> None:
        self._connection = connection
        self._connected = connected
        self._entity = entity
        self._subjects = subjects
        self._hints = hints
        self._mappings = load_mappings(connection, connected.realm_id, entity, subjects)
        self._revisions = _revisions(connection, entity, subjects)
        self.decision = Decision()

    def _plan(
        self, subject: UUID, operation: OperationKind, document: Mapping[str, Any], snapshot: Mapping[str, Any]
    ) -> None:
        revision = self._revisions.get((subject, operation), 0)
        self.decision.planned.append(Planned(subject, operation, document, snapshot, revision))

    def _warn(self, subject: UUID, code: str, message: str, severity: Severity = "warning", **detail: Any) -> None:
        record_event(
            self._connection,
            self._connected.realm_id,
            code,
            message,
            severity=severity,
            entity_type=self._entity.value,
            local_id=subject,
            detail=detail,
        )

    def decide_records(self) -> None:
        """Customers or items: what is new is made, what changed here is sent, but for what waits for a person."""
        rows = load_rows(self._connection, self._entity, self._subjects)
        unsynced = self._unsynced([subject for subject in self._subjects if subject not in self._mappings])
        undecided = conflicts.undecided(self._connection, self._mappings)
        settled = self.decision.settled
        for subject in self._subjects:
            ours, known = rows.get(subject), self._mappings.get(subject)
            if ours is None:
                settled[subject] = Failed("NOT_FOUND", f"There is no {self._entity.value} {subject}.")
            elif known is None and not ours["is_active"] and subject not in self._hints.needed:
                settled[subject] = Skipped("It is inactive and was never in QuickBooks.")
            elif known is None:
                self._plan_new(subject, ours, unsynced.get(subject, {}))
            elif known.state != "active":
                settled[subject] = Skipped(f"It is {known.state} in QuickBooks.")
            elif not self._plan_changed(subject, ours, known, undecided.get(subject, {})):
                settled[subject] = Succeeded({"operation": "none"})

    def _plan_new(self, subject: UUID, ours: Fields, unsynced: Mapping[str, Any]) -> None:
        kept = dict(ours)
        if self._entity is EntityType.ITEM and not self._connected.options.push_descriptions:
            kept["description"] = None
        sent = self._sent_form(subject, kept)
        document = document_of(self._entity, sent)
        if self._entity is EntityType.ITEM:
            document |= _accounts(str(ours["item_type"]), self._hints.accounts)
        self._note_cleaned(subject, kept, sent)
        self._plan(subject, "create", {**document, **unsynced}, _remembered(kept, sent))

    def _plan_changed(self, subject: UUID, ours: Fields, known: Mapped, parked: Mapping[str, Value]) -> bool:
        """False where nothing changed that QuickBooks has to learn of."""
        options = self._connected.options
        changed = (
            changed_here(
                self._entity,
                ours,
                known.snapshot,
                description_from=options.description_from,
                push_descriptions=options.push_descriptions,
            )
            - parked.keys()
        )
        if not changed:
            return False
        form = in_their_form(ours, known.snapshot, parked)
        cleaned = self._sent_form(subject, {field: form[field] for field in changed})
        self._note_cleaned(subject, ours, cleaned)
        document = {
            "Id": known.quickbooks_id,
            "SyncToken": known.sync_token,
            "sparse": True,
            **document_of(self._entity, {**form, **cleaned}, changed, known.snapshot.get("carried")),
        }
        self._plan(subject, "update", document, _remembered({field: ours[field] for field in changed}, cleaned))
        return True

    def _sent_form(self, subject: UUID, fields: Fields) -> Fields:
        sent = clean_fields(self._entity, fields, self._connected.company)
        if "name" in sent and subject in self._hints.suffixes:
            sent["name"] = with_suffix(str(sent["name"]), self._entity, self._hints.suffixes[subject])
        return sent

    def _unsynced(self, subjects: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
        """What QuickBooks wants to know of new records and keeps for ever: the currency of a customer, where the
        company has several, and whether an item of a French company is a product or a service.
        """
        company = self._connected.company
        if self._entity is EntityType.CUSTOMER and company.multi_currency:
            rows = self._connection.execute(
                text("select customer_id, currency from quickbooks.currencies_of(cast(:ids as uuid[]))"),
                {"ids": list(subjects)},
            )
            return {row.customer_id: {"CurrencyRef": {"value": row.currency or company.home_currency}} for row in rows}
        if self._entity is EntityType.ITEM and company.country == "FR":
            categories = {
                row["id"]: "Product" if row["tracks_stock"] else french_category(row["unit_code"])
                for row in load_records(self._connection, self._entity, subjects)
            }
            # "If ItemCategoryType is set to Service, then Type is set to Service": the reference of Item.
            return {
                subject: {"ItemCategoryType": category} | ({"Type": "Service"} if category == "Service" else {})
                for subject, category in categories.items()
            }
        return {}

    def _note_cleaned(self, subject: UUID, ours: Fields, sent: Fields) -> None:
        for each in too_long(self._entity, {name: ours[name] for name in sent}, self._connected.company):
            message = f"{str(ours['name'])[:100]!r}: {each} Shorten it here."
            self._warn(subject, "FIELD_TOO_LONG", message, **asdict(each))
        if "name" in sent and ours["name"] != sent["name"]:
            name, form = str(ours["name"]), str(sent["name"])
            message = f"{name[:200]!r} is {form[:200]!r} in QuickBooks, which does not take it as it is."
            self._warn(subject, "NAME_CLEANED", message, "info", ours=name, sent=form)

    def decide_invoices(self) -> None:
        """Issued invoices: what is new is made, what was voided here is voided, and nothing else is ever sent."""
        rows = {
            row.invoice_id: row
            for row in self._connection.execute(
                text(
                    """select invoice_id, status, document_kind, content
                       from quickbooks.invoices_to_push(cast(:ids as uuid[]))"""
                ),
                {"ids": list(self._subjects)},
            )
        }
        settled = self.decision.settled
        new: dict[UUID, dict[str, Any]] = {}
        for subject in self._subjects:
            row, known = rows.get(subject), self._mappings.get(subject)
            if row is None:
                settled[subject] = Failed("NOT_FOUND", f"There is no issued invoice {subject}.")
            elif row.document_kind != "invoice":
                settled[subject] = Skipped("Credit notes are not sent to QuickBooks: enter it there.")
            elif row.status == "void" and known is None:
                settled[subject] = Skipped("It was voided before it was sent.")
            elif row.status == "void" and known is not None and known.state == "active":
                self.decision.voids.append(known)
            elif known is not None:
                settled[subject] = Succeeded({"operation": "none", "quickbooks_id": known.quickbooks_id})
            else:
                new[subject] = read_content(row.content)
        realm, company = self._connected.realm_id, self._connected.company
        of_customers = {UUID(invoice["customer_id"]) for invoice in new.values()}
        customers = load_mappings(self._connection, realm, EntityType.CUSTOMER, of_customers)
        items = load_mappings(self._connection, realm, EntityType.ITEM, map(UUID, item_ids(list(new.values()))))
        references = {str(key): item.reference for key, item in items.items() if item.reference is not None}
        foreign = [subject for subject, invoice in new.items() if invoice["currency"] != company.home_currency]
        rates: Mapping[UUID, Decimal] = {}
        if foreign and company.multi_currency:
            rates = _rates_to_home(self._connection, foreign, company.home_currency)
        for subject, invoice in new.items():
            customer = customers.get(UUID(invoice["customer_id"]))
            missing = {(EntityType.ITEM, UUID(key)) for key in item_ids([invoice]) if key not in references}
            if customer is None or customer.reference is None:
                missing.add((EntityType.CUSTOMER, UUID(invoice["customer_id"])))
            if missing or customer is None:
                self.decision.missing[subject] = missing
                continue
            rate, rate_is_theirs = rates.get(subject), False
            if subject in foreign and rate is None and self._connected.options.exchange_rates == "quickbooks":
                key = (invoice["currency"], date.fromisoformat(invoice["issue_date"]))
                if company.multi_currency and key not in self._hints.rates:
                    self.decision.unpriced[subject] = key
                    continue
                rate, rate_is_theirs = self._hints.rates.get(key), True
            try:
                self._plan_invoice(subject, invoice, _buyer(customer), references, rate, rate_is_theirs)
            except InvoiceProblem as problem:
                settled[subject] = Failed(problem.code, str(problem), retry=problem.retry)

    def _plan_invoice(
        self,
        subject: UUID,
        invoice: Mapping[str, Any],
        buyer: Buyer,
        items: Mapping[str, str],
        rate: Decimal | None,
        rate_is_theirs: bool,
    ) -> None:
        company, options = self._connected.company, self._connected.options
        document = invoice_document(
            invoice, company=company, options=options, customer=buyer, items=items, exchange_rate=rate
        )
        for line_number, each in cut_descriptions(invoice, company):
            message = f"Line {line_number} of invoice {invoice['invoice_number']}: {each}"
            self._warn(subject, "FIELD_TOO_LONG", message, line=line_number, **asdict(each))
        snapshot = {
            "invoice_number": invoice["invoice_number"],
            "number": document.get("DocNumber"),
            "customer": buyer.quickbooks_id,
            "customer_id": invoice["customer_id"],
            "item_ids": sorted(item_ids([invoice])),
            "date": invoice["issue_date"],
            "gross_amount": str(invoice["gross_amount"]),
            "currency": invoice["currency"],
            "chosen_items": chosen_items_of(document, options),
            "exchange_rate": None if "ExchangeRate" not in document else str(document["ExchangeRate"]),
            "exchange_rate_is_theirs": rate_is_theirs,
        }
        self._plan(subject, "create", document, snapshot)


def _rates_to_home(connection: Connection, invoice_ids: Sequence[UUID], home_currency: str) -> dict[UUID, Decimal]:
    """What a unit of the currency of each invoice is worth in that of the company; invoices of no known rate are left
    out.

    It is the rate with which the VAT of the invoice was converted, if that is between the same two currencies, else the
    newest one of the day of the invoice (see `billing.newest_rate`).
    """
    rows = connection.execute(
        text("select invoice_id, rate from quickbooks.rates_to_home(cast(:ids as uuid[]), :home)"),
        {"ids": list(invoice_ids), "home": home_currency},
    )
    return {row.invoice_id: row.rate for row in rows}


def _remembered(ours: Fields, sent: Fields) -> dict[str, Any]:
    """What is sent, as a snapshot has it: our fields, and beside them those that were sent in another form."""
    forms = {field: sent[field] for field in ours if sent[field] != ours[field]}
    return {**ours, "theirs": forms} if forms else dict(ours)


def _accounts(item_type: str, accounts: Mapping[str, Any]) -> dict[str, Any]:
    """What QuickBooks wants to know of a new item beside what is synced."""
    if item_type != "Inventory":
        return {key: accounts[key] for key in ("IncomeAccountRef",) if key in accounts}
    return {**accounts, "TrackQtyOnHand": True, "QtyOnHand": 0}


def _buyer(customer: Mapped) -> Buyer:
    """The customer of an invoice; of one that was merged away the currency of the survivor is not known here."""
    reference = str(customer.reference)
    currency = customer.snapshot.get("currency") if reference == customer.quickbooks_id else None
    return Buyer(reference, str(customer.snapshot.get("name")), currency)
