"""Metadata of documents and messages for the Dagster UI. Nothing is counted here."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any

import dagster as dg

from invoice_pipelines.defs.metadata import table
from invoice_pipelines.delivery.overview import (
    DeliveryState,
    FailedItem,
    MadeDocuments,
    MessageCount,
    WaitingReason,
)
from invoice_pipelines.delivery.values import MessageStatus

if TYPE_CHECKING:
    from invoice_pipelines.delivery.documents.making import DocumentReport
    from invoice_pipelines.delivery.documents.rows import Document
    from invoice_pipelines.delivery.sending.sending import SendReport

_MOST_PICTURE_BYTES = 140_000
"""As base64 a third more; it stays in the event log as long as its run."""


def documents_metadata(
    report: DocumentReport, made: Sequence[MadeDocuments], failures: Sequence[FailedItem]
) -> dict[str, Any]:
    """Documents by outcome and format, pages, bytes, versions, rate, files of jobs, failures with reasons."""
    return {
        "invoices done": report.succeeded,
        "documents made": report.made,
        "new versions": sum(format.renewed for format in made),
        "invoices skipped": report.skipped,
        "invoices failed": report.failed,
        "tried again later": report.retried,
        "left for the next run": report.due,
        "pages": report.pages,
        "megabytes": round(report.size_bytes / 1e6, 3),
        "with characters that no font has": report.with_missing_glyphs,
        "documents per second": round(report.made / max(report.seconds, 1e-6), 1),
        "seconds": round(report.seconds, 2),
        "by format": table(
            [
                {
                    "format": format.format,
                    "documents": format.documents,
                    "new versions": format.renewed,
                    "pages": format.pages,
                    "megabytes": round(format.size_bytes / 1e6, 3),
                }
                for format in made
            ]
        ),
        "files of jobs": table(
            [
                {
                    "file": bundle.file_name,
                    "kind": bundle.kind,
                    "documents": bundle.documents,
                    "pages": bundle.pages or 0,
                    "megabytes": round(bundle.size_bytes / 1e6, 3),
                    "sha256": bundle.sha256,
                    "batch job": str(bundle.batch_job_id),
                }
                for bundle in report.bundles
            ]
        ),
        "failures": failures_table(failures),
    }


def messages_metadata(
    report: SendReport,
    counts: Sequence[MessageCount],
    state: DeliveryState,
    waiting: Sequence[WaitingReason],
    failures: Sequence[FailedItem],
    now: datetime,
) -> dict[str, Any]:
    """Messages by outcome, what waits and why, the newest by channel and status, failures with reasons, the pace."""
    oldest = state.oldest_waiting_at
    put_off = state.message_work.next_at
    return {
        "sent": report.sent + report.found,
        "found to be sent already": report.found,
        "skipped": report.skipped,
        "failed": report.failed,
        "tried again later": report.retried,
        "put off": report.postponed,
        "left for the next run": report.due,
        "of unknown outcome": state.messages.get(MessageStatus.UNKNOWN, 0),
        "bounced": sum(count.messages for count in counts if count.status is MessageStatus.BOUNCED),
        "oldest waits for hours": 0.0 if oldest is None else round((now - oldest).total_seconds() / 3600, 1),
        "next one that was put off": "none" if put_off is None else dg.MetadataValue.timestamp(put_off),
        "messages per second": round(report.items_per_second, 1),
        "seconds": round(report.seconds, 2),
        "sent by channel": table(
            [{"channel": str(name), "messages": count} for name, count in sorted(report.sent_by_channel.items())]
        ),
        "newest by status": counts_table(counts),
        "waiting because": table(
            [
                {
                    "code": reason.code,
                    "items": reason.items,
                    "first can go": f"{reason.next_at:%Y-%m-%d %H:%M %Z}",
                    "for example": reason.message[:300],
                }
                for reason in waiting
            ]
        ),
        "failures": failures_table(failures),
    }


def counts_table(counts: Sequence[MessageCount]) -> dg.TableMetadataValue:
    """A row for each channel and purpose, a column for each status that there is."""
    statuses = [status for status in MessageStatus if any(count.status is status for count in counts)]
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for count in counts:
        row = rows.setdefault(
            (count.channel, count.purpose),
            {"channel": count.channel, "purpose": count.purpose} | {str(status): 0 for status in statuses},
        )
        row[str(count.status)] = count.messages
    return table(list(rows.values()))


def failures_table(failures: Sequence[FailedItem]) -> dg.TableMetadataValue:
    """What failed for good, each with its reason."""
    return table(
        [{"invoice": failure.name[:100], "code": failure.code, "reason": failure.message} for failure in failures]
    )


def page_picture(document: Document, pdf: bytes) -> dg.MarkdownMetadataValue | None:
    """The first page of a document; None where even the smallest picture of it is too large."""
    from PIL import Image

    from invoice_pipelines.delivery.rendering.page_picture import page_png
    from invoice_pipelines.intake.review.pictures import as_small_jpeg

    jpeg = as_small_jpeg(Image.open(BytesIO(page_png(pdf, 1))).convert("RGB"), _MOST_PICTURE_BYTES)
    if jpeg is None:
        return None
    encoded = base64.b64encode(jpeg).decode()
    return dg.MetadataValue.md(
        f"`{document.file_name}`, version {document.version}\n\n![first page](data:image/jpeg;base64,{encoded})"
    )
