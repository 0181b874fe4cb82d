"""The command `organizations settings`: what an organization chooses for itself, shown and changed by name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from invoice_pipelines.cli.output import console, table
from invoice_pipelines.database.access import open_database
from invoice_pipelines.organizations import OrganizationError, change_organization, find_organization
from invoice_pipelines.settings import load_settings


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(settings)


def settings(
    slug: Annotated[str, typer.Argument(help="Slug of the organization.")],
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Such as documents.accent_colour=#0f5c6e or overdue_channels='[\"email\"]'; a text, or JSON.",
            metavar="NAME=VALUE",
        ),
    ] = None,
    unset: Annotated[list[str] | None, typer.Option(help="Back to what it is by default.", metavar="NAME")] = None,
) -> None:
    """Show what an organization chooses for itself, such as looks, senders and quiet hours; or change some of it."""
    with open_database(load_settings(), application_name="command line") as engine:
        values = find_organization(engine, slug).settings.model_dump(mode="json")
        for name in unset or ():
            _group(values, name).pop(name.rpartition(".")[2])
        for assignment in set_ or ():
            name, equals, value = assignment.partition("=")
            if not equals:
                raise typer.BadParameter(f"--set {assignment!r}: write NAME=VALUE")
            _group(values, name)[name.rpartition(".")[2]] = _value(value)
        if set_ or unset:
            change_organization(engine, slug, settings=values)
        now = find_organization(engine, slug).settings.model_dump(mode="json")
    shown = table(None, "setting", "value")
    for name, value in _leaves(now):
        shown.add_row(name, value if isinstance(value, str) else json.dumps(value))
    console.print(shown)


def _group(values: dict[str, Any], name: str) -> dict[str, Any]:
    """The object that holds a setting. Raises OrganizationError for a name that there is not."""
    *groups, last = name.split(".")
    for part in groups:
        values = values.get(part, {}) if isinstance(values, dict) else {}
    if not isinstance(values, dict) or last not in values:
        raise OrganizationError(f"there is no setting {name!r}; `organizations settings SLUG` shows all")
    return values


def _value(text: str) -> Any:
    """JSON where it is an object, a list, a number, true, false or null; else the text as it is."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _leaves(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value
