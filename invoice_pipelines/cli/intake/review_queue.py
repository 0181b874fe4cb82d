"""The commands `review claim`, `release`, `postpone` and `note`: how several people share the queue."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from invoice_pipelines.cli.options import OrganizationOption
from invoice_pipelines.cli.output import console
from invoice_pipelines.cli.person import person, scope_of
from invoice_pipelines.intake.lists import find_received
from invoice_pipelines.intake.review.claims import (
    CLAIM_LASTS,
    add_note,
    claim_review,
    postpone_review,
    release_review,
)

app = typer.Typer()

Invoice = Annotated[
    str, typer.Argument(help="Id of the invoice; its first or last characters are enough.", metavar="INVOICE")
]


@app.command()
def claim(
    organization: OrganizationOption,
    invoice: Invoice,
    minutes: Annotated[float, typer.Option(help="How long you need it.", min=1)] = CLAIM_LASTS.total_seconds() / 60,
) -> None:
    """Take a review, so that nobody else decides about it meanwhile; once more, to keep it for longer."""
    with scope_of(organization) as connection:
        claimed = claim_review(connection, find_received(connection, invoice), person(), timedelta(minutes=minutes))
    console.print(f"It is yours until {claimed.expires_at:%H:%M} UTC.")


@app.command()
def release(organization: OrganizationOption, invoice: Invoice) -> None:
    """Give a review back that you claimed."""
    with scope_of(organization) as connection:
        released = release_review(connection, find_received(connection, invoice), person())
    console.print("It is free." if released else "Nobody had claimed it.")


@app.command()
def postpone(
    organization: OrganizationOption,
    invoice: Invoice,
    hours: Annotated[float, typer.Option(help="For how long; 0: not any more.", min=0)] = 24,
) -> None:
    """Put a review off: `review list --free` leaves it out until then. It can still be decided."""
    until = datetime.now(UTC) + timedelta(hours=hours) if hours else None
    with scope_of(organization) as connection:
        postpone_review(connection, find_received(connection, invoice), until, person())
    console.print(f"It is put off until {until:%Y-%m-%d %H:%M} UTC." if until else "It is not put off any more.")


@app.command()
def note(
    organization: OrganizationOption,
    invoice: Invoice,
    text: Annotated[str, typer.Argument(help="What the next one should know.", metavar="TEXT")],
) -> None:
    """Write a note beside a received invoice; `review show` shows it."""
    with scope_of(organization) as connection:
        add_note(connection, find_received(connection, invoice), text, person())
    console.print("It is noted.")
