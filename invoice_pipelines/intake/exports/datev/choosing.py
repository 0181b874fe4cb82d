"""Chooses invoices for a DATEV export: their bookings are entered in the ledger, or all that is missing is
noted in the list of those that wait.

An invoice that was booked before and says the same is not booked again. One that says something else is corrected: what
stands is taken back (Generalumkehr), and it is booked anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import Connection, Row, text

from invoice_pipelines.einvoice.model import Invoice
from invoice_pipelines.intake.exports.datev.accounts.rules import RuleSet, load_rules
from invoice_pipelines.intake.exports.datev.accounts.suppliers import COLLECTIVE, COLLECTIVE_NAME, creditor_accounts
from invoice_pipelines.intake.exports.datev.bookings import are_alike, bookings_of, reversal_of
from invoice_pipelines.intake.exports.datev.currencies import rate_of
from invoice_pipelines.intake.exports.datev.document_numbers import LONGEST_NUMBER, document_fields, numbers_booked
from invoice_pipelines.intake.exports.datev.errors import Refusal, Refused
from invoice_pipelines.intake.exports.datev.ledger import Entry, History, enter, histories
from invoice_pipelines.intake.exports.datev.parts import Part, take_apart
from invoice_pipelines.intake.exports.datev.settings import DatevSettings, load_settings
from invoice_pipelines.intake.exports.formats import begin_export, lock_exports
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.intake.rows import seller_key
from invoice_pipelines.intake.states import EXPORT
from invoice_pipelines.intake.validation.withholding import unconfirmed_seller
from invoice_pipelines.work import enqueue

_AT_ONCE = 200
"""Invoices whose readings are in memory together."""

NOT_SET_UP = Refusal("NOT_SET_UP", "DATEV is not set up for this organization; `datev set-up` does it.")


@dataclass(frozen=True, slots=True)
class Chosen:
    """What became of invoices: the pending export of those that can be booked (None without any), and the refusals."""

    export_id: UUID | None
    refused: Mapping[UUID, tuple[Refusal, ...]]


@dataclass(frozen=True, slots=True)
class _Bookable:
    """An invoice of which all is known but the account of its supplier and the field of its number."""

    id: UUID
    upload_id: UUID
    seller_key: str
    invoice: Invoice
    parts: Sequence[Part]
    rate: Decimal | None

    @property
    def number(self) -> str:
        """A simplified invoice may have none: then its date and the end of its id stand for it. So they do on the
        collective account, where the numbers of different sellers would meet."""
        own = "" if self.seller_key == COLLECTIVE else (self.invoice.number or "").strip()
        return own or f"{self.invoice.issue_date}-{self.id.hex[-8:]}"


def choose_bookings(connection: Connection, invoice_ids: Sequence[UUID], created_by: str) -> Chosen:
    """Begins a DATEV export of those invoices that are to be booked and can be.

    To be booked are VALIDATED invoices, and EXPORTED ones that wait for it; none that is in a pending DATEV export.
    """
    lock_exports(connection)
    refusals: dict[UUID, tuple[Refusal, ...]] = {}
    revision = load_settings(connection)
    ids = _to_be_booked(connection, invoice_ids)
    if revision is None:
        refusals = dict.fromkeys(ids, (NOT_SET_UP,))
        _note_waiting(connection, refusals)
        return Chosen(None, refusals)
    rules = load_rules(connection)
    entries: list[Entry] = []
    for start in range(0, len(ids), _AT_ONCE):
        more, refused = _book(connection, ids[start : start + _AT_ONCE], revision.settings, rules, created_by)
        entries += more
        refusals |= refused
    _note_waiting(connection, refusals)
    booked = [invoice_id for invoice_id in ids if invoice_id not in refusals]
    if not booked:
        return Chosen(None, refusals)
    connection.execute(text("delete from intake.datev_waiting where received_invoice_id = any(:ids)"), {"ids": booked})
    export_id = begin_export(connection, "DATEV", booked, created_by, revision.number)
    _enter(connection, export_id, entries, revision.settings)
    return Chosen(export_id, refusals)


def take_back(connection: Connection, invoice_ids: Sequence[UUID], created_by: str) -> UUID | None:
    """Begins a DATEV export that takes back what stands in the books of FAILED invoices; None where nothing does.

    An invoice that is read again instead is corrected by itself, once it is valid.
    """
    lock_exports(connection)
    failed = (
        connection.execute(
            text(
                """select r.id from intake.received_invoice r where r.id = any(:ids) and r.status = 'FAILED'
                     and not exists (select from intake.datev_booking b
                                     join intake.export e on e.organization_id = b.organization_id
                                                         and e.id = b.export_id
                                     where b.organization_id = r.organization_id and b.received_invoice_id = r.id
                                       and e.status = 'pending')
                   order by r.id for update of r"""
            ),
            {"ids": list(invoice_ids)},
        )
        .scalars()
        .all()
    )
    entries = [
        Entry(entry.invoice_id, entry.generation, entry.position, reversal_of(entry.booking))
        for history in histories(connection, failed).values()
        for entry in history.standing
    ]
    revision = load_settings(connection)
    if not entries or revision is None:
        return None
    ids = list(dict.fromkeys(entry.invoice_id for entry in entries))
    export_id = begin_export(connection, "DATEV", ids, created_by, revision.number)
    _enter(connection, export_id, entries, revision.settings)
    return export_id


def retry_waiting(connection: Connection) -> int:
    """Queues all invoices that wait to be booked, since a rule, rate or account is new; returns how many."""
    ids = connection.execute(text("select received_invoice_id from intake.datev_waiting order by 1")).scalars().all()
    enqueue(connection, EXPORT, ids)
    return len(ids)


def ask_for_bookings(connection: Connection, issued_since: date) -> int:
    """Queues invoices that were exported without being booked and are dated on that day or later; returns how many."""
    connection.execute(
        text(
            """insert into intake.datev_waiting (organization_id, received_invoice_id, reasons)
               select r.organization_id, r.id, '[]' from intake.received_invoice r
               where r.status = 'EXPORTED' and r.issue_date >= :since
                 and not exists (select from intake.datev_booking b
                                 where b.organization_id = r.organization_id and b.received_invoice_id = r.id)
               on conflict do nothing"""
        ),
        {"since": issued_since},
    )
    return retry_waiting(connection)


def _to_be_booked(connection: Connection, invoice_ids: Sequence[UUID]) -> list[UUID]:
    return list(
        connection.execute(
            text(
                """
                select r.id from intake.received_invoice r
                where r.id = any(:ids)
                  and (r.status = 'VALIDATED'
                       or r.status = 'EXPORTED'
                          and exists (select from intake.datev_waiting w
                                      where w.organization_id = r.organization_id and w.received_invoice_id = r.id))
                  and not exists (select from intake.export_invoice ei
                                  join intake.export e on e.organization_id = ei.organization_id and e.id = ei.export_id
                                  where ei.organization_id = r.organization_id and ei.received_invoice_id = r.id
                                    and e.status = 'pending' and e.format = 'DATEV')
                order by r.id for update of r
                """
            ),
            {"ids": list(invoice_ids)},
        ).scalars()
    )


def _book(
    connection: Connection, ids: Sequence[UUID], settings: DatevSettings, rules: RuleSet, created_by: str
) -> tuple[list[Entry], dict[UUID, tuple[Refusal, ...]]]:
    bookable: list[_Bookable] = []
    refusals: dict[UUID, tuple[Refusal, ...]] = {}
    for row in _to_be_read(connection, ids):
        try:
            bookable.append(_prepare(connection, row, settings, rules))
        except Refused as refused:
            refusals[row.id] = tuple(refused.refusals)
    sellers = {
        item.seller_key: COLLECTIVE_NAME if item.seller_key == COLLECTIVE else item.invoice.seller.name
        for item in bookable
    }
    accounts = creditor_accounts(connection, sellers, settings, created_by)
    these = {(accounts.get(item.seller_key), item.number) for item in bookable}
    with_account = []
    for item in bookable:
        account = accounts.get(item.seller_key)
        if account is None:
            refusals[item.id] = (_no_account(settings),)
        elif replaced := _replaced(connection, item.invoice, account, these):
            refusals[item.id] = (replaced,)
        else:
            with_account.append((item, account))
    numbers = document_fields(connection, [(account, item.number) for item, account in with_account])
    earlier = histories(connection, [item.id for item, _ in with_account])
    entries: list[Entry] = []
    for item, account in with_account:
        try:
            bookings = bookings_of(
                item.invoice,
                item.parts,
                account=account,
                document_field=numbers[account, item.number],
                rate=item.rate,
                document_guid=item.upload_id,
            )
        except Refused as refused:
            refusals[item.id] = tuple(refused.refusals)
            continue
        history = earlier.get(item.id, History((), 0))
        if history.standing and are_alike([entry.booking for entry in history.standing], bookings):
            continue
        entries += [
            Entry(entry.invoice_id, entry.generation, entry.position, reversal_of(entry.booking))
            for entry in history.standing
        ]
        entries += [
            Entry(item.id, history.last_generation + 1, position, booking)
            for position, booking in enumerate(bookings, start=1)
        ]
    return entries, refusals


@cache
def _readings() -> TypeAdapter[Reading]:
    """Made once, and not where this module is only loaded."""
    return TypeAdapter(Reading)


def _to_be_read(connection: Connection, ids: Sequence[UUID]) -> Sequence[Row[Any]]:
    return connection.execute(
        text(
            """select id, upload_id, seller_key, reading_json from intake.received_invoice
               where id = any(:ids) order by id"""
        ),
        {"ids": list(ids)},
    ).all()


def _prepare(connection: Connection, row: Row[Any], settings: DatevSettings, rules: RuleSet) -> _Bookable:
    """Raises Refused with all that is missing."""
    reading = _readings().validate_python(row.reading_json)
    refusals: list[Refusal] = []
    parts: list[Part] = []
    rate = None
    try:
        parts = take_apart(reading, settings, rules)
    except Refused as refused:
        refusals += refused.refusals
    try:
        if reading.currency and reading.issue_date:
            rate = rate_of(connection, reading)
    except Refused as refused:
        refusals += refused.refusals
    key = row.seller_key  # by which it is compared; what is not told of a seller opens no account
    if unconfirmed_seller(reading) is not None:
        key = seller_key(reading.seller) or COLLECTIVE
    if key is None:
        refusals.append(Refusal("NO_SELLER", "The invoice names no seller (BT-27, BT-31, BT-32)."))
    if len(reading.number or "") > LONGEST_NUMBER:
        refusals.append(Refusal("NO_NUMBER", f"The invoice number is longer than {LONGEST_NUMBER} characters."))
    if refusals:
        raise Refused(*refusals)
    return _Bookable(row.id, row.upload_id, key, reading, parts, rate)


def _no_account(settings: DatevSettings) -> Refusal:
    return Refusal(
        "NO_ACCOUNT",
        f"All creditor accounts up to {settings.creditors[1]} are given; `datev set-up --last-creditor` allows more.",
    )


def _replaced(
    connection: Connection, invoice: Invoice, account: str, these: Set[tuple[str | None, str]]
) -> Refusal | None:
    """Why a corrected invoice cannot be booked: over a positive amount, it may replace the earlier one or add to it.

    `these` are the accounts and numbers of the invoices that are booked together with it.
    """
    if invoice.type_code != "384" or (invoice.gross_amount or 0) <= 0:
        return None
    numbers = [preceding.number for preceding in invoice.preceding_invoices]
    booked = {*numbers_booked(connection, account, numbers), *(n for n in numbers if (account, n) in these)}
    if not booked:
        return None
    return Refusal(
        "REPLACES",
        f"The invoice corrects {', '.join(sorted(booked))[:80]}, which is booked, and does not say whether it replaces "
        "it or adds to it.",
    )


def _note_waiting(connection: Connection, refusals: Mapping[UUID, tuple[Refusal, ...]]) -> None:
    if not refusals:
        return
    connection.execute(
        text(
            """insert into intake.datev_waiting (organization_id, received_invoice_id, reasons)
               values (organizations.current(), :id, cast(:reasons as jsonb))
               on conflict (organization_id, received_invoice_id)
               do update set reasons = excluded.reasons, tried_at = now()"""
        ),
        [
            {
                "id": invoice_id,
                "reasons": json.dumps([{"code": refusal.code, "message": refusal.message} for refusal in reasons]),
            }
            for invoice_id, reasons in refusals.items()
        ],
    )


def _enter(connection: Connection, export_id: UUID, entries: Sequence[Entry], settings: DatevSettings) -> None:
    year_of = settings.fiscal_year_start
    enter(connection, export_id, [(entry, year_of(entry.booking.document_date)) for entry in entries])
