"""The commands of `review`: the received invoices that wait for a person, and what to do about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer
from sqlalchemy import Connection

from invoice_pipelines.cli.language import AskedLanguage, language_of
from invoice_pipelines.cli.output import console, literal, one_line, table
from invoice_pipelines.cli.person import person
from invoice_pipelines.database import organization_scope
from invoice_pipelines.database.access import open_database
from invoice_pipelines.intake.review.queue import backlog, list_reviews
from invoice_pipelines.intake.stages.stages import Intake, make_intake, standard_of
from invoice_pipelines.organizations import change_organization, find_organization
from invoice_pipelines.settings import load_settings
from invoice_pipelines.storage import read_blob

if TYPE_CHECKING:
    from invoice_pipelines.intake.review.decisions import Correction, Decided, Seen
    from invoice_pipelines.intake.review.show import Review

PROBLEMS = 1

app = typer.Typer(help="Received invoices that wait for a person: list, show, accept, correct, reject.")

Slug = Annotated[str, typer.Option("--organization", help="Slug of the organization.")]
Invoice = Annotated[str, typer.Argument(help="Id of the invoice; its first or last signs do.", metavar="INVOICE")]
SeenState = Annotated[
    str | None,
    typer.Option(
        "--seen", help="State that `review show` printed: refuses if somebody decided since.", metavar="STATE"
    ),
]
Reason = Annotated[str | None, typer.Option(help="Why; it is kept in the audit trail.")]


@app.command("list")
def list_(
    organization: Slug,
    limit: Annotated[int, typer.Option(help="How many, the longest waiting first.", min=1, max=10_000)] = 50,
    after: Annotated[str | None, typer.Option(help="Go on after the invoice with this id.", metavar="ID")] = None,
) -> None:
    """List the invoices that wait for a person, in the order of their arrival."""
    shown = table(None, "invoice", "waiting", "file", "seller", "number", "date", "#total", "why")
    with _opened(organization) as desk, desk.scope() as connection:
        listed = list_reviews(connection, after=_id(after) if after else None, limit=limit)
        total = backlog(connection).invoices
    for waiting in listed:
        shown.add_row(
            str(waiting.id),
            _age(waiting.age),
            one_line(waiting.file_name),
            waiting.seller_name or "",
            waiting.number or "",
            str(waiting.issue_date or ""),
            "" if waiting.gross_amount is None else f"{waiting.gross_amount:,} {waiting.currency or ''}",
            ", ".join(waiting.reasons),
        )
    console.print(shown)
    if listed and total > len(listed):
        console.print(f"{total} wait in all; go on with --after {listed[-1].id}")
    elif not listed:
        console.print("No invoice waits for a review.")


@app.command()
def show(
    organization: Slug,
    invoice: Invoice,
    picture: Annotated[
        Path | None, typer.Option(help="Write the page with boxes around the values to this PNG.", metavar="FILE")
    ] = None,
    page: Annotated[int | None, typer.Option(help="Page of the picture; the one with most doubts if left out.")] = None,
    language: AskedLanguage = None,
) -> None:
    """Show what was read, where, what else it could be, and why the invoice waits."""
    from invoice_pipelines.einvoice.errors import ReadingError
    from invoice_pipelines.intake.review.show import find_review, show_review

    with _opened(organization) as desk, desk.scope() as connection:
        review = show_review(connection, find_review(connection, invoice))
        _show(review, language_of(language) == "de")
        if picture is None:
            return
        from invoice_pipelines.intake.review.pictures import as_png, review_picture

        intake = desk.intake
        data = read_blob(intake.originals, intake.organization.id, review.sha256, intake.limits.file_bytes)
        try:
            drawn = review_picture(connection, data, review, intake.limits, page)
        except ReadingError as error:
            console.print(literal(f"There is no picture: {error.message}"))
            raise typer.Exit(PROBLEMS) from None
        picture.write_bytes(as_png(drawn))
        console.print(f"The page with its boxes is in {picture}.")


@app.command()
def accept(organization: Slug, invoice: Invoice, seen: SeenState = None, reason: Reason = None) -> None:
    """Confirm the values as they were read. Exits 1 if the invoice still waits, or failed."""
    from invoice_pipelines.intake.review import decisions

    def decide(connection: Connection, intake: Intake, invoice_id: UUID, state: Seen) -> Decided:
        return decisions.accept(connection, invoice_id, state, standard_of(intake), decided_by=person(), reason=reason)

    _decide(organization, invoice, seen, decide)


@app.command()
def correct(
    organization: Slug,
    invoice: Invoice,
    values: Annotated[
        list[str] | None, typer.Argument(help="FIELD=VALUE, such as gross_amount=119.00.", metavar="FIELD=VALUE...")
    ] = None,
    candidate: Annotated[
        list[str] | None, typer.Option(help="A candidate by its number: FIELD=2.", metavar="FIELD=NUMBER")
    ] = None,
    box: Annotated[
        list[str] | None,
        typer.Option(
            help="What stands in a box: FIELD=PAGE:LEFT,TOP,RIGHT,BOTTOM, in points.", metavar="FIELD=PAGE:BOX"
        ),
    ] = None,
    absent: Annotated[
        list[str] | None, typer.Option(help="The document does not have this field.", metavar="FIELD")
    ] = None,
    seen: SeenState = None,
    reason: Reason = None,
) -> None:
    """Correct values; the invoice is judged again at once. Exits 1 if it still waits."""
    from invoice_pipelines.intake.review import decisions

    corrections: dict[str, Correction] = {}
    for field, written in _pairs(values):
        corrections[field] = decisions.Typed(written)
    for field, written in _pairs(candidate):
        corrections[field] = decisions.Chosen(_whole(written))
    for field, written in _pairs(box):
        corrections[field] = _boxed(written)
    for field in absent or ():
        corrections[field] = decisions.Absent()
    if len(corrections) < sum(len(given or ()) for given in (values, candidate, box, absent)):
        raise typer.BadParameter("a field stands there twice")

    def decide(connection: Connection, intake: Intake, invoice_id: UUID, state: Seen) -> Decided:
        return decisions.correct(
            connection, invoice_id, state, corrections, standard_of(intake), decided_by=person(), reason=reason
        )

    _decide(organization, invoice, seen, decide)


@app.command()
def reject(
    organization: Slug,
    invoice: Invoice,
    reason: Annotated[str, typer.Option(help="Why; it becomes the reason of the failure.")],
    seen: SeenState = None,
) -> None:
    """Reject an invoice: it fails with your reason. The upload stays, and a retry reads it again."""
    from invoice_pipelines.intake.review import decisions

    def decide(connection: Connection, intake: Intake, invoice_id: UUID, state: Seen) -> Decided:
        return decisions.reject(connection, invoice_id, state, reason, decided_by=person())

    _decide(organization, invoice, seen, decide, good="FAILED")


@app.command()
def settings(
    organization: Slug,
    threshold: Annotated[
        list[str] | None,
        typer.Option(help="How sure a value must be: FIELD=0.95, 0 to 1; can be repeated.", metavar="FIELD=CONFIDENCE"),
    ] = None,
    within_hours: Annotated[int | None, typer.Option(help="How long an invoice may wait before Dagster warns.")] = None,
) -> None:
    """Show how sure readers must be of each value, and change it for what is validated from now on."""
    changed = dict(_pairs(threshold))
    with open_database(load_settings(), application_name=person()[:63]) as engine:
        chosen = find_organization(engine, organization).settings.model_dump()
        chosen["review_thresholds"] |= {field.replace(".", "_"): written for field, written in changed.items()}
        if within_hours is not None:
            chosen["review_within_hours"] = within_hours
        if changed or within_hours is not None:
            change_organization(engine, organization, settings=chosen)
        now = find_organization(engine, organization).settings
    shown = table(None, "field", "#least confidence")
    for field, least in now.review_thresholds.model_dump().items():
        shown.add_row(field, f"{least:.2f}")
    console.print(shown)
    console.print(f"An invoice may wait for {now.review_within_hours} hours.")


@dataclass(frozen=True, slots=True)
class _Desk:
    intake: Intake

    @contextmanager
    def scope(self) -> Iterator[Connection]:
        with organization_scope(self.intake.engine, self.intake.organization.id) as connection:
            yield connection


@contextmanager
def _opened(slug: str) -> Iterator[_Desk]:
    settings = load_settings()
    with open_database(settings, application_name=person()[:63]) as engine:
        yield _Desk(make_intake(engine, find_organization(engine, slug), settings, person()))


def _decide(
    organization: str,
    invoice: str,
    seen: str | None,
    decide: Callable[[Connection, Intake, UUID, Seen], Decided],
    good: str = "VALIDATED",
) -> None:
    from invoice_pipelines.intake.review.decisions import Seen
    from invoice_pipelines.intake.review.show import find_review, show_review

    state = Seen.parse(seen) if seen is not None else None
    with _opened(organization) as desk:
        with desk.scope() as connection:
            invoice_id = find_review(connection, invoice)
            if state is None:
                state = show_review(connection, invoice_id).seen
        with desk.scope() as connection:
            decided = decide(connection, desk.intake, invoice_id, state)
    console.print(f"{invoice_id} is {decided.status}.")
    if decided.message:
        console.print(literal(decided.message))
    if decided.learned:
        console.print(f"Learned for this supplier: where {', '.join(decided.learned)} stands.")
    for reason in decided.reasons:
        console.print(literal(f"    {reason.code}: {reason.message}"), soft_wrap=True)
    if decided.status != good:
        raise typer.Exit(PROBLEMS)


def _show(review: Review, german: bool) -> None:
    console.print(one_line(f"{review.file_name}  {review.format}, read from {review.source}"), soft_wrap=True)
    console.print(f"{review.id}  state {review.seen}, waiting for {_age(review.age)}")
    reasons = table("\nWhy it waits", "field", "code", "message", "to do")
    for reason in review.reasons:
        what = "correct or reject" if reason.must_be_corrected else "accept, correct or reject"
        reasons.add_row(reason.field or "", reason.code, reason.message_de if german else reason.message, what)
    console.print(reasons)
    values = table("\nWhat was read", "field", "value", "#confidence", "source", "#page", "box", "as written")
    for value in review.values:
        place = value.place
        values.add_row(
            value.field,
            value.value or "",
            "" if place is None else f"{place.confidence:.2f}",
            "" if place is None else place.engine or str(place.source),
            "" if place is None or place.page is None else str(place.page),
            "" if place is None or place.box is None else ",".join(f"{side:.0f}" for side in place.box),
            "" if place is None else (place.text or "")[:60],
        )
    console.print(values)
    if any(review.candidates.values()):
        others = table("\nWhat else it could be", "field", "#candidate", "value", "#page", "box", "#score")
        for field, candidates in review.candidates.items():
            for number, candidate in enumerate(candidates, start=1):
                others.add_row(
                    field,
                    str(number),
                    str(candidate.value),
                    str(candidate.page),
                    ",".join(f"{side:.0f}" for side in candidate.box),
                    f"{candidate.score:.2f}",
                )
        console.print(others)
    told = {reason.code for reason in review.reasons}
    further = [rule for rule in review.violations if rule.rule not in told]
    if further:
        rules = table("\nOther findings", "rule", "severity", "message")
        for rule in further:
            rules.add_row(rule.rule, rule.severity, rule.message_de if german else rule.message)
        console.print(rules)
    if review.decisions:
        made = table("\nDecided before", "when", "who", "what", "field", "before", "after", "why")
        for decision in review.decisions:
            entry = decision.entry
            made.add_row(
                f"{decision.decided_at:%Y-%m-%d %H:%M} UTC",
                decision.decided_by,
                entry.decision,
                entry.field or entry.code or "",
                entry.old_value or "",
                entry.new_value or "",
                entry.reason or "",
            )
        console.print(made)


def _age(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"


def _pairs(given: list[str] | None) -> Iterator[tuple[str, str]]:
    for text in given or ():
        field, equals, written = text.partition("=")
        if not equals:
            raise typer.BadParameter(f"{text[:60]!r} is not FIELD=VALUE, such as gross_amount=119.00")
        yield field.strip(), written


def _whole(written: str) -> int:
    try:
        return int(written)
    except ValueError:
        raise typer.BadParameter(f"{written[:40]!r} is not the number of a candidate") from None


def _boxed(written: str) -> Correction:
    from invoice_pipelines.intake.review.decisions import Boxed

    page, _, sides = written.partition(":")
    try:
        left, top, right, bottom = (float(side) for side in sides.split(","))
        return Boxed(int(page), (left, top, right, bottom))
    except ValueError:
        raise typer.BadParameter(
            f"{written[:60]!r} is not PAGE:LEFT,TOP,RIGHT,BOTTOM, such as 1:400,700,460,715"
        ) from None


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise typer.BadParameter(f"{text[:60]!r} is not the id of an invoice") from None
