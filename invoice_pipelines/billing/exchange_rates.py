"""Exchange rates: entered by hand, or imported from files of the European Central Bank.

An invoice in another currency also states its VAT in the seller's currency (Directive 2006/112/EC, Art. 230), at the
newest rate published until the day of supply (Art. 91 (2)). `exchange_rates.sql` picks that rate.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

from lxml import etree
from pydantic import Field, ValidationError, model_validator
from sqlalchemy import Connection, text

from invoice_pipelines.billing.errors import BillingError, problems_of
from invoice_pipelines.billing.issued_invoices import ECB
from invoice_pipelines.billing.records.rows import Currency, IsoDate, Number, Row, Text, check_rows, is_currency

LARGEST_FILE = 64 * 1024 * 1024
"""Bytes. The ECB's file of all days since 1999 has about three million, or ten as XML."""


class NewExchangeRate(Row):
    """One unit of `base_currency` was worth `rate` units of `currency` on a day, by a source such as ECB."""

    base_currency: Currency
    currency: Currency
    rate_date: IsoDate
    rate: Annotated[Number, Field(gt=0, max_digits=24, decimal_places=12)]
    source: Text

    @model_validator(mode="after")
    def _are_two(self) -> NewExchangeRate:
        if self.base_currency == self.currency:
            raise ValueError(f"{self.currency} is both currencies of the rate")
        return self


@dataclass(frozen=True, slots=True)
class ExchangeRate:
    """A rate that is in the database, with who entered it last and when."""

    base_currency: str
    currency: str
    rate_date: date
    rate: Decimal
    source: str
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True)
class AddedRates:
    """How many rates were new, and how many were known with another value or source. All others were known."""

    added: int
    changed: int


def add_exchange_rates(
    connection: Connection, rates: Iterable[NewExchangeRate | Mapping[str, Any]], *, created_by: str
) -> AddedRates:
    """Adds rates, or changes those of the same currencies and day. Invoices keep what they were converted with.

    Raises RowsRefused, which names rows and fields; then none was written.
    """
    rows = check_rows(NewExchangeRate, rates, ("base_currency", "currency", "rate_date"))
    written = connection.execute(
        text(_ADD),
        {"rows": json.dumps([row.model_dump(mode="json") for row in rows]), "created_by": created_by},
    ).scalars()
    news = list(written)
    return AddedRates(news.count(True), news.count(False))


_ADD = """
    insert into billing.exchange_rate (organization_id, base_currency, currency, rate_date, rate, source, created_by)
    select organizations.current(), base_currency, currency, rate_date, rate, source, :created_by
    from jsonb_populate_recordset(null::billing.exchange_rate, cast(:rows as jsonb))
    order by base_currency, currency, rate_date
    on conflict (organization_id, base_currency, currency, rate_date) do update
    set rate = excluded.rate, source = excluded.source, created_by = excluded.created_by, created_at = now()
    where (exchange_rate.rate, exchange_rate.source) is distinct from (excluded.rate, excluded.source)
    returning old.rate is null
"""


def exchange_rates(
    connection: Connection, *, currency: str | None = None, until: date | None = None, limit: int = 100
) -> list[ExchangeRate]:
    """The newest rates of the organization in scope, of one currency or all, on a day or before it."""
    rows = connection.execute(
        text(
            """select base_currency, currency, rate_date, rate, source, created_at, created_by
               from billing.exchange_rate
               where organization_id = organizations.current()
                 and (cast(:currency as text) is null or :currency in (base_currency, currency))
                 and (cast(:until as date) is null or rate_date <= :until)
               order by rate_date desc, base_currency, currency limit :limit"""
        ),
        {"currency": currency, "until": until, "limit": limit},
    )
    return [ExchangeRate(*row) for row in rows]


