"""Options and arguments that several commands share, and how typed values are read."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

import typer

from invoice_pipelines.registry import MESSAGING_CHANNELS, OCR_ENGINES, Registry, UnknownName

OrganizationOption = Annotated[str, typer.Option("--organization", help="Slug of the organization.")]
OrganizationArgument = Annotated[str, typer.Argument(help="Slug of the organization.", metavar="ORG")]
CsvFile = Annotated[str, typer.Argument(help="CSV file in UTF-8; - is stdin.", metavar="FILE")]
InvoicesFile = Annotated[
    str | None,
    typer.Option("--invoices", help="File with one invoice number or id per line; - is stdin.", metavar="FILE"),
]
IssuedByJob = Annotated[str | None, typer.Option(help="All invoices that this batch job issued.", metavar="JOB")]
LanguageOfInvoice = Annotated[
    str | None, typer.Option(help="Code of two letters; if left out, that of the invoice.", metavar="CODE")
]
Now = Annotated[bool, typer.Option("--now", help="Do it in this process.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until Dagster has done it.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object per line, for programs.")]
Limit = Annotated[int, typer.Option(help="How many to show.", min=1, max=10_000)]
OlderThan = Annotated[
    str | None, typer.Option(help="Since longer than this: 12h, 7d, 2026-03-31 or 2026-03-31T14:00.", metavar="WHEN")
]
Text = Annotated[str | None, typer.Option(help="Only with this text in a name or number.", metavar="TEXT")]
From = Annotated[str | None, typer.Option("--from", help="Of this day or later, such as 2026-03-31.", metavar="DATE")]
Until = Annotated[str | None, typer.Option("--until", help="Of this day or earlier.", metavar="DATE")]
After = Annotated[str | None, typer.Option(help="Go on after this one, the last of the page before.", metavar="ID")]


def examples(*typed: str) -> str:
    """What is shown below the help of a command or group: what people type, without the name of the program."""
    return "\n\n".join(["Examples:", *(f"invoice-pipelines {words}" for words in typed)])


def moment_before(option: str, given: str, zone: ZoneInfo) -> datetime:
    """A moment that was typed: a day or a time in the organization's zone, or so many hours or days ago. Raises
    BadParameter that names the option.
    """
    try:
        if given[-1:] in ("h", "d"):
            number = int(given[:-1])
            return datetime.now(zone) - (timedelta(hours=number) if given[-1] == "h" else timedelta(days=number))
        moment = datetime.fromisoformat(given)
        return moment if moment.tzinfo else moment.replace(tzinfo=zone)
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"{option}: {given[:40]!r} is neither a day like 2026-03-31 nor a time like 2026-03-31T14:00 nor a while "
            "like 12h or 7d"
        ) from None


def one_of(registry: Registry) -> dict[str, Any]:
    """For an option or argument whose values are names of a registry: all that typer needs besides its help. What is
    behind a name stays unloaded.
    """

    def check(name: str) -> str:
        try:
            return registry.check(name)
        except UnknownName as error:
            raise typer.BadParameter(str(error)) from None

    return {"parser": check, "metavar": f"[{'|'.join(registry.names())}]"}


CHANNEL = one_of(MESSAGING_CHANNELS)


def engine_name(*besides: str) -> Callable[[str | None], str | None]:
    """What checks the name of an engine that somebody typed."""

    def check(name: str | None) -> str | None:
        try:
            return name if name is None else OCR_ENGINES.check(name, "none", *besides)
        except UnknownName as problem:
            raise typer.BadParameter(str(problem)) from None

    return check


def parse_id(text: str, what: str) -> UUID:
    """An id as it was typed; `what` it is the id of. Raises BadParameter."""
    try:
        return UUID(text)
    except ValueError:
        raise typer.BadParameter(f"{text[:60]!r} is not the id of {what}") from None


def parse_id_or_none(text: str | None, what: str) -> UUID | None:
    """The same, where one may be given."""
    return None if text is None else parse_id(text, what)


def day(option: str, text: str | None) -> date | None:
    """A day that may be given. Raises BillingError that names the option."""
    from invoice_pipelines.billing.requests import parse_date  # late: it loads the database, which few commands need

    return None if text is None else parse_date(option, text)


def pairs(given: Sequence[str] | None, what: str, example: str) -> Iterator[tuple[str, str]]:
    """Assignments as they were typed, such as FIELD=VALUE. Raises BadParameter."""
    for text in given or ():
        name, equals, value = text.partition("=")
        if not equals:
            raise typer.BadParameter(f"{text[:60]!r} is not {what}, such as {example}")
        yield name.strip(), value


def lines_of(file: str) -> list[str]:
    """The lines of a file that hold something; `-` is stdin. Raises BadParameter where it is no text."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{file} is not a text file in UTF-8") from None
    return [line.strip() for line in text.splitlines() if line.strip()]
