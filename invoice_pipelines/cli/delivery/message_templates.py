"""`invoice-pipelines message-templates`: the texts of emails, SMS and WhatsApp messages of an organization."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from invoice_pipelines.cli.options import CHANNEL, AsJson, OrganizationOption, examples
from invoice_pipelines.cli.output import console, print_facts, print_json, say, table
from invoice_pipelines.cli.person import person, scope_of
from invoice_pipelines.delivery.messages.fields import named, sample_fields
from invoice_pipelines.delivery.messages.templates import (
    MessageTemplate,
    TemplateKey,
    check_template,
    find_template,
    message_templates,
    remove_message_template,
    set_message_template,
    write,
)
from invoice_pipelines.delivery.values import DeliveryError, Purpose

app = typer.Typer(
    help="Texts of messages: list, show, set, remove, check.",
    no_args_is_help=True,
    epilog=examples(
        "message-templates show --language de --organization acme",
        'message-templates set --text invoice.txt --subject "Invoice" --organization acme',
    ),
)

What = Annotated[Purpose, typer.Option("--purpose", help="Purpose of the message.")]
Level = Annotated[int, typer.Option(help="Of a reminder: from so many days past due on.", min=0, max=3650)]
Channel = Annotated[str, typer.Option(help="Channel.", **CHANNEL)]
Language = Annotated[str, typer.Option(help="Two letters (ISO 639-1).", metavar="CODE")]
TextFile = Annotated[
    Path, typer.Option("--text", help="File with the text.", metavar="FILE", exists=True, dir_okay=False)
]
HtmlFile = Annotated[
    Path | None,
    typer.Option("--html", help="File with the HTML of an email.", metavar="FILE", exists=True, dir_okay=False),
]
Subject = Annotated[str | None, typer.Option(help="Subject of an email; may name fields.")]
ContentSid = Annotated[
    str | None,
    typer.Option(help="Approved WhatsApp template (HX...); then each line of the text fills one of its places."),
]


@app.command("list")
def list_(organization: OrganizationOption, as_json: AsJson = False) -> None:
    """List the texts in use."""
    with scope_of(organization) as connection:
        found = message_templates(connection)
    if as_json:
        for each in found:
            values = asdict(each)
            print_json(values.pop("key") | values)
        return
    shown = table(None, "purpose", "#from day", "channel", "language", "whose", "since", "by")
    for each in found:
        key = each.key
        level = key.level if key.purpose is Purpose.REMINDER else None
        whose = "own" if each.is_own else "project"
        shown.add_row(key.purpose, level, key.channel, key.language, whose, each.created_at, each.created_by)
    console.print(shown)


@app.command()
def show(
    organization: OrganizationOption,
    purpose: What = Purpose.INVOICE,
    level: Level = 0,
    channel: Channel = "email",
    language: Language = "en",
    part: Annotated[str | None, typer.Option(help="Only this, as it is: subject, text or html.")] = None,
    sample: Annotated[bool, typer.Option("--sample", help="With the fields of a sample filled in.")] = False,
) -> None:
    """Show a text, to change it or to see what it makes."""
    with scope_of(organization) as connection:
        found = find_template(connection, purpose, level, channel, [language])
    parts = {"subject": found.subject, "text": found.body_text, "html": found.body_html}
    if sample:
        written = write(found, sample_fields(language=found.key.language, level=level))
        parts = {"subject": written.subject, "text": written.body_text, "html": written.body_html}
    if part is not None:
        if part not in parts:
            raise typer.BadParameter(f"--part is subject, text or html, not {part!r}")
        sys.stdout.write(parts[part] or "")
        return
    console.print(f"{found.key} ({'own' if found.is_own else 'of the project'})")
    for name, content in parts.items():
        if content:
            say(f"--- {name}\n{content}\n")


@app.command("set")
def set_(
    organization: OrganizationOption,
    text: TextFile,
    purpose: What = Purpose.INVOICE,
    level: Level = 0,
    channel: Channel = "email",
    language: Language = "en",
    subject: Subject = None,
    html: HtmlFile = None,
    content_sid: ContentSid = None,
) -> None:
    """Store a text of the organization's own, once it is checked."""
    template = _given(TemplateKey(purpose, level, channel, language), text, subject, html, content_sid)
    with scope_of(organization) as connection:
        set_message_template(connection, template, created_by=person())
    console.print(f"Messages from now on: {template.key}.")


@app.command()
def check(
    text: TextFile,
    purpose: What = Purpose.INVOICE,
    level: Level = 0,
    channel: Channel = "email",
    language: Language = "en",
    subject: Subject = None,
    html: HtmlFile = None,
    content_sid: ContentSid = None,
) -> None:
    """Check a text without storing it."""
    check_template(_given(TemplateKey(purpose, level, channel, language), text, subject, html, content_sid))
    console.print("It can be used.")


@app.command()
def remove(
    organization: OrganizationOption,
    purpose: What = Purpose.INVOICE,
    level: Level = 0,
    channel: Channel = "email",
    language: Language = "en",
) -> None:
    """Go back to the project's text."""
    key = TemplateKey(purpose, level, channel, language)
    with scope_of(organization) as connection:
        if not remove_message_template(connection, key, created_by=person()):
            raise DeliveryError(f"the organization has no text of its own for {key}")
    console.print(f"The project's text applies again: {key}.")


@app.command("fields")
def fields_() -> None:
    """List the fields that a text can name, with a sample."""
    print_facts(dict(named(sample_fields(language="en", level=14))), "field", "sample")


def _given(
    key: TemplateKey, text: Path, subject: str | None, html: Path | None, content_sid: str | None
) -> MessageTemplate:
    return MessageTemplate(key, _read(text), subject, _read(html) if html else None, content_sid)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DeliveryError(f"{file} is not a text file in UTF-8") from None
