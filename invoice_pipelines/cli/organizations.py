"""The commands of `organizations`: the registry, and what an organization chooses for itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypeVar

import typer
from pydantic import BaseModel, ValidationError

from invoice_pipelines.cli.options import AsJson, examples, pairs
from invoice_pipelines.cli.output import console, print_facts, print_json, print_json_lines, print_rows, say
from invoice_pipelines.cli.person import database, person
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

app = typer.Typer(
    help="The registry of organizations (tenants).",
    no_args_is_help=True,
    epilog=examples(
        'organizations add acme --name "Acme GmbH" --country DE --time-zone Europe/Berlin --currency EUR',
        "organizations settings acme --set language=de",
        "organizations list --json",
    ),
)

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
    inbox = root_path(load_settings().inbox_root) / slug
    with database() as engine:
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
            created_by=person(),
        )
    make_inbox(inbox)
    say(f"Added {slug}. Drop its files into {inbox}/")


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
    """Change an organization. Issued invoices stay as they are."""
    simple = {"name": name, "vat_id": vat_id, "tax_number": tax_number, "iban": iban}
    with database() as engine:
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
def list_(as_json: AsJson = False) -> None:
    """List all organizations."""
    with database() as engine:
        found = list_organizations(engine)
    if as_json:
        print_json_lines(found)
    else:
        print_rows(
            found,
            "organization=slug name country=country_code currency time_zone",
            none="There is no organization yet; `organizations add` adds one.",
        )


@app.command()
def remove(slug: Slug) -> None:
    """Take an organization out of service. Its records are kept, as the law requires."""
    with database() as engine:
        remove_organization(engine, slug)
    console.print(f"Removed {slug}; its records are kept. `organizations restore {slug}` brings it back.")


@app.command()
def restore(slug: Slug) -> None:
    """Bring a removed organization back."""
    with database() as engine:
        restore_organization(engine, slug)
    console.print(f"Restored {slug}.")


@app.command()
def settings(
    slug: Slug,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Such as documents.accent_colour=#0f5c6e or overdue_channels='[\"email\"]'; a text, or JSON.",
            metavar="NAME=VALUE",
        ),
    ] = None,
    unset: Annotated[list[str] | None, typer.Option(help="Back to its default.", metavar="NAME")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the settings of an organization, such as looks, senders and quiet hours; or change some."""
    with database() as engine:
        values = find_organization(engine, slug).settings.model_dump(mode="json")
        for name in unset or ():
            _group(values, name).pop(name.rpartition(".")[2])
        for name, value in pairs(set_, "NAME=VALUE", "language=de"):
            _group(values, name)[name.rpartition(".")[2]] = _value(value)
        if set_ or unset:
            change_organization(engine, slug, settings=values)
        now = find_organization(engine, slug).settings.model_dump(mode="json")
    if as_json:
        print_json(now)
        return
    shown = {name: value if isinstance(value, str) else json.dumps(value) for name, value in _leaves(now)}
    print_facts(shown, "setting", "value")


def _group(values: dict[str, Any], name: str) -> dict[str, Any]:
    """The object that holds a setting. Raises OrganizationError for a name that there is not."""
    *groups, last = name.split(".")
    for part in groups:
        values = values.get(part, {}) if isinstance(values, dict) else {}
    if not isinstance(values, dict) or last not in values:
        raise OrganizationError(f"there is no setting {name!r}; `organizations settings SLUG` shows all")
    return values


def _value(text: str) -> Any:
    """JSON where it is an object, a list, a number, true, false or null; else the text as it is."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _leaves(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value
