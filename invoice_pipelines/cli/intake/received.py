"""The commands `intake list` and `intake show` of received invoices, and `uploads list` and `uploads show`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer

from invoice_pipelines.cli.intake.statuses import coloured
from invoice_pipelines.cli.language import AskedLanguage, Language, language_of
from invoice_pipelines.cli.options import After, AsJson, Limit, OrganizationOption, day, examples
from invoice_pipelines.cli.output import print_facts, print_json, print_list, print_one, print_rows
from invoice_pipelines.cli.person import opened, scope_of
from invoice_pipelines.intake.lists import (
    ReceivedInvoice,
    Sought,
    find_received,
    find_upload,
    get_received,
    lines_of_received,
    list_received,
    list_uploads,
    newest_violations,
    status_changes,
)
from invoice_pipelines.intake.operations import logged_errors
from invoice_pipelines.intake.states import Status

app = typer.Typer()
uploads = typer.Typer(
    help="Files as they arrived: list, show.",
    no_args_is_help=True,
    epilog=examples(
        "uploads list --limit 10 --organization acme",
        "uploads show 456789ab --organization acme",
    ),
)

RECEIVED = {
    "en": "~invoice=id !status file=file_name #gross=gross_amount currency seller=seller_name !number=invoice_number "
    "!code message !date=issue_date arrived=created_at in_review",
    "de": "~Rechnung=id !Status=status Datei=file_name #brutto=gross_amount Währung=currency Verkäufer=seller_name "
    "!Nummer=invoice_number !Code=code Meldung=message !Datum=issue_date eingegangen=created_at in_Prüfung=in_review",
}
"""The columns of the list, by language."""
FACTS_IN_GERMAN = {
    "id": "Kennung",
    "upload_id": "Kennung der Datei",
    "file_name": "Datei",
    "status": "Status",
    "processing_version": "Bearbeitungsversion",
    "in_review": "in Prüfung",
    "code": "Code",
    "message": "Meldung",
    "invoice_number": "Rechnungsnummer",
    "type_code": "Belegart",
    "issue_date": "Rechnungsdatum",
    "due_date": "fällig am",
    "seller_name": "Verkäufer",
    "seller_vat_id": "USt-IdNr. des Verkäufers",
    "unconfirmed_seller": "Verkäufer, nicht bestätigt",
    "buyer_name": "Käufer",
    "currency": "Währung",
    "net_amount": "netto",
    "tax_amount": "Umsatzsteuer",
    "gross_amount": "brutto",
    "iban": "IBAN",
    "format": "Format",
    "profile": "Profil",
    "source": "Quelle",
    "confidence": "Konfidenz",
    "created_at": "eingegangen",
    "created_by": "eingegangen durch",
    "last_processed_at": "zuletzt bearbeitet",
}
PARTS = {
    "en": {
        "\nLines": "#line=line_number description #quantity unit #price=unit_price VAT=tax_category #rate=tax_rate "
        "#net=net_amount",
        "\nChanges of its status": "when=changed_at #version=processing_version from=from_status to=to_status "
        "by=changed_by",
        "\nWhat the newest verdict finds": "!rule !severity message location",
        "\nFailed attempts": "when=created_at !stage #attempt !code message trace=trace_id",
    },
    "de": {
        "\nPositionen": "#Position=line_number Beschreibung=description #Menge=quantity Einheit=unit #Preis=unit_price "
        "USt=tax_category #Satz=tax_rate #netto=net_amount",
        "\nÄnderungen des Status": "am=changed_at #Version=processing_version von=from_status nach=to_status "
        "durch=changed_by",
        "\nBefunde der letzten Prüfung": "!Regel=rule !Schwere=severity Meldung=message_de Ort=location",
        "\nGescheiterte Versuche": "am=created_at !Stufe=stage #Versuch=attempt !Code=code Meldung=message "
        "Ablauf=trace_id",
    },
}
"""The tables below what was read, by language: titles, each with its columns."""


@app.command("list")
def list_(
    organization: OrganizationOption,
    status: Annotated[
        list[Status] | None, typer.Option(help="Only with this status; can be repeated.", case_sensitive=False)
    ] = None,
    seller: Annotated[str | None, typer.Option(help="Only where this is part of the seller's name.")] = None,
    number: Annotated[str | None, typer.Option(help="Only with this invoice number.")] = None,
    issued_from: Annotated[
        str | None, typer.Option("--from", help="Issued on this day or later.", metavar="DATE")
    ] = None,
    issued_until: Annotated[
        str | None, typer.Option("--until", help="Issued on this day or earlier.", metavar="DATE")
    ] = None,
    in_review: Annotated[bool, typer.Option("--in-review", help="Only what waits for a person.")] = False,
    words: Annotated[
        str | None, typer.Option("--words", help="Only where a name, number or reference has these.", metavar="WORDS")
    ] = None,
    limit: Limit = 50,
    after: After = None,
    language: AskedLanguage = None,
    as_json: AsJson = False,
) -> None:
    """List received invoices, the newest first, with why they failed or whether they wait for a review."""
    with opened(organization) as office, office.scope() as connection:
        last = None if after is None else find_received(connection, after)
        sought = Sought(
            statuses=status or (),
            in_review=True if in_review else None,
            seller=seller,
            number=number,
            issued_from=day("--from", issued_from),
            issued_until=day("--until", issued_until),
            words=words,
        )
        found = list_received(connection, sought, after=last, limit=limit)
    zone = office.organization.time_zone
    spoken = language_of(language, office.organization.settings.language)
    rows = found if as_json else rows_of(found, spoken)
    print_list(rows, RECEIVED[spoken], as_json=as_json, limit=limit, zone=zone, none="There is none.")


@app.command()
def show(
    organization: OrganizationOption,
    invoice: Annotated[
        str, typer.Argument(help="Id of the invoice; its first or last characters are enough.", metavar="INVOICE")
    ],
    language: AskedLanguage = None,
    as_json: AsJson = False,
) -> None:
    """Show a received invoice: what was read, how its status changed, what was found wrong, and failed attempts."""
    with opened(organization) as office, office.scope() as connection:
        found = get_received(connection, find_received(connection, invoice))
        lines, changes = lines_of_received(connection, found.id), status_changes(connection, found.id)
        violations = newest_violations(connection, found.id)
        errors = logged_errors(connection, invoice_ids=[found.id])
    if as_json:
        parts = {"lines": lines, "status_changes": changes, "violations": violations, "errors": errors}
        print_json(asdict(found) | parts)
        return
    spoken = language_of(language, office.organization.settings.language)
    (facts,) = rows_of([found], spoken)
    names = FACTS_IN_GERMAN if spoken == "de" else {name: name.replace("_", " ") for name in facts}
    print_facts({names[name]: value for name, value in facts.items()})
    steps = [
        asdict(change)
        | {
            "from_status": change.from_status and coloured(Status(change.from_status), spoken),
            "to_status": coloured(Status(change.to_status), spoken),
        }
        for change in changes
    ]
    zone = office.organization.time_zone
    below: Sequence[Iterable[Any]] = (lines, steps, violations, errors)
    for rows, (title, columns) in zip(below, PARTS[spoken].items(), strict=True):
        print_rows(rows, columns, title=title, zone=zone)


def rows_of(invoices: Iterable[ReceivedInvoice], language: Language) -> list[dict[str, Any]]:
    """Received invoices for people, under the columns RECEIVED."""
    yes, no, unconfirmed = {"en": ("yes", "no", "not confirmed"), "de": ("ja", "nein", "nicht bestätigt")}[language]
    return [
        asdict(each)
        | {
            "status": coloured(each.status, language),
            "in_review": yes if each.in_review else no,
            "seller_name": each.seller_name
            or (f"{each.unconfirmed_seller} ({unconfirmed})" if each.unconfirmed_seller else None),
        }
        for each in invoices
    ]


@uploads.command("list")
def list_uploads_(
    organization: OrganizationOption,
    limit: Limit = 50,
    after: After = None,
    as_json: AsJson = False,
) -> None:
    """List uploads, the newest first."""
    with opened(organization) as office, office.scope() as connection:
        last = None if after is None else find_upload(connection, after).id
        found = list_uploads(connection, after=last, limit=limit)
    columns = "~upload=id file=file_name !status arrived=received_at #bytes=size_bytes !source by=created_by"
    zone = office.organization.time_zone
    print_list(found, columns, as_json=as_json, limit=limit, zone=zone, none="There is none.")


@uploads.command("show")
def show_upload(
    organization: OrganizationOption,
    upload: Annotated[
        str, typer.Argument(help="Id of the upload; its first or last characters are enough.", metavar="UPLOAD")
    ],
    as_json: AsJson = False,
) -> None:
    """Show an upload, and the invoice that is read from it."""
    with scope_of(organization) as connection:
        found = find_upload(connection, upload)
    print_one(found, as_json=as_json)
