"""The commands of `review`: the received invoices that wait for a person, and what to do about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer
from sqlalchemy import Connection

from invoice_pipelines.cli.intake import review_queue
from invoice_pipelines.cli.intake.review_queue import Invoice
from invoice_pipelines.cli.language import AskedLanguage, language_of
from invoice_pipelines.cli.options import After, AsJson, Limit, OrganizationOption, examples, pairs, parse_id_or_none
from invoice_pipelines.cli.output import (
    PROBLEMS,
    console,
    exit_if,
    one_line,
    print_facts,
    print_json,
    print_json_lines,
    print_rows,
    say,
    table,
)
from invoice_pipelines.cli.person import database, opened, person, scope_of
from invoice_pipelines.intake.lists import find_received
from invoice_pipelines.intake.review.queue import Wanted, backlog, list_reviews
from invoice_pipelines.intake.stages.stages import Intake, intake_of, standard_of
from invoice_pipelines.organizations import change_organization, find_organization
from invoice_pipelines.storage import read_blob

if TYPE_CHECKING:
    from invoice_pipelines.intake.review.decisions import Correction, Decided, Seen
    from invoice_pipelines.intake.review.show import Review

app = typer.Typer(
    help="Received invoices that wait for a person: list, show, accept, correct, reject, undo, claim.",
    epilog=examples(
        "review list --organization acme",
        "review show 456789ab --picture page.png --organization acme",
        "review correct 456789ab number=2026-17 gross_amount=119.00 --organization acme",
        "review undo 456789ab --organization acme",
    ),
)
app.add_typer(review_queue.app)

SeenState = Annotated[
    str | None,
    typer.Option(
        "--seen", help="State that `review show` printed: refuses if somebody decided since.", metavar="STATE"
    ),
]
Reason = Annotated[str | None, typer.Option(help="Reason; it is stored in the audit trail.")]


@app.command("list")
def list_(
    organization: OrganizationOption,
    code: Annotated[str | None, typer.Option(help="Only with this among their reasons.")] = None,
    seller: Annotated[str | None, typer.Option(help="Only where this is part of the seller's name.")] = None,
    free: Annotated[bool, typer.Option("--free", help="Neither claimed by others nor put off.")] = False,
    limit: Limit = 50,
    after: After = None,
    as_json: AsJson = False,
) -> None:
    """List the invoices that wait for a person, in the order of their arrival."""
    shown = table(None, "~invoice", "!waiting", "file", "#total", "seller", "!number", "!date", "why", "claimed by")
    last = parse_id_or_none(after, "an invoice")
    wanted = Wanted(code=code, seller=seller, free_for=person() if free else None)
    with scope_of(organization) as connection:
        listed = list_reviews(connection, wanted, after=last, limit=limit)
        total = backlog(connection).invoices
    if as_json:
        print_json_lines(listed)
        return
    for waiting in listed:
        gross = "" if waiting.gross_amount is None else f"{waiting.gross_amount:,} {waiting.currency or ''}"
        shown.add_row(
            *(waiting.id, _age(waiting.age), one_line(waiting.file_name), gross, waiting.seller_name),
            *(waiting.number, waiting.issue_date, ", ".join(waiting.reasons), waiting.claimed_by),
        )
    console.print(shown)
    if listed and total > len(listed):
        console.print(f"{total} wait in all: add --after {listed[-1].id}")
    elif not listed:
        console.print("No invoice waits for a review.")


@app.command()
def show(
    organization: OrganizationOption,
    invoice: Invoice,
    picture: Annotated[
        Path | None, typer.Option(help="Write the page with boxes around the values to this PNG.", metavar="FILE")
    ] = None,
    page: Annotated[
        int | None, typer.Option(help="Page of the picture; by default the one with the most doubts.")
    ] = None,
    language: AskedLanguage = None,
    as_json: AsJson = False,
) -> None:
    """Show what was read, where, what else it could be, and why the invoice waits."""
    from invoice_pipelines.einvoice.errors import ReadingError
    from invoice_pipelines.intake.review.show import find_review, show_review

    with opened(organization) as office, office.scope() as connection:
        review = show_review(connection, find_review(connection, invoice))
        if as_json:
            print_json(asdict(review) | {"seen": str(review.seen)})
        else:
            _show(review, language_of(language) == "de")
        if picture is None:
            return
        from invoice_pipelines.intake.review.pictures import PageNotFound, as_png, review_picture

        intake = intake_of(office)
        data = read_blob(intake.originals, intake.organization.id, review.sha256, intake.limits.file_bytes)
        try:
            drawn = review_picture(connection, data, review, intake.limits, page)
        except (ReadingError, PageNotFound) as error:
            console.print(f"There is no picture: {error}")
            raise typer.Exit(PROBLEMS) from None
        picture.write_bytes(as_png(drawn))
        if not as_json:
            console.print(f"The page with its boxes is in {picture}.")


@app.command()
def accept(organization: OrganizationOption, invoice: Invoice, seen: SeenState = None, reason: Reason = None) -> None:
    """Confirm the values as they were read. Exits 1 if the invoice still waits, or failed."""
    from invoice_pipelines.intake.review import decisions

    def decide(connection: Connection, intake: Intake, invoice_id: UUID, state: Seen) -> Decided:
        return decisions.accept(connection, invoice_id, state, standard_of(intake), decided_by=person(), reason=reason)

    _decide(organization, invoice, seen, decide)


@app.command()
def correct(
    organization: OrganizationOption,
    invoice: Invoice,
    values: Annotated[
        list[str] | None, typer.Argument(help="FIELD=VALUE, such as gross_amount=119.00.", metavar="FIELD=VALUE...")
    ] = None,
    candidate: Annotated[
        list[str] | None, typer.Option(help="A candidate by its number: FIELD=2.", metavar="FIELD=NUMBER")
    ] = None,
    box: Annotated[
        list[str] | None,
        typer.Option(help="Value inside a box: FIELD=PAGE:LEFT,TOP,RIGHT,BOTTOM, in points.", metavar="FIELD=PAGE:BOX"),
    ] = None,
    absent: Annotated[
        list[str] | None, typer.Option(help="The document does not have this field.", metavar="FIELD")
    ] = None,
    confirm: Annotated[
        list[str] | None, typer.Option(help="This field is right as it was read.", metavar="FIELD")
    ] = None,
    seen: SeenState = None,
    reason: Reason = None,
) -> None:
    """Correct values; the invoice is judged again at once. Exits 1 if it still waits."""
    from invoice_pipelines.intake.review import decisions

    corrections: dict[str, Correction] = {}
    for field, written in _fields(values).items():
        corrections[field] = decisions.Typed(written)
    for field, written in _fields(candidate).items():
        corrections[field] = decisions.Chosen(_whole(written))
    for field, written in _fields(box).items():
        corrections[field] = _boxed(written)
    for field in absent or ():
        corrections[field] = decisions.Absent()
    for field in confirm or ():
        corrections[field] = decisions.Confirmed()
    if len(corrections) < sum(len(given or ()) for given in (values, candidate, box, absent, confirm)):
        raise typer.BadParameter("a field is given twice")

    def decide(connection: Connection, intake: Intake, invoice_id: UUID, state: Seen) -> Decided:
        return decisions.correct(
            connection, invoice_id, state, corrections, standard_of(intake), decided_by=person(), reason=reason
        )

    _decide(organization, invoice, seen, decide)


@app.command()
def reject(
    organization: OrganizationOption,
    invoice: Invoice,
    reason: Annotated[str, typer.Option(help="Reason; it becomes the reason of the failure.")],
    seen: SeenState = None,
) -> None:
    """Reject an invoice: it fails with your reason. The upload stays, and a retry reads it again."""
    from invoice_pipelines.intake.review import decisions

    def decide(connection: Connection, intake: Intake, invoice_id: UUID, state: Seen) -> Decided:
        return decisions.reject(connection, invoice_id, state, reason, decided_by=person())

    _decide(organization, invoice, seen, decide, good="FAILED")


@app.command()
def undo(organization: OrganizationOption, invoice: Invoice, reason: Reason = None) -> None:
    """Take back what was last decided about an invoice, and what the supplier's layout learned by it, until it is
    exported. It waits again, with its values as they were.
    """
    from invoice_pipelines.intake.review import undo
    from invoice_pipelines.intake.review.show import review_state

    with opened(organization) as office, office.scope() as connection:
        invoice_id = find_received(connection, invoice)
        seen, standard = review_state(connection, invoice_id), standard_of(intake_of(office))
        undone = undo.undo(connection, invoice_id, seen, standard, decided_by=person(), reason=reason)
    console.print(f"{invoice_id} is {undone.status}.")
    if undone.learned:
        console.print(f"Forgotten for this supplier: where {', '.join(undone.learned)} stands.")
    for why in undone.reasons:
        say(f"    {why.code}: {why.message}")


@app.command()
def ask(organization: OrganizationOption, invoice: Invoice) -> None:
    """Ask for the seller of an invoice that passed without: it waits again, to be accepted or corrected. One that was
    exported is exported once more then.
    """
    from invoice_pipelines.intake.review import decisions

    with opened(organization) as office, office.scope() as connection:
        invoice_id = find_received(connection, invoice)
        standard = standard_of(intake_of(office))
        asked = decisions.ask_for_seller(connection, invoice_id, standard, decided_by=person())
    console.print(f"{invoice_id} is {asked.status}.")
    for why in asked.reasons:
        say(f"    {why.code}: {why.message}")


@app.command()
def settings(
    organization: OrganizationOption,
    threshold: Annotated[
        list[str] | None,
        typer.Option(
            help="Confidence that a value needs: FIELD=0.95, 0 to 1; can be repeated.", metavar="FIELD=CONFIDENCE"
        ),
    ] = None,
    within_hours: Annotated[int | None, typer.Option(help="How long an invoice may wait before Dagster warns.")] = None,
    ask_for_sellers: Annotated[
        bool | None,
        typer.Option(
            "--ask-for-sellers/--no-ask-for-sellers",
            help="Whether simplified invoices wait for an unsure seller.",
        ),
    ] = None,
) -> None:
    """Show how sure readers must be of each value, and change it for what is validated from now on."""
    changed = _fields(threshold)
    with database() as engine:
        chosen = find_organization(engine, organization).settings.model_dump()
        chosen["review_thresholds"] |= {field.replace(".", "_"): written for field, written in changed.items()}
        if within_hours is not None:
            chosen["review_within_hours"] = within_hours
        if ask_for_sellers is not None:
            chosen["ask_for_sellers"] = ask_for_sellers
        if changed or within_hours is not None or ask_for_sellers is not None:
            change_organization(engine, organization, settings=chosen)
        now = find_organization(engine, organization).settings
    thresholds = {field: f"{least:.2f}" for field, least in now.review_thresholds.model_dump().items()}
    print_facts(thresholds, "field", "#least confidence")
    console.print(f"An invoice may wait for {now.review_within_hours} hours.")
    wait = "wait" if now.ask_for_sellers else "do not wait"
    console.print(f"Simplified invoices {wait} for a seller that is not sure.")


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
    with opened(organization) as office:
        with office.scope() as connection:
            invoice_id = find_review(connection, invoice)
            if state is None:
                state = show_review(connection, invoice_id).seen
        with office.scope() as connection:
            decided = decide(connection, intake_of(office), invoice_id, state)
    console.print(f"{invoice_id} is {decided.status}.")
    if decided.message:
        console.print(decided.message)
    if decided.learned:
        console.print(f"Learned for this supplier: where {', '.join(decided.learned)} stands.")
    for reason in decided.reasons:
        say(f"    {reason.code}: {reason.message}")
    exit_if(decided.status != good)


def _show(review: Review, german: bool) -> None:
    say(one_line(f"{review.file_name}  {review.format}, read from {review.source}"))
    console.print(f"{review.id}  state {review.seen}, waiting for {_age(review.age)}")
    if review.claim is not None:
        console.print(f"{review.claim.claimed_by} is at it until {review.claim.expires_at:%H:%M} UTC")
    for note in review.notes:
        say(one_line(f"{note.created_at:%Y-%m-%d %H:%M} {note.created_by}: {note.note}"))
    reasons = table("\nWhy it waits", "field", "code", "message", "to do")
    for reason in review.reasons:
        what = "correct or reject" if reason.must_be_corrected else "accept, correct or reject"
        reasons.add_row(reason.field, reason.code, reason.message_de if german else reason.message, what)
    console.print(reasons)
    values = table("\nWhat was read", "field", "value", "#confidence", "source", "#page", "box", "as written")
    for value in review.values:
        if (place := value.place) is None:
            values.add_row(value.field, value.value, "", "", "", "", "")
            continue
        values.add_row(
            *(value.field, value.value, f"{place.confidence:.2f}", place.engine or place.source),
            *(place.page, _box(place.box), place.text),
        )
    console.print(values)
    others = [
        {"field": field, "number": number, "box": _box(found.box), "score": f"{found.score:.2f}", "found": found}
        for field, candidates in review.candidates.items()
        for number, found in enumerate(candidates, start=1)
    ]
    columns = "field #candidate=number value=found.value #page=found.page box #score"
    print_rows(others, columns, title="\nWhat else it could be")
    told = {reason.code for reason in review.reasons}
    further = [rule for rule in review.violations if rule.rule not in told]
    columns = f"rule severity message={'message_de' if german else 'message'}"
    print_rows(further, columns, title="\nOther findings")
    columns = (
        "when=decided_at who=decided_by what=entry.decision field=entry.field code=entry.code before=entry.old_value "
        "after=entry.new_value why=entry.reason"
    )
    print_rows(review.decisions, columns, title="\nDecided before")


def _box(box: tuple[float, float, float, float] | None) -> str:
    return "" if box is None else ",".join(f"{side:.0f}" for side in box)


def _age(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"


def _fields(given: list[str] | None) -> dict[str, str]:
    found = list(pairs(given, "FIELD=VALUE", "gross_amount=119.00"))
    if len(dict(found)) < len(found):
        raise typer.BadParameter("a field is given twice")
    return dict(found)


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
