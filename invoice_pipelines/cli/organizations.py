"""The commands of `organizations`."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import typer
from pydantic import BaseModel, ValidationError

from invoice_pipelines.cli import organization_settings
from invoice_pipelines.cli.output import console, table
from invoice_pipelines.database.access import open_database
from invoice_pipelines.organizations import (
    Address,
    OrganizationError,
    OrganizationSettings,
    add_organization,
    change_organization,
    find_organization,
    list_organizations,
    remove_organization,
    restore_organization,
)
from invoice_pipelines.settings import load_settings
from invoice_pipelines.storage import make_inbox, root_path

Model = TypeVar("Model", bound=BaseModel)

app = typer.Typer(help="The registry of organizations (tenants).", no_args_is_help=True)
organization_settings.register(app)

Slug = Annotated[str, typer.Argument(help="Short name: small letters, digits and hyphens; becomes the partition key.")]


VatId = Annotated[str | None, typer.Option(help="VAT id.")]
TaxNumber = Annotated[str | None, typer.Option(help="National tax number.")]
Iban = Annotated[str | None, typer.Option(help="Bank account.")]
Street = Annotated[str | None, typer.Option(help="Street and number, as on its invoices.")]
AdditionalStreet = Annotated[str | None, typer.Option(help="Second line of the street.")]
City = Annotated[str | None, typer.Option(help="City.")]
PostCode = Annotated[str | None, typer.Option(help="Post code.")]
Language = Annotated[str | None, typer.Option(help="Language of its invoices and messages: en or de.")]
InvoiceNumber = Annotated[
    str | None, typer.Option(help="Pattern of invoice numbers, such as INV-{year}-{number:06}.", metavar="PATTERN")
]
CreditNoteNumber = Annotated[
    str | None,
    typer.Option(help="Pattern of the numbers of credit notes, such as CN-{year}-{number:06}.", metavar="PATTERN"),
]
YearlyReset = Annotated[
    bool | None, typer.Option("--yearly-reset/--no-yearly-reset", help="Whether numbers start again each year.")
]


@app.command()
def add(
    slug: Slug,
    name: Annotated[str, typer.Option(help="Legal name.")],
    country: Annotated[str, typer.Option(help="ISO 3166-1 code of two letters, such as DE.")],
    time_zone: Annotated[str, typer.Option(help="IANA name, such as Europe/Berlin.")],
    currency: Annotated[str, typer.Option(help="ISO 4217 code, such as EUR.")],
    vat_id: VatId = None,
    tax_number: TaxNumber = None,
    iban: Iban = None,
    street: Street = None,
    additional_street: AdditionalStreet = None,
    city: City = None,
    post_code: PostCode = None,
    language: Language = None,
    invoice_number: InvoiceNumber = None,
    credit_note_number: CreditNoteNumber = None,
    yearly_reset: YearlyReset = None,
) -> None:
    """Add an organization. Its partition appears in Dagster within seconds."""
    address = _changed(Address(), street=street, additional_street=additional_street, city=city, post_code=post_code)
    settings = _changed_settings(OrganizationSettings(), language, invoice_number, credit_note_number, yearly_reset)
    installation = load_settings()
    inbox = root_path(installation.inbox_root) / slug
    with open_database(installation, application_name="command line") as engine:
        add_organization(
            engine,
            slug,
            name,
            country_code=country,
            time_zone=time_zone,
            currency=currency,
            vat_id=vat_id,
            tax_number=tax_number,
            iban=iban,
            address=address,
            settings=settings,
            created_by="command line",
        )
    make_inbox(inbox)
    console.print(f"Added {slug}. Drop its files into {inbox}/", soft_wrap=True)


@app.command()
def change(
    slug: Slug,
    name: Annotated[str | None, typer.Option(help="Legal name.")] = None,
    vat_id: VatId = None,
    tax_number: TaxNumber = None,
    iban: Iban = None,
    street: Street = None,
    additional_street: AdditionalStreet = None,
    city: City = None,
    post_code: PostCode = None,
    language: Language = None,
    invoice_number: InvoiceNumber = None,
    credit_note_number: CreditNoteNumber = None,
    yearly_reset: YearlyReset = None,
) -> None:
    """Change what is given of an organization. Invoices that were issued keep what they say."""
    simple = {"name": name, "vat_id": vat_id, "tax_number": tax_number, "iban": iban}
    with open_database(load_settings(), application_name="command line") as engine:
        known = find_organization(engine, slug)
        change_organization(
            engine,
            slug,
            **{field: value for field, value in simple.items() if value is not None},
            address=_changed(
                known.address, street=street, additional_street=additional_street, city=city, post_code=post_code
            ),
            settings=_changed_settings(known.settings, language, invoice_number, credit_note_number, yearly_reset),
        )
    console.print(f"Changed {slug}.")


def _changed_settings(
    settings: OrganizationSettings,
    language: str | None,
    invoice_number: str | None,
    credit_note_number: str | None,
    yearly_reset: bool | None,
) -> OrganizationSettings:
    return _changed(
        settings,
        language=language,
        invoice_number=_changed(settings.invoice_number, pattern=invoice_number, yearly_reset=yearly_reset),
        credit_note_number=_changed(settings.credit_note_number, pattern=credit_note_number, yearly_reset=yearly_reset),
    )


def _changed(known: Model, **given: Any) -> Model:
    """The model with what is given in place of what was, checked as a whole."""
    try:
        return type(known)(**{**dict(known), **{field: value for field, value in given.items() if value is not None}})
    except ValidationError as error:
        first = error.errors()[0]
        field = f"{first['loc'][0]}: " if first["loc"] else ""
        raise OrganizationError(field + first["msg"].removeprefix("Value error, ")) from None


@app.command("list")
def list_() -> None:
    """List all organizations."""
    shown = table(None, "organization", "name", "country", "currency", "time zone")
    with open_database(load_settings()) as engine:
        for organization in list_organizations(engine):
            shown.add_row(
                organization.slug,
                organization.name,
                organization.country_code,
                organization.currency,
                organization.time_zone,
            )
    console.print(shown)


@app.command()
def remove(slug: Slug) -> None:
    """Take an organization out of the work. Its records are kept, as the law asks."""
    with open_database(load_settings(), application_name="command line") as engine:
        remove_organization(engine, slug)
    console.print(f"Removed {slug}; its records are kept. `organizations restore {slug}` brings it back.")


@app.command()
def restore(slug: Slug) -> None:
    """Bring a removed organization back."""
    with open_database(load_settings(), application_name="command line") as engine:
        restore_organization(engine, slug)
    console.print(f"Restored {slug}.")
