"""The commands of `ocr`: which engine reads an organization's pages that are pictures, and whether it can."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated

import typer

from invoice_pipelines.cli.output import console, literal, table
from invoice_pipelines.database.access import open_database
from invoice_pipelines.intake.documents.ocr.engine import EngineSpec, EngineUnavailable
from invoice_pipelines.intake.documents.ocr.engines import engine_spec, open_engine
from invoice_pipelines.intake.documents.ocr.self_check import check_reading
from invoice_pipelines.organizations import change_organization, find_organization, list_organizations
from invoice_pipelines.registry import OCR_ENGINES, UnknownName
from invoice_pipelines.settings import Settings, load_settings

PROBLEMS = 1

_DEPLOYMENT = "(all that choose none)"

app = typer.Typer(help="Text recognition (OCR) of pages that are pictures.", no_args_is_help=True)


def engine_name(*besides: str) -> Callable[[str | None], str | None]:
    """What checks the name of an engine that somebody typed."""

    def check(name: str | None) -> str | None:
        try:
            return name if name is None else OCR_ENGINES.check(name, "none", *besides)
        except UnknownName as problem:
            raise typer.BadParameter(str(problem)) from None

    return check


@app.command()
def use(
    engine: Annotated[
        str,
        typer.Argument(
            callback=engine_name("default"),
            help="A name, `none`, or `default`: what INVOICE_PIPELINES_OCR_ENGINE says.",
        ),
    ],
    organization: Annotated[str, typer.Option(help="Slug of the organization.")],
) -> None:
    """Choose the OCR engine of an organization. With cloud_vision its scans are sent to Google."""
    with open_database(load_settings(), application_name="command line") as database:
        known = find_organization(database, organization)
        chosen = None if engine == "default" else engine
        change_organization(database, organization, settings=known.settings.model_copy(update={"ocr_engine": chosen}))
    console.print(f"{organization} uses {engine}. Pages that were read are kept; see `ocr check`.")


@app.command()
def check(
    organization: Annotated[str | None, typer.Option(help="Slug of an organization: only its engine.")] = None,
) -> None:
    """Let each OCR engine that is in use read a test picture. Exits 1 if one cannot.

    With Google Cloud Vision this costs the price of a page.
    """
    users = _users(load_settings(), organization)
    shown = table(None, "engine", "version", "used by", "#seconds", "result")
    problems = []
    for spec, names in users.items():
        started = time.monotonic()
        version = ""
        try:
            engine = open_engine(spec)
            version = engine.version
            check_reading(engine)
            result = "reads"
        except EngineUnavailable as problem:
            result = "cannot work"
            problems.append(f"{spec.name}: {problem}")
        shown.add_row(spec.name, version, ", ".join(names), f"{time.monotonic() - started:.1f}", result)
    console.print(shown if users else "No OCR engine is in use.")
    for line in problems:
        console.print(literal(line), soft_wrap=True)
    if problems:
        raise typer.Exit(PROBLEMS)


def _users(settings: Settings, slug: str | None) -> dict[EngineSpec, list[str]]:
    """The engines to check, each with who uses it."""
    users: dict[EngineSpec, list[str]] = {}
    if slug is None and (spec := engine_spec(settings)):
        users[spec] = [_DEPLOYMENT]
    with open_database(settings) as database:
        slugs = [slug] if slug else [organization.slug for organization in list_organizations(database)]
        for organization in (find_organization(database, slug) for slug in slugs):
            spec = engine_spec(settings, organization)
            if spec is not None and (slug or organization.settings.ocr_engine is not None):
                users.setdefault(spec, []).append(organization.slug)
    return users
