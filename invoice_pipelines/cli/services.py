"""The commands `up`, for all of an installation, and `web`, for desk and API alone, until they are told to stop."""

from __future__ import annotations

import signal
import time
from datetime import datetime

import typer

from invoice_pipelines.cli.options import examples
from invoice_pipelines.cli.output import console
from invoice_pipelines.cli.supervisor import Services, running_services
from invoice_pipelines.settings import Settings, load_settings, variable_of

app = typer.Typer()

SIGN_IN_FILE = "sign_in.txt"
"""In the home, who may sign in: `up` says it, where the demo left it."""


@app.command(
    epilog=examples(
        "up",
    )
)
def up() -> None:
    """Run everything: PostgreSQL (embedded unless a URL is set), Dagster's daemon and UI, the desk and the API.

    Says where each is. Ctrl-C stops all.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell that runs it in the background ignores SIGINT
        signal.signal(number, signal.default_int_handler)
    settings = load_settings()
    console.print("Starting PostgreSQL and Dagster ...")
    try:
        with running_services(settings, webserver=True, api=True) as services:
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
        "web",
    )
)
def web() -> None:
    """Serve the desk and the API, and their health on a port of its own. `up` does it as well.

    The port is that of INVOICE_PIPELINES_WEB_PORT, by default 8000. Ctrl-C stops it.
    """
    from invoice_pipelines.web.serving import serve

    settings = load_settings()
    console.print(f"Desk:    {desk_address(settings)}")
    console.print(f"API:     http://{settings.web_host}:{settings.web_port}/api/docs")
    console.print(f"Health:  http://127.0.0.1:{settings.web_health_port}/health/ready")
    try:
        serve(settings)
    except KeyboardInterrupt:
        console.print("Stopped.")
