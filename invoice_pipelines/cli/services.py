"""The command `up`: all processes of an installation, until it is told to stop."""

from __future__ import annotations

import signal
import time
from datetime import datetime

import typer

from invoice_pipelines.cli.options import examples
from invoice_pipelines.cli.output import console
from invoice_pipelines.cli.supervisor import running_services
from invoice_pipelines.settings import load_settings

app = typer.Typer()


@app.command(
    epilog=examples(
        "up",
    )
)
def up() -> None:
    """Run everything: PostgreSQL (embedded unless a URL is set), Dagster's daemon and UI. Ctrl-C stops all."""
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell that runs it in the background ignores SIGINT
        signal.signal(number, signal.default_int_handler)
    settings = load_settings()
    console.print("Starting PostgreSQL and Dagster ...")
    try:
        with running_services(settings, webserver=True) as services:
            console.print(f"Dagster UI:  {services.url}")
            console.print(f"Inbox:       {settings.inbox_root}/<organization>/")
            console.print(f"Exports:     {settings.exports_root}/<organization>/")
            console.print("Ctrl-C stops all.")
            while True:
                time.sleep(1)
                for line in services.check():
                    console.print(f"{datetime.now().astimezone():%H:%M:%S} {line}")
    except KeyboardInterrupt:
        console.print("Stopped; nothing is left running.")
