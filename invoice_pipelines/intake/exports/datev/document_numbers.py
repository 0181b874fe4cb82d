"""Turns invoice numbers into Belegfeld 1 and back: 36 characters of a small set, and no two numbers of a supplier
alike.

Characters outside of the set are written as in a URL (RFC 3986: a blank is `%20`, any letter by its UTF-8 bytes), so
that the field can be read back by anyone. A number that is too long, or whose field differs from that of another number
of the supplier in case only, gets its beginning, a star, and twelve digits of its SHA-256; that form is read back by
`intake.datev_document_number`, where every field stands with its number. The caller holds the lock of the books.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from urllib.parse import unquote_to_bytes

from sqlalchemy import Connection, text

LONGEST = 36
LONGEST_NUMBER = 200
_DIGEST = 12
_ALLOWED = re.compile(r"[A-Za-z0-9_$&+\-/]")
"""What stands for itself; `%` and `*`, which the field may hold as well, say that something else follows."""


def encode(number: str) -> str | None:
    """The field of a number, from which it can be read back; None where that is too long."""
    field = "".join(
        sign if _ALLOWED.fullmatch(sign) else "".join(f"%{byte:02X}" for byte in sign.encode()) for sign in number
    )
    return field if len(field) <= LONGEST else None


def decode(field: str) -> str | None:
    """The number of a field; None for one with a digest, which stands in the table."""
    return None if "*" in field else unquote_to_bytes(field).decode()


def shortened(number: str) -> str:
    """The field of a number whose own would be too long, or another's."""
    digest = hashlib.sha256(number.encode()).hexdigest()[:_DIGEST].upper()
    beginning = "".join(sign for sign in number if _ALLOWED.fullmatch(sign))
    return f"{beginning[: LONGEST - _DIGEST - 1]}*{digest}"


def document_fields(connection: Connection, numbers: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Belegfeld 1 of invoice numbers, each with the account of its supplier; new ones are stored.

    Numbers have at most LONGEST_NUMBER characters.
    """
    wanted = list(dict.fromkeys(numbers))
    accounts, values = [account for account, _ in wanted], [number for _, number in wanted]
    known = {
        (row.account, row.invoice_number): str(row.document_field)
        for row in connection.execute(
            text(
                """select d.account, d.invoice_number, d.document_field
                   from unnest(cast(:accounts as text[]), cast(:numbers as text[])) as n(account, invoice_number)
                   join intake.datev_document_number d
                     on d.account = n.account and d.invoice_number = n.invoice_number"""
            ),
            {"accounts": accounts, "numbers": values},
        )
    }
    for account, number in wanted:
        if (account, number) not in known:
            known[account, number] = _store(connection, account, number)
    return known


def _store(connection: Connection, account: str, number: str) -> str:
    for field in (encode(number), shortened(number)):
        if field is None:
            continue
        stored = connection.execute(
            text(
                """insert into intake.datev_document_number (organization_id, account, invoice_number, document_field)
                   values (organizations.current(), :account, :number, :field)
                   on conflict (account, upper(document_field), organization_id) do nothing
                   returning document_field"""
            ),
            {"account": account, "number": number, "field": field},
        ).scalar_one_or_none()
        if stored is not None:
            return str(stored)
    raise ValueError(f"the invoice numbers of creditor {account} have the same digest: {number[:40]!r}")


def numbers_booked(connection: Connection, account: str, numbers: Iterable[str]) -> list[str]:
    """Those of a supplier's invoice numbers that a booking was made for."""
    return list(
        connection.execute(
            text(
                """select invoice_number from intake.datev_document_number
                   where account = :account and invoice_number = any(:numbers) order by invoice_number"""
            ),
            {"account": account, "numbers": list(numbers)},
        ).scalars()
    )
