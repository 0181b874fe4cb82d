"""The command line as a whole: which commands there are, and how errors are shown."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

from invoice_pipelines.cli.output import literal
from invoice_pipelines.errors import InvoicePipelinesError

COULD_NOT_RUN = 2
COMMANDS = {
    "up": "services:app",
    "web": "services:app",
    "worker": "services:app",
    "status": "status:app",
    "db": "db:app",
    "organizations": "organizations:app",
    "users": "accounts/users:app",
    "tokens": "accounts/tokens:app",
    "upload": "intake/upload:app",
    "uploads": "intake/received:uploads",
    "intake": "intake/intake:app",
    "review": "intake/review:app",
    "ocr": "intake/ocr:app",
    "export": "intake/export:app",
    "datev": "intake/datev:app",
    "read": "intake/documents:app",
    "validate": "intake/documents:app",
    "rules": "einvoice/rules:app",
    "orders": "billing/imports:orders",
    "batch": "batch/batch:app",
    "invoices": "billing/invoices:app",
    "customers": "billing/imports:customers",
    "items": "billing/imports:items",
    "tax-rates": "billing/imports:tax_rates",
    "exchange-rates": "billing/exchange_rates:app",
    "templates": "delivery/templates:app",
    "messages": "delivery/messages:app",
    "message-templates": "delivery/message_templates:app",
    "opt-outs": "delivery/opt_outs:app",
    "overdue": "overdue/overdue:app",
    "notifications": "overdue/overdue:notifications",
    "conflicts": "quickbooks/conflicts:app",
    "events": "events/events:app",
    "webhooks": "events/webhooks:app",
}
"""Our commands and groups of commands, and the module below this package that has them."""
_CHAPTERS = {
    "up": "Running it",
    "organizations": "Organizations and people",
    "upload": "Received invoices",
    "orders": "Sales orders and invoices",
    "templates": "Documents, messages and reminders",
    "conflicts": "Other systems",
}
"""How the list of commands is divided: the first command of each chapter, and its title."""
_TRYING_OUT = "Trying it out"


class _Commands(TyperGroup):
    """Loads what is typed and no more, as loading everything takes longer than most commands do."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*COMMANDS, *_accounting_systems(), *_of_other_packages()]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return command(cmd_name)


@cache
def command(name: str) -> Any:
    """The command or group of commands with a name; None where there is none."""
    found: Any
    if name in COMMANDS:
        module, _, attribute = COMMANDS[name].partition(":")
        group = get_group(getattr(import_module(f"invoice_pipelines.cli.{module.replace('/', '.')}"), attribute))
        found = group.commands.get(name, group)
    elif name in _accounting_systems():
        found = _of_accounting()[name]
    else:
        found = _of_other_packages().get(name)
    if found is not None:
        found.name = name
        found.rich_help_panel = _chapter(name)
        _flow(found)
    return found


def _chapter(name: str) -> str:
    if name in COMMANDS:
        up_to_it = list(COMMANDS)[: list(COMMANDS).index(name) + 1]
        return next(_CHAPTERS[first] for first in reversed(up_to_it) if first in _CHAPTERS)
    return _CHAPTERS["conflicts"] if name in _accounting_systems() else _TRYING_OUT


def _flow(found: Any) -> None:
    """Lists of commands show the first paragraph of their help: as a text that flows, not with our line breaks."""
    found.short_help = " ".join((found.help or "").split("\n\n")[0].split())
    for below in getattr(found, "commands", {}).values():
        _flow(below)


def _accounting_systems() -> Sequence[str]:
    from invoice_pipelines.accounting.systems import ACCOUNTING_SYSTEMS

    return ACCOUNTING_SYSTEMS.names()


@cache
def _of_accounting() -> dict[str, Any]:
    from invoice_pipelines.cli import accounting
    from invoice_pipelines.cli.quickbooks import quickbooks

    all_systems = typer.Typer()
    accounting.register(all_systems, quickbooks=quickbooks.app)
    return dict(get_group(all_systems).commands)


@cache
def _of_other_packages() -> dict[str, Any]:
    others = typer.Typer()
    for added in entry_points(group="invoice_pipelines.commands"):
        with suppress(ModuleNotFoundError):  # the workshop's commands need what its extra installs
            added.load()(others)
    return dict(get_group(others).commands)


app = typer.Typer(
    name="invoice-pipelines",
    cls=_Commands,
    help="Invoices end to end, for many organizations, in Dagster and PostgreSQL.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def _all() -> None:
    """Makes a group of it."""


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
    except InvoicePipelinesError as error:
        code = _complain(error.for_operators)
    except OSError as error:
        code = _complain(str(error))
    except typer.TyperException as error:
        code = _complain(error.format_message() if isinstance(error, typer.BadParameter) else str(error))
    except Exception as error:
        said = _of_database(error)
        if said is None:
            raise
        code = _complain(said)
    sys.exit(code if isinstance(code, int) else 0)


def _complain(message: str) -> int:
    shown = literal(" ".join(message.split())).plain  # it may quote a document
    print(f"invoice-pipelines: {shown}", file=sys.stderr)  # noqa: T201
    return COULD_NOT_RUN


def _of_database(error: Exception) -> str | None:
    """What to say of an error of the database; None of any other. Its library is loaded here, as commands that work on
    files need none of it."""
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.exc import TimeoutError as PoolTimeout

    if isinstance(error, PoolTimeout):
        return "All connections that this process may have are in use, and none came free in time; try again"
    return _in_words(error) if isinstance(error, DBAPIError) else None


def _in_words(error: Any) -> str:
    from invoice_pipelines.database.access import embedded_server
    from invoice_pipelines.database.errors import DISK_FULL, explain, sqlstate
    from invoice_pipelines.settings import load_settings

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
