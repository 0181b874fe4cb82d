"""The commands `up`, for all of an installation, and `web`, for desk and API alone, until they are told to stop."""

from __future__ import annotations

import os
import signal
import time
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from invoice_pipelines.cli.options import examples
from invoice_pipelines.cli.output import console
from invoice_pipelines.cli.supervisor import Services, child_environment, prepare_home, running_services
from invoice_pipelines.settings import Settings, SettingsError, load_settings, variable_of
from invoice_pipelines.workers.broker import QUEUES
from invoice_pipelines.workers.shared import (
    is_beyond_this_machine,
    note_key_of_web,
    require_installation,
    require_shared,
)

app = typer.Typer()

SIGN_IN_FILE = "sign_in.txt"
"""In the home, who may sign in: `up` says it, where the demo left it."""


@app.command(
    epilog=examples(
        "up",
    )
)
def up(
    workers: Annotated[int, typer.Option(help="How many warm processes do runs; 0: each run starts one.", min=0)] = 0,
) -> None:
    """Run everything: PostgreSQL (embedded unless a URL is set), Dagster's daemon and UI, the desk and the API.

    Says where each is. Ctrl-C stops all.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell that runs it in the background ignores SIGINT
        signal.signal(number, signal.default_int_handler)
    settings = load_settings()
    console.print("Starting PostgreSQL and Dagster ...")
    try:
        with running_services(settings, webserver=True, api=True, workers=workers) as services:
            console.print(f"Dagster UI:  {services.url}")
            console.print(f"API:         {_api_of(services)}")
            if services.api_url is not None:
                console.print(f"Desk:        {desk_address(settings)}")
            console.print(f"Inbox:       {settings.inbox_root}/<organization>/")
            console.print(f"Exports:     {settings.exports_root}/<organization>/")
            if (told := settings.home / SIGN_IN_FILE).exists():
                console.print(told.read_text(encoding="utf-8"), end="")
            console.print("Ctrl-C stops all.")
            while True:
                time.sleep(1)
                for line in services.check():
                    console.print(f"{datetime.now().astimezone():%H:%M:%S} {line}")
    except KeyboardInterrupt:
        console.print("Stopped; nothing is left running.")


def desk_address(settings: Settings) -> str:
    """Where people find the desk: without TLS at http://localhost alone, from where browsers keep our cookies."""
    return settings.web_url if "web_url" in settings.model_fields_set else f"http://localhost:{settings.web_port}"


def _api_of(services: Services) -> str:
    if services.api_url is None:
        return f"not started, as {variable_of('web_database_url')} is not set"
    return f"{services.api_url}/api/docs"


@app.command(
    epilog=examples(
        "worker --processes 4",
        "worker --processes 2 --queues express",
    )
)
def worker(
    processes: Annotated[int, typer.Option(help="How many runs it does at the same time.", min=1)] = 2,
    same_machine: Annotated[
        bool, typer.Option("--same-machine", help="It shares the home folder with `up`, and so keys and files.")
    ] = False,
    queues: Annotated[str, typer.Option(help="From which queues, with commas, in turn.")] = ",".join(QUEUES),
    ready_file: Annotated[Path | None, typer.Option(help="File to create once the worker is ready.")] = None,
) -> None:
    """Take runs from the queue and do them in processes that stay warm. `up --workers` starts one as well.

    The queue is that of INVOICE_PIPELINES_BROKER_URL. Needs the extra `celery`. It does not start where its keys or
    files would be its own. Ctrl-C ends it behind the runs that have begun.
    """
    settings = load_settings()
    chosen = tuple(name.strip() for name in queues.split(","))
    if len(set(chosen)) < len(chosen) or not set(chosen) <= set(QUEUES):
        raise typer.BadParameter(f"--queues takes each of {' and '.join(QUEUES)} at most once, not {queues!r}")
    require_shared(settings, same_machine=same_machine)
    if not same_machine:
        require_installation(settings)
    try:
        from invoice_pipelines.workers.worker import work
    except ImportError:
        raise SettingsError("Warm workers are not installed: install the extra `celery`.") from None
    os.environ.update(child_environment(settings, prepare_home(settings)))
    work(settings, processes, chosen, ready_file)


@app.command(
    epilog=examples(
        "web",
    )
)
def web() -> None:
    """Serve the desk and the API, and their health on a port of its own. `up` does it as well.

    The port is that of INVOICE_PIPELINES_WEB_PORT, by default 8000. Ctrl-C stops it.
    """
    from invoice_pipelines.web.serving import serve

    settings = load_settings()
    if is_beyond_this_machine(settings):
        require_shared(settings)
    note_key_of_web(settings)
    console.quiet = settings.log_format == "json"  # each line is an object then
    console.print(f"Desk:    {desk_address(settings)}")
    console.print(f"API:     http://{settings.web_host}:{settings.web_port}/api/docs")
    console.print(f"Health:  http://{settings.web_health_host}:{settings.web_health_port}/health/ready")
    try:
        serve(settings)
    except KeyboardInterrupt:
        console.print("Stopped.")
