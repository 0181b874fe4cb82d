"""The commands of `ocr`: which engine reads an organization's pages that are pictures, and whether it can."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from invoice_pipelines.cli.options import OrganizationOption, engine_name, examples
from invoice_pipelines.cli.output import console, exit_if, print_rows, say
from invoice_pipelines.cli.person import database
from invoice_pipelines.intake.documents.ocr.engine import EngineSpec, EngineUnavailable
from invoice_pipelines.intake.documents.ocr.engines import engine_spec, open_engine
from invoice_pipelines.intake.documents.ocr.self_check import check_reading
from invoice_pipelines.organizations import change_organization, find_organization, list_organizations
from invoice_pipelines.settings import Settings, load_settings

_DEPLOYMENT = "(all that choose none)"

app = typer.Typer(
    help="Text recognition (OCR) of pages that are pictures.",
    no_args_is_help=True,
    epilog=examples(
        "ocr use rapidocr --organization acme",
        "ocr check",
    ),
)


@app.command()
def use(
    engine: Annotated[
        str,
        typer.Argument(
            callback=engine_name("default"),
            help="A name, `none`, or `default`: what INVOICE_PIPELINES_OCR_ENGINE says.",
        ),
    ],
    organization: OrganizationOption,
) -> None:
    """Choose the OCR engine of an organization. With cloud_vision its scans are sent to Google."""
    with database() as opened:
        known = find_organization(opened, organization)
        chosen = None if engine == "default" else engine
        change_organization(opened, organization, settings=known.settings.model_copy(update={"ocr_engine": chosen}))
    console.print(f"{organization} uses {engine}. Pages that were read are kept; see `ocr check`.")


@app.command()
def check(
    organization: Annotated[str | None, typer.Option(help="Slug of an organization: only its engine.")] = None,
) -> None:
    """Let each OCR engine that is in use read a test picture. Exits 1 if one cannot.

    With Google Cloud Vision this costs the price of a page.
    """
    users = _users(load_settings(), organization)
    rows, problems = [], []
    for spec, names in users.items():
        started = time.monotonic()
        version, result = "", "reads"
        try:
            engine = open_engine(spec)
            version = engine.version
            check_reading(engine)
        except EngineUnavailable as problem:
            result = "cannot work"
            problems.append(f"{spec.name}: {problem}")
        seconds = time.monotonic() - started
        rows.append(
            {"engine": spec.name, "version": version, "by": ", ".join(names), "seconds": seconds, "result": result}
        )
    print_rows(rows, "engine version used_by=by #seconds result", none="No OCR engine is in use.")
    for line in problems:
        say(line)
    exit_if(bool(problems))


def _users(settings: Settings, slug: str | None) -> dict[EngineSpec, list[str]]:
    """The engines to check, each with who uses it."""
    users: dict[EngineSpec, list[str]] = {}
    if slug is None and (spec := engine_spec(settings)):
        users[spec] = [_DEPLOYMENT]
    with database() as opened:
        slugs = [slug] if slug else [organization.slug for organization in list_organizations(opened)]
        for organization in (find_organization(opened, slug) for slug in slugs):
            spec = engine_spec(settings, organization)
            if spec is not None and (slug or organization.settings.ocr_engine is not None):
                users.setdefault(spec, []).append(organization.slug)
    return users
