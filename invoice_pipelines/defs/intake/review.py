"""How the review lane is shown in Dagster: a check on how long invoices wait for a person, and a page picture."""

from __future__ import annotations

import base64
import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import dagster as dg
from sqlalchemy import Connection

from invoice_pipelines.defs.metadata import LONGEST_TABLE, bar_chart, one_line, table_of, without_empty_tables
from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.intake.promises import REVIEWED_IN_TIME
from invoice_pipelines.intake.review.queue import WaitingInvoice, backlog, list_reviews
from invoice_pipelines.intake.stages.stages import Intake
from invoice_pipelines.storage import StorageError, read_blob

_MOST_PICTURE_BYTES = 140_000  # as base64 a third more; it stays in the event log as long as its run


def check_review(connection: Connection, within: timedelta) -> dg.AssetCheckResult:
    """How many invoices wait for a person, since when and why; a warning once the oldest waits longer than `within`."""
    waiting = backlog(connection)
    oldest = list_reviews(connection, limit=LONGEST_TABLE)
    late = waiting.oldest_age is not None and waiting.oldest_age > within
    shown = {
        "waiting": waiting.invoices,
        "oldest waits for hours": _hours(waiting.oldest_age),
        "may wait for hours": _hours(within),
        "the oldest": _waiting_table(oldest),
    }
    if waiting.invoices:
        shown["by reason"] = bar_chart("reason", "invoices", waiting.by_reason.items())
    return dg.AssetCheckResult(
        check_name=REVIEWED_IN_TIME.name,
        passed=not late,
        severity=dg.AssetCheckSeverity.WARN,
        metadata=without_empty_tables(shown),
    )


def review_metadata(connection: Connection, intake: Intake, log: logging.Logger) -> dict[str, Any]:
    """How many invoices wait for a person, and the picture of a page of the oldest, with boxes around what was read."""
    waiting = backlog(connection)
    shown: dict[str, Any] = {"waiting for review": waiting.invoices}
    if waiting.invoices and (picture := _picture(connection, intake, log)):
        shown["the oldest that waits"] = picture
    return shown


def _picture(connection: Connection, intake: Intake, log: logging.Logger) -> dg.MarkdownMetadataValue | None:
    # Here, as these load the readers and the picture libraries; loading Dagster must not wait for them.
    from invoice_pipelines.intake.review.pictures import as_small_jpeg, review_picture
    from invoice_pipelines.intake.review.show import show_review

    review = show_review(connection, list_reviews(connection, limit=1)[0].id)
    if not review.pages:
        return None  # XML has no picture
    try:
        data = read_blob(intake.originals, intake.organization.id, review.sha256, intake.limits.file_bytes)
        jpeg = as_small_jpeg(review_picture(connection, data, review, intake.limits), _MOST_PICTURE_BYTES)
    except (ReadingError, StorageError) as error:
        log.warning("no picture of %s: %s", review.id, error)
        return None
    if jpeg is None:
        return None
    reasons = "\n".join(f"- {reason.code}: {one_line(reason.message)}" for reason in review.reasons)
    encoded = base64.b64encode(jpeg).decode()
    return dg.MetadataValue.md(f"`{review.id}`\n\n{reasons}\n\n![page with boxes](data:image/jpeg;base64,{encoded})")


def _waiting_table(waiting: Sequence[WaitingInvoice]) -> dg.TableMetadataValue:
    rows = [
        {
            "invoice": one,
            "hours": _hours(one.age),
            "total": "" if one.gross_amount is None else f"{one.gross_amount} {one.currency or ''}",
            "why": ", ".join(one.reasons),
        }
        for one in waiting
    ]
    columns = (
        "file=invoice.file_name waits_for_hours=hours seller=invoice.seller_name number=invoice.number total why "
        "invoice_id=invoice.id"
    )
    return table_of(rows, columns)


def _hours(age: timedelta | None) -> float:
    return round(age.total_seconds() / 3600, 1) if age else 0.0
