"""The command group `batch`: asking for work in bulk, and looking after batch jobs of all kinds."""

from __future__ import annotations

import typer

from invoice_pipelines.cli.batch import communications as batch_communications
from invoice_pipelines.cli.batch import documents as batch_documents
from invoice_pipelines.cli.batch import invoices as batch_invoices
from invoice_pipelines.cli.batch import jobs as batch_jobs
from invoice_pipelines.cli.batch import show as batch_show
from invoice_pipelines.cli.batch import stats as batch_stats

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
