"""Holds the commands of `organizations`."""

from __future__ import annotations

from typing import Annotated

import typer

from invoice_pipelines.cli.output import console, table
from invoice_pipelines.database.access import open_database
from invoice_pipelines.organizations import (
    add_organization,
    list_organizations,
    remove_organization,
    restore_organization,
)
from invoice_pipelines.settings import load_settings

app = typer.Typer(help="The registry of organizations (tenants).", no_args_is_help=True)

Slug = Annotated[str, typer.Argument(help="Short name: small letters, digits and hyphens; becomes the partition key.")]


@app.command()
def add(
    slug: Slug,
    name: Annotated[str, typer.Option(help="Legal name.")],
    country: Annotated[str, typer.Option(help="ISO 3166-1 code of two letters, such as DE.")],
    time_zone: Annotated[str, typer.Option(help="IANA name, such as Europe/Berlin.")],
    currency: Annotated[str, typer.Option(help="ISO 4217 code, such as EUR.")],
    vat_id: Annotated[str | None, typer.Option(help="VAT id.")] = None,
    tax_number: Annotated[str | None, typer.Option(help="National tax number.")] = None,
    iban: Annotated[str | None, typer.Option(help="Bank account.")] = None,
) -> None:
    """Add an organization. Its partition appears in Dagster within seconds."""
    with open_database(load_settings(), migrated=True, application_name="command line") as engine:
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
            created_by="command line",
        )
    console.print(f"Added {slug}. Drop its files into {load_settings().inbox_root}/{slug}/")


@app.command("list")
def list_() -> None:
    """List all organizations."""
    shown = table(None, "organization", "name", "country", "currency", "time zone")
    with open_database(load_settings(), migrated=True) as engine:
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
    with open_database(load_settings(), migrated=True, application_name="command line") as engine:
        remove_organization(engine, slug)
    console.print(f"Removed {slug}; its records are kept. `organizations restore {slug}` brings it back.")


@app.command()
def restore(slug: Slug) -> None:
    """Bring a removed organization back."""
    with open_database(load_settings(), migrated=True, application_name="command line") as engine:
        restore_organization(engine, slug)
    console.print(f"Restored {slug}.")
