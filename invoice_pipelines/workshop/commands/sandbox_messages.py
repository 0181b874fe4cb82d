"""The commands `sandbox mail` and `sandbox twilio`: where messages go when nobody is to get them."""

from __future__ import annotations

import json
import sqlite3
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import typer

from invoice_pipelines.cli.output import console
from invoice_pipelines.workshop.sandbox.mail import MailServer
from invoice_pipelines.workshop.sandbox.twilio import TwilioServer

_State = Annotated[
    Path | None,
    typer.Option("--state", dir_okay=False, help="File that keeps everything over a restart; none: memory."),
]
_Json = Annotated[bool, typer.Option("--json", help="Print the addresses as one line of JSON.")]


def mail(
    smtp_port: Annotated[int, typer.Option(min=0, max=65535, help="Port for SMTP on 127.0.0.1; 0: any.")] = 8725,
    imap_port: Annotated[int, typer.Option(min=0, max=65535, help="Port for IMAP on 127.0.0.1; 0: any.")] = 8743,
    state: _State = None,
    security: Annotated[
        Literal["none", "starttls", "tls"], typer.Option(help="With a certificate of its own, named by SSL_CERT_FILE.")
    ] = "none",
    as_json: _Json = False,
) -> None:
    """Serve SMTP and IMAP on this machine until Ctrl-C: takes mail for anybody, delivers it to nobody, and shows it."""
    try:
        server = MailServer(state, smtp_port, imap_port, tls=security)
    except sqlite3.DatabaseError as error:
        raise typer.BadParameter(f"--state {state}: {error}") from None
    try:
        with server:
            title = (
                f"Mail sandbox: SMTP on 127.0.0.1:{server.smtp_port}, IMAP on 127.0.0.1:{server.imap_port} "
                "(a folder is named like an address; INBOX has the blind copies)"
            )
            _show(title, server.environment, as_json=as_json)
    except OSError as error:
        raise typer.BadParameter(f"a port cannot be used: {error.strerror}") from None


def twilio(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0: any that is free.")] = 8781,
    state: _State = None,
    as_json: _Json = False,
) -> None:
    """Serve Twilio's API for messages on this machine until Ctrl-C. Messages are sent after 1 second and delivered
    after 5, to nobody.
    """
    try:
        server = TwilioServer(state, port, sent_after=1.0, ended_after=5.0)
    except sqlite3.DatabaseError as error:
        raise typer.BadParameter(f"--state {state}: {error}") from None
    except OSError as error:
        raise typer.BadParameter(f"port {port} cannot be used: {error.strerror}") from None
    with server:
        _show(f"Twilio sandbox at {server.url}", server.environment, as_json=as_json)


def _show(title: str, environment: Mapping[str, str], *, as_json: bool) -> None:
    """Prints where it is, and waits."""
    if as_json:
        sys.stdout.write(json.dumps({"environment": environment}) + "\n")
    else:
        console.print(f"{title}. Ctrl-C ends it.\n", soft_wrap=True)
        for name, value in environment.items():
            console.print(f"export {name}={value}", soft_wrap=True)
    sys.stdout.flush()
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        return
