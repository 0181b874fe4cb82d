"""Holds the command group `batch`: asking for work in bulk, and looking after batch jobs of all kinds."""

from __future__ import annotations

import typer

from invoice_pipelines.cli import (
    batch_communications,
    batch_documents,
    batch_invoices,
    batch_jobs,
    batch_show,
    batch_stats,
)

app = typer.Typer(
    help="Work in bulk: ask for invoices, documents and messages; list, show, cancel, retry and run batch jobs.",
    no_args_is_help=True,
)
batch_invoices.register(app)
batch_documents.register(app)
batch_communications.register(app)
batch_jobs.register(app)
batch_show.register(app)
batch_stats.register(app)