def remove_exchange_rate(connection: Connection, base_currency: str, currency: str, rate_date: date) -> bool:
    """Removes a rate that was entered by mistake; whether there was one. Invoices keep their copies."""
    removed = connection.execute(
        text(
            """delete from billing.exchange_rate
               where organization_id = organizations.current()
                 and base_currency = :base and currency = :currency and rate_date = :day"""
        ),
        {"base": base_currency, "currency": currency, "day": rate_date},
    )
    return removed.rowcount > 0


def read_ecb_file(content: bytes, *, since: date | None = None) -> Iterator[NewExchangeRate]:
    """The rates of a file of the ECB, of one day or many: eurofxref.csv, eurofxref-hist.csv, or either as XML.

    Currencies that no longer exist are left out. Raises BillingError for a file that is none of these, with the place.
    """
    if len(content) > LARGEST_FILE:
        raise BillingError(f"The file has {len(content):,} bytes; {LARGEST_FILE:,} at most are read.")
    if content.startswith(b"PK\x03\x04"):
        raise BillingError("The file is a ZIP archive; unpack it and import the CSV file in it.")
    is_xml = content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
    for place, day, currency, value in _of_xml(content) if is_xml else _of_csv(content):
        if (since is not None and day < since) or not is_currency(currency):
            continue
        try:
            yield NewExchangeRate(base_currency="EUR", currency=currency, rate_date=day, rate=value, source=ECB)  # type: ignore[arg-type]
        except ValidationError as error:
            reason = problems_of(1, error)[0].message
            raise BillingError(f"{place}: the rate of {currency}: {reason}.") from None


_Found = tuple[str, date, str, str]
"""Where a rate stands, its day, its currency and its value as written."""


def _of_csv(content: bytes) -> Iterator[_Found]:
    try:
        lines = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        header = [name.strip() for name in next(lines, [])]
        if header[:1] != ["Date"] or not any(re.fullmatch("[A-Z]{3}", name) for name in header):
            raise BillingError(
                "The file is not an exchange rate file of the ECB: as CSV (eurofxref.csv, eurofxref-hist.csv) its "
                "first line is Date, USD, JPY and so on; as XML it begins with <."
            )
        for cells in lines:
            if not any(cell.strip() for cell in cells):
                continue
            place = f"line {lines.line_num}"
            if len(cells) != len(header):
                raise BillingError(f"{place}: it has {len(cells)} cells, and the first line {len(header)}.")
            day = _day(cells[0].strip(), place)
            for currency, value in zip(header[1:], cells[1:], strict=True):
                if currency and value.strip() not in ("", "N/A"):
                    yield place, day, currency, value
    except UnicodeDecodeError:
        raise BillingError("The file is neither XML nor CSV in UTF-8.") from None
    except csv.Error as error:
        raise BillingError(f"The file is not a CSV file: {error}.") from None


def _of_xml(content: bytes) -> Iterator[_Found]:
    try:
        root = etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError as error:
        raise BillingError(f"The file is not well-formed XML: {error.msg}.") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise BillingError("The file has a document type declaration, which files of the ECB do not have.")
    days = root.findall(".//{*}Cube[@time]")
    if not days:
        raise BillingError("The XML file is not an exchange rate file of the ECB: it has no Cube with a time.")
    for cube in days:
        place = f"line {cube.sourceline}"
        day = _day(str(cube.get("time")), place)
        for entry in cube.findall("{*}Cube[@currency]"):
            yield f"line {entry.sourceline}", day, str(entry.get("currency")), str(entry.get("rate", ""))


_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


def _day(written: str, place: str) -> date:
    """2026-03-02, or 02 March 2026 as the file of a single day has it; whatever the language of the process."""
    try:
        if match := re.fullmatch(r"(\d{1,2}) ([A-Z][a-z]+) (\d{4})", written):
            return date(int(match[3]), _MONTHS.index(match[2]) + 1, int(match[1]))
        return date.fromisoformat(written)
    except ValueError:
        raise BillingError(f"{place}: {written[:40]!r} is not a date like 2026-03-02 or 02 March 2026.") from None
