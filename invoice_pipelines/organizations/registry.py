"""The registry of organizations: adding, finding, listing, removing. No business records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError

from invoice_pipelines.database import organization_scope
from invoice_pipelines.errors import InvoicePipelinesError
from invoice_pipelines.organizations.settings import Address, OrganizationSettings
from invoice_pipelines.organizations.time_zones import time_zones
from invoice_pipelines.registry import EXPORT_FORMATS, OCR_ENGINES

Model = TypeVar("Model", bound=BaseModel)


class OrganizationError(InvoicePipelinesError):
    """An organization cannot be added, found, changed or removed; the message names it and says what to do. `wrong` is
    each wrong value, by the name of its field, such as `settings.messages.quiet_from`.
    """

    def __init__(self, message: str, wrong: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.wrong = dict(wrong or {})


class _Values(BaseModel):
    """What the values of an organization must satisfy before they are written."""

    model_config = ConfigDict(extra="forbid")

    slug: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
    name: str = Field(min_length=1, max_length=200)
    country_code: str = Field(pattern=r"^[A-Z]{2}$")
    time_zone: str
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    vat_id: str | None = None
    tax_number: str | None = None
    iban: str | None = None
    address: Address = Field(default_factory=Address)
    settings: OrganizationSettings = Field(default_factory=OrganizationSettings)

    @field_validator("time_zone")
    @classmethod
    def _known_time_zone(cls, name: str) -> str:
        if name not in time_zones():
            raise ValueError(f"{name!r} is not a time zone of the IANA database, such as Europe/Berlin")
        return name

    @field_validator("settings")
    @classmethod
    def _known_names(cls, settings: OrganizationSettings) -> OrganizationSettings:
        # Asked where it is set, not where it is read: an engine may be taken away, and what needs none goes on.
        OCR_ENGINES.check(settings.ocr_engine or "none", "none")
        for name in settings.export_formats or ():
            EXPORT_FORMATS.check(name)
        return settings


@dataclass(frozen=True, slots=True)
class OrganizationSummary:
    """One row of the registry, without legal data."""

    id: UUID
    slug: str
    name: str
    country_code: str
    time_zone: str
    currency: str
    created_at: datetime
    removed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Organization:
    """An organization with all that its own records need."""

    id: UUID
    slug: str
    name: str
    country_code: str
    time_zone: ZoneInfo
    currency: str
    vat_id: str | None
    tax_number: str | None
    iban: str | None
    address: Address
    settings: OrganizationSettings


def add_organization(
    engine: Engine,
    slug: str,
    name: str,
    *,
    country_code: str,
    time_zone: str,
    currency: str,
    vat_id: str | None = None,
    tax_number: str | None = None,
    iban: str | None = None,
    address: Address | None = None,
    settings: OrganizationSettings | None = None,
    created_by: str = "",
) -> UUID:
    """Adds an organization and returns its id.

    `slug` becomes the Dagster partition key and never changes. `country_code` is ISO 3166-1 alpha-2, `currency`
    ISO 4217, `time_zone` an IANA name. Raises OrganizationError for a wrong value or a slug that is taken.
    """
    new = _checked(
        slug,
        name=name,
        country_code=country_code,
        time_zone=time_zone,
        currency=currency,
        vat_id=vat_id,
        tax_number=tax_number,
        iban=iban,
        address=address or Address(),
        settings=settings or OrganizationSettings(),
    )
    with engine.connect() as connection:
        organization_id: UUID = connection.execute(text("select uuidv7()")).scalar_one()
    try:
        with organization_scope(engine, organization_id) as connection:
            connection.execute(
                text(
                    """insert into organizations.organization (id, slug, name, country_code, time_zone, currency,
                                                               vat_id, tax_number, iban, address, settings,
                                                               created_by)
                       values (:id, :slug, :name, :country_code, :time_zone, :currency,
                               :vat_id, :tax_number, :iban, cast(:address as jsonb), cast(:settings as jsonb),
                               coalesce(nullif(:created_by, ''), current_user))"""
                ),
                {**_columns(new), "id": organization_id, "created_by": created_by},
            )
    except IntegrityError as error:
        if getattr(error.orig, "sqlstate", "") == "23505":
            raise OrganizationError(
                f"organization {slug!r} exists already or existed before; choose another slug, "
                f"or bring it back with `invoice-pipelines organizations restore {slug}`"
            ) from None
        raise
    return organization_id


def list_organizations(engine: Engine, *, with_removed: bool = False) -> list[OrganizationSummary]:
    """All organizations, by slug."""
    with engine.connect() as connection:
        return registered_organizations(connection, with_removed=with_removed)


def registered_organizations(connection: Connection, *, with_removed: bool = False) -> list[OrganizationSummary]:
    """The same in a transaction: those that it may know of."""
    rows = connection.execute(
        text("select * from organizations.list_organizations(:with_removed)"), {"with_removed": with_removed}
    )
    return [OrganizationSummary(*row) for row in rows]


def find_organization(engine: Engine, slug: str) -> Organization:
    """The organization with a slug.

    Raises OrganizationError where there is none, it was removed, or its stored settings are wrong.
    """
    with engine.connect() as connection:
        organization_id = connection.execute(
            text("select organization_id from organizations.find_organization(:slug)"), {"slug": slug}
        ).scalar_one_or_none()
    if organization_id is None:
        raise OrganizationError(f"there is no organization {slug!r}; `invoice-pipelines organizations list` shows all")
    with organization_scope(engine, organization_id) as connection:
        return organization_in_scope(connection)


def organization_in_scope(connection: Connection, *, to_change: bool = False) -> Organization:
    """The organization that the transaction is in; `to_change`: nobody else changes it before the end. Raises
    OrganizationError where its stored settings are wrong.
    """
    row = connection.execute(
        text(
            f"""select id, slug, name, country_code, time_zone, currency, vat_id, tax_number, iban, address, settings
                from organizations.organization where id = organizations.current()
                {"for no key update" if to_change else ""}"""
        )
    ).one()
    typed = {
        "time_zone": ZoneInfo(row.time_zone),
        "address": _stored(row.slug, Address, row.address),
        "settings": _stored(row.slug, OrganizationSettings, row.settings),
    }
    return Organization(**{**row._mapping, **typed})


def change_organization(engine: Engine, slug: str, **changes: Any) -> Organization:
    """Changes some values of an organization, named like the parameters of `add_organization`; returns it as it is now.

    Issued invoices keep what they say: they hold the seller as it was. Raises OrganizationError for a wrong value.
    """
    with organization_scope(engine, find_organization(engine, slug).id) as connection:
        return change_organization_in_scope(connection, **changes)


def change_organization_in_scope(connection: Connection, **changes: Any) -> Organization:
    """`change_organization` in a transaction that is in the organization."""
    known = organization_in_scope(connection, to_change=True)
    values = {name: getattr(known, name) for name in _Values.model_fields if name != "slug"}
    values["time_zone"] = str(known.time_zone)
    if unknown := sorted(set(changes) - set(values)):
        raise OrganizationError(f"organization {known.slug!r}: {', '.join(unknown)} cannot be changed")
    new = _checked(known.slug, **{**values, **changes})
    connection.execute(
        text(
            """update organizations.organization
               set name = :name, country_code = :country_code, time_zone = :time_zone, currency = :currency,
                   vat_id = :vat_id, tax_number = :tax_number, iban = :iban, address = cast(:address as jsonb),
                   settings = cast(:settings as jsonb)
               where slug = :slug"""
        ),
        _columns(new),
    )
    return organization_in_scope(connection)


def _checked(slug: str, **values: Any) -> _Values:
    try:
        return _Values(slug=slug, **values)
    except ValidationError as error:
        raise OrganizationError(f"organization {slug!r}: {_problems(error)}", _wrong(error)) from None


def _columns(values: _Values) -> dict[str, Any]:
    return {
        **values.model_dump(exclude={"address", "settings"}),
        "address": values.address.model_dump_json(exclude_none=True),
        "settings": values.settings.model_dump_json(),
    }


def _stored(slug: str, model: type[Model], stored: object) -> Model:
    try:
        return model.model_validate(stored)
    except ValidationError as error:
        raise OrganizationError(f"organization {slug!r}: stored {model.__name__}: {_problems(error)}") from None


def _problems(error: ValidationError) -> str:
    return "; ".join(f"{field}: {why}" for field, why in _wrong(error).items())


def _wrong(error: ValidationError) -> dict[str, str]:
    return {".".join(map(str, item["loc"])): item["msg"].removeprefix("Value error, ") for item in error.errors()}


def remove_organization(engine: Engine, slug: str) -> None:
    """Takes an organization out of the work. Its records are kept, as the law asks, and it can be restored."""
    organization = find_organization(engine, slug)
    with organization_scope(engine, organization.id) as connection:
        connection.execute(text("update organizations.organization set removed_at = now()"))


def restore_organization(engine: Engine, slug: str) -> None:
    """Brings a removed organization back. Raises OrganizationError where there is none with that slug."""
    for organization in list_organizations(engine, with_removed=True):
        if organization.slug == slug:
            with organization_scope(engine, organization.id) as connection:
                connection.execute(text("update organizations.organization set removed_at = null"))
            return
    raise OrganizationError(f"there never was an organization {slug!r}")
