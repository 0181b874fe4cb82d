"""The DATEV settings of an organization, as its tax adviser gives them, kept with their history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from sqlalchemy import Connection, text

from invoice_pipelines.intake.exports.datev.accounts.charts import SHORTEST_ACCOUNT, Chart, load_chart
from invoice_pipelines.intake.exports.datev.errors import DatevError
from invoice_pipelines.intake.exports.formats import lock_exports

BASE_CURRENCY = "EUR"
"""The currency of the books (header, field 22)."""


class DatevSettings(BaseModel):
    """How the bookings of an organization are written.

    `consultant` (Beraternummer) and `client` (Mandantennummer) are given by the tax adviser. `account_length` counts
    the digits of general ledger accounts; creditors have one more. `locked` writes Festschreibung 1: what is imported
    cannot be changed any more. `chart_account` allows the expense account of the chart where no rule names one.
    `also_booked_types` are document types (BT-3) to be booked as invoices beyond those that always are.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    consultant: int = Field(ge=1001, le=9_999_999)
    client: int = Field(ge=1, le=99_999)
    chart: Literal["SKR03", "SKR04"]
    account_length: int = Field(default=SHORTEST_ACCOUNT, ge=SHORTEST_ACCOUNT, le=8)
    fiscal_year_start_month: int = Field(default=1, ge=1, le=12)
    locked: bool = False
    first_creditor: str | None = None
    last_creditor: str | None = None
    chart_account: bool = False
    initials: str | None = Field(default=None, pattern=r"^[A-Z]{2}$")
    also_booked_types: tuple[str, ...] = ()

    @field_validator("also_booked_types")
    @classmethod
    def _types_are_codes(cls, codes: tuple[str, ...]) -> tuple[str, ...]:
        for code in codes:
            if not (code.isascii() and code.isdigit() and len(code) <= 3):
                raise ValueError(f"{code!r} is not a document type of UNTDID 1001, such as 877")
        return codes

    @model_validator(mode="after")
    def _creditors_are_creditors(self) -> DatevSettings:
        lowest, highest = "7" + "0" * self.account_length, "9" * (self.account_length + 1)
        for account in (self.first_creditor, self.last_creditor):
            if account is not None and not (
                account.isascii() and account.isdigit() and len(account) == len(lowest) and account >= lowest
            ):
                raise ValueError(f"{account!r} is not a creditor account: they go from {lowest} to {highest}")
        first, last = self.creditors
        if first > last:
            raise ValueError(f"the first creditor {first} comes after the last one {last}")
        return self

    @property
    def creditors(self) -> tuple[int, int]:
        """The first and the last account that may be given to a supplier."""
        lowest, highest = "7" + "0" * self.account_length, "9" * (self.account_length + 1)
        return int(self.first_creditor or lowest), int(self.last_creditor or highest)

    @property
    def accounts(self) -> Chart:
        """The chart of accounts."""
        return load_chart(self.chart, self.account_length)

    def fiscal_year_start(self, day: date) -> date:
        """The first day of the fiscal year that a day belongs to."""
        year = day.year if day.month >= self.fiscal_year_start_month else day.year - 1
        return date(year, self.fiscal_year_start_month, 1)


@dataclass(frozen=True, slots=True)
class Revision:
    """Settings as they were stored, with their number."""

    number: int
    settings: DatevSettings


def load_settings(connection: Connection, revision: int | None = None) -> Revision | None:
    """The settings of the organization in scope, or an earlier revision of them; None where DATEV is not set up."""
    row = connection.execute(
        text(
            """select revision, settings from intake.datev_settings
               where revision = coalesce(:revision, revision) order by revision desc limit 1"""
        ),
        {"revision": revision},
    ).one_or_none()
    return None if row is None else Revision(row.revision, DatevSettings.model_validate(row.settings))


def require_settings(connection: Connection) -> DatevSettings:
    """The settings of the organization in scope. Raises DatevError where DATEV is not set up."""
    known = load_settings(connection)
    if known is None:
        raise DatevError(
            "DATEV is not set up for this organization.",
            code="DATEV_NOT_SET_UP",
            hint="`invoice-pipelines datev set-up` does it",
        )
    return known.settings


def save_settings(connection: Connection, settings: DatevSettings, created_by: str) -> Revision:
    """Stores settings as the ones that hold from now on; unchanged ones make no new revision.

    Raises DatevError where suppliers have accounts that another length would make wrong.
    """
    lock_exports(connection)
    known = load_settings(connection)
    if known is not None and known.settings == settings:
        return known
    if known is not None and known.settings.account_length != settings.account_length:
        suppliers = connection.execute(text("select count(*) from intake.datev_supplier")).scalar_one()
        if suppliers:
            raise DatevError(
                f"account_length: {suppliers} suppliers have accounts of {known.settings.account_length + 1} digits, "
                f"which never change; keep {known.settings.account_length}."
            )
    number = 1 if known is None else known.number + 1
    connection.execute(
        text(
            """insert into intake.datev_settings (organization_id, revision, settings, created_by)
               values (organizations.current(), :number, cast(:settings as jsonb), :created_by)"""
        ),
        {"number": number, "settings": settings.model_dump_json(), "created_by": created_by},
    )
    return Revision(number, settings)


def checked_settings(**values: object) -> DatevSettings:
    """Settings of the given values. Raises DatevError that names each wrong one."""
    try:
        return DatevSettings.model_validate(values)
    except ValidationError as error:
        raise DatevError(problems(error)) from None


def problems(error: ValidationError) -> str:
    """What is wrong, field by field, as one line."""
    return "; ".join(
        f"{'.'.join(map(str, item['loc'])) or 'settings'}: {item['msg'].removeprefix('Value error, ')}"
        for item in error.errors()
    )
