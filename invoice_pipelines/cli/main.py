"""The command line as a whole: which commands there are, and how errors are shown."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from importlib.metadata import entry_points

import typer
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from invoice_pipelines.cli import accounting, db, organizations, services, status
from invoice_pipelines.cli.batch import batch
from invoice_pipelines.cli.billing import exchange_rates, imports, invoices
from invoice_pipelines.cli.delivery import message_templates, messages, opt_outs, templates
from invoice_pipelines.cli.intake import datev, documents, export, intake, ocr, review, upload
from invoice_pipelines.cli.intake.received import uploads
from invoice_pipelines.cli.output import literal
from invoice_pipelines.cli.overdue import overdue
from invoice_pipelines.cli.quickbooks import conflicts, quickbooks
from invoice_pipelines.database.access import embedded_server
from invoice_pipelines.database.errors import DISK_FULL, explain, sqlstate
from invoice_pipelines.errors import InvoicePipelinesError
from invoice_pipelines.settings import load_settings

COULD_NOT_RUN = 2

app = typer.Typer(
    name="invoice-pipelines",
    help="Invoices end to end, for many organizations, in Dagster and PostgreSQL.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(services.app)
app.add_typer(status.app)
app.add_typer(organizations.app, name="organizations")
app.add_typer(imports.customers, name="customers")
app.add_typer(imports.items, name="items")
app.add_typer(imports.tax_rates, name="tax-rates")
app.add_typer(exchange_rates.app, name="exchange-rates")
app.add_typer(imports.orders, name="orders")
app.add_typer(batch.app, name="batch")
app.add_typer(invoices.app, name="invoices")
app.add_typer(upload.app)
app.add_typer(uploads, name="uploads")
app.add_typer(documents.app)
app.add_typer(intake.app, name="intake")
app.add_typer(review.app, name="review")
app.add_typer(ocr.app, name="ocr")
app.add_typer(export.app, name="export")
app.add_typer(datev.app, name="datev")
accounting.register(app, quickbooks=quickbooks.app)
app.add_typer(conflicts.app, name="conflicts")
app.add_typer(overdue.app, name="overdue")
app.add_typer(overdue.notifications, name="notifications")
app.add_typer(templates.app, name="templates")
app.add_typer(messages.app, name="messages")
app.add_typer(message_templates.app, name="message-templates")
app.add_typer(opt_outs.app, name="opt-outs")
app.add_typer(db.app, name="db")
for added in entry_points(group="invoice_pipelines.commands"):
    with suppress(ModuleNotFoundError):  # the workshop's commands need what its extra installs
        added.load()(app)


def main() -> None:
    """Runs a command; every error becomes one line on stderr and exit code 2."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite end stops what was started, as Ctrl-C does
    try:
        code = app(standalone_mode=False)
    except typer.Exit as end:
        code = end.exit_code
    except typer.Abort:
        code = _complain("stopped")
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except (InvoicePipelinesError, OSError) as error:
        code = _complain(str(error))
    except DBAPIError as error:
        code = _complain(_in_words(error))
    except PoolTimeout:
        code = _complain("All connections that this process may have are in use, and none came free in time; try again")
    except typer.TyperException as error:
        code = _complain(error.format_message() if isinstance(error, typer.BadParameter) else str(error))
    sys.exit(code if isinstance(code, int) else 0)


def _complain(message: str) -> int:
    shown = literal(" ".join(message.split())).plain  # it may quote a document
    print(f"invoice-pipelines: {shown}", file=sys.stderr)  # noqa: T201
    return COULD_NOT_RUN


def _in_words(error: DBAPIError) -> str:
    said = _first_line(error.orig)
    is_gone = error.connection_invalidated or sqlstate(error) is None
    server = embedded_server(load_settings()) if is_gone or sqlstate(error) == DISK_FULL else None
    if server is not None and server.lacks_space():
        return f"PostgreSQL: no space left on device, on the disk with {server.folder}. Free some, then try again."
    if (explained := explain(error)) is not None:
        return f"{explained} (PostgreSQL: {said})"
    if is_gone:
        return f"PostgreSQL: {said}; check that it runs, and INVOICE_PIPELINES_DATABASE_URL"
    return f"PostgreSQL: {said}"


def _first_line(error: object) -> str:
    return (str(error).splitlines() or ["no message"])[0]
