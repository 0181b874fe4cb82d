"""The creditor accounts of suppliers: given once from the organization's range, never changed, never given again.

A supplier is told by its seller key (VAT id, else tax number, else name). All whose name is not asked for (simplified
invoices) share one account, the collective one (CPD). The caller holds the lock of the books.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from invoice_pipelines.einvoice.model import Party
from invoice_pipelines.intake.exports.datev.settings import DatevSettings
from invoice_pipelines.intake.exports.formats import lock_exports
from invoice_pipelines.intake.rows import seller_key

COLLECTIVE = "*"
"""The key of the collective account; no seller has it."""

COLLECTIVE_NAME = "Diverse Kreditoren"

COLUMNS = {
    "account": "creditor account",
    "vat_id": "VAT id of the seller",
    "tax_id": "tax number, of a seller whose invoices bear no VAT id",
    "name": "name; tells the seller only where its invoices bear neither. * is the collective account",
}
"""Columns of a file of suppliers, and what they hold."""


@dataclass(frozen=True, slots=True)
class Supplier:
    """A seller and its creditor account. `is_imported` tells accounts that the organization named."""

    seller_key: str
    account: str
    seller_name: str | None
    is_imported: bool


def list_suppliers(connection: Connection) -> list[Supplier]:
    """All suppliers with an account, by account."""
    rows = connection.execute(
        text(
            """select seller_key, account, seller_name, is_imported from intake.datev_supplier
               order by length(account), account, seller_key"""
        )
    )
    return [Supplier(*row) for row in rows]


def creditor_accounts(
    connection: Connection, sellers: Mapping[str, str | None], settings: DatevSettings, created_by: str
) -> dict[str, str]:
    """Accounts by seller key, for keys with the names of their sellers; new ones get the next free account.

    Where the range is used up, the rest is missing in the result.
    """
    accounts = {
        row.seller_key: str(row.account)
        for row in connection.execute(
            text("select seller_key, account from intake.datev_supplier where seller_key = any(:keys)"),
            {"keys": list(sellers)},
        )
    }
    new = [key for key in sellers if key not in accounts]
    given = dict(zip(new, _next_accounts(connection, len(new), settings), strict=False))
    _insert(connection, [Supplier(key, account, sellers[key], False) for key, account in given.items()], created_by)
    return accounts | given


def import_suppliers(
    connection: Connection, rows: Sequence[Mapping[str, str]], settings: DatevSettings, created_by: str
) -> tuple[int, list[tuple[int, str, str]]]:
    """Takes over accounts that suppliers have already; returns how many are new, and (row, field, problem).

    Nothing is written where there is a problem. A supplier that has an account keeps it.
    """
    lock_exports(connection)
    known = {supplier.seller_key: supplier.account for supplier in list_suppliers(connection)}
    first, last = "7" + "0" * settings.account_length, "9" * (settings.account_length + 1)
    new: dict[str, Supplier] = {}
    problems: list[tuple[int, str, str]] = []
    for number, row in enumerate(rows, start=1):
        account = row.get("account", "")
        name = row.get("name")
        key = seller_key(Party(name=name, vat_id=row.get("vat_id"), tax_id=row.get("tax_id")))
        if key is None and name == COLLECTIVE:
            key, name = COLLECTIVE, COLLECTIVE_NAME
        if not (account.isascii() and account.isdigit() and len(account) == len(first) and account >= first):
            problems.append((number, "account", f"{account!r} is not a creditor account from {first} to {last}"))
        elif key is None:
            problems.append((number, "vat_id", "the row names neither VAT id nor tax number nor name"))
        elif key in new or known.get(key, account) != account:
            has = known.get(key) or new[key].account
            problems.append((number, "account", f"this supplier has the account {has}, which never changes"))
        elif key not in known:
            new[key] = Supplier(key, account, name, True)
    if not problems:
        _insert(connection, list(new.values()), created_by)
    return len(new), problems


def _next_accounts(connection: Connection, count: int, settings: DatevSettings) -> list[str]:
    """The next accounts of the range that no supplier ever had; fewer than asked for where it ends."""
    if not count:
        return []
    first, last = settings.creditors
    used = {int(account) for account in connection.execute(text("select account from intake.datev_supplier")).scalars()}
    given = connection.execute(
        text("select max(cast(account as bigint)) from intake.datev_supplier where not is_imported")
    ).scalar_one()
    found: list[str] = []
    account = max(first, (given or 0) + 1)
    while len(found) < count and account <= last:
        if account not in used:
            found.append(str(account))
        account += 1
    return found


def _insert(connection: Connection, suppliers: Sequence[Supplier], created_by: str) -> None:
    if not suppliers:
        return
    connection.execute(
        text(
            """insert into intake.datev_supplier (organization_id, seller_key, account, seller_name, is_imported,
                                                  created_by)
               values (organizations.current(), :seller_key, :account, :seller_name,
                       :is_imported, :created_by)"""
        ),
        [
            {
                "seller_key": supplier.seller_key,
                "account": supplier.account,
                "seller_name": supplier.seller_name,
                "is_imported": supplier.is_imported,
                "created_by": created_by,
            }
            for supplier in suppliers
        ],
    )
