"""The commands `read` and `validate`, which work on files and folders without a database."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from invoice_pipelines.cli.language import AskedLanguage, Language, class_name, language_of
from invoice_pipelines.cli.options import engine_name, examples
from invoice_pipelines.cli.output import console, exit_if, one_line, print_facts, print_json, say, styled
from invoice_pipelines.intake.documents import Aids
from invoice_pipelines.settings import Settings, load_settings

if TYPE_CHECKING:
    from invoice_pipelines.intake.documents.ocr.engine import PageImage
    from invoice_pipelines.intake.documents.text_layer.page.words import Page

Paths = Annotated[list[Path], typer.Argument(help="Files and folders.", metavar="PATH...")]
Ocr = Annotated[
    str | None,
    typer.Option(
        callback=engine_name(), help="OCR engine for pages that are pictures; by default that of the settings."
    ),
]
Jsonl = Annotated[bool, typer.Option("--jsonl", help="One JSON object per file, in path order.")]
_SEVERITIES_DE = {"fatal": "Fehler", "warning": "Warnung", "information": "Hinweis"}


app = typer.Typer()


@app.command(
    epilog=examples(
        "read inbox/",
        "read invoice.pdf --jsonl",
    )
)
def read(
    paths: Paths,
    jsonl: Jsonl = False,
    ignore_xml: Annotated[
        bool, typer.Option("--ignore-xml", help="Read the printed pages of a PDF even if it carries an XML invoice.")
    ] = False,
    ocr: Ocr = None,
    language: AskedLanguage = None,
) -> None:
    """Read invoices and print their fields. Exits 1 if a file could not be read."""
    from invoice_pipelines.intake.files.read_report import read_report

    settings = _settings(ocr)
    german = _is_german(language, jsonl)
    with _ocr(settings) as aids:

        def report(path: Path, name: str) -> dict[str, Any]:
            return read_report(path, name, aids, ignore_attached_xml=ignore_xml, german=german)

        _report(paths, jsonl, report, "ok", partial(_show_read, german), settings.ocr_processes)


@app.command(
    epilog=examples(
        "validate inbox/ --jsonl",
        "validate invoice.xml --official",
        "validate invoice.xml --on 2025-06-01",
        "validate --explain BR-CO-15",
    )
)
def validate(
    paths: Annotated[list[Path] | None, typer.Argument(help="Files and folders.", metavar="PATH...")] = None,
    jsonl: Jsonl = False,
    official: Annotated[
        bool, typer.Option("--official", help="Ask schema and business rules only, none of this project's own (IP-*).")
    ] = False,
    on: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="Judge as on this day: by the releases of the rules then in force. Without, as today.",
            metavar="DATE",
        ),
    ] = None,
    explain: Annotated[
        str | None, typer.Option(help="Instead, say what a rule is about, such as BR-CO-15.", metavar="RULE")
    ] = None,
    ocr: Ocr = None,
    language: AskedLanguage = None,
) -> None:
    """Validate invoices and print the rules they break. Exits 1 if one is not valid."""
    if explain is not None:
        from invoice_pipelines.cli.einvoice import explaining

        explaining.explain(explain, german=_is_german(language, False))
        return
    if not paths:
        raise typer.BadParameter("name the files or folders to validate")

    from invoice_pipelines.intake.files.validate_report import validate_report

    settings = _settings(ocr)
    german = _is_german(language, jsonl)
    today = (on or datetime.now(UTC)).date()
    with _ocr(settings) as aids:

        def report(path: Path, name: str) -> dict[str, Any]:
            return validate_report(
                path,
                name,
                today=today,
                rules_directory=settings.rules_dir,
                aids=aids,
                german=german,
                official=official,
            )

        show = partial(_show_validated, german, name_rules=on is not None)
        _report(paths, jsonl, report, "valid", show, at_once=1)  # Saxon has a lock of its own


def _settings(ocr: str | None) -> Settings:
    settings = load_settings()
    return settings if ocr is None else Settings.model_validate({**settings.model_dump(), "ocr_engine": ocr})


@contextmanager
def _ocr(settings: Settings) -> Iterator[Aids]:
    """Gives all threads one OCR engine, which starts with the first page and ends with the block."""
    from invoice_pipelines.intake.documents.ocr.engines import engine_spec
    from invoice_pipelines.intake.documents.ocr.recognizer import SharedRecognizer

    spec = engine_spec(settings)
    if spec is None:
        yield Aids()
        return

    def recognize(images: Iterator[tuple[int, PageImage]]) -> Sequence[Page]:
        from invoice_pipelines.intake.documents.ocr.pages import pages_read_now  # loads the picture libraries

        return pages_read_now(recognizer)(images)

    with SharedRecognizer(spec, settings.ocr_processes) as recognizer:
        yield Aids(recognize)


def _report(
    paths: list[Path],
    jsonl: bool,
    report: Callable[[Path, str], dict[str, Any]],
    good: str,
    show: Callable[[dict[str, Any]], None],
    at_once: int,
) -> None:
    from invoice_pipelines.intake.files.read_report import documents_below

    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise typer.BadParameter(f"there is no {', '.join(missing)}")
    problems = 0
    with ThreadPoolExecutor(at_once) as threads:  # no queue: files on the command line, and no database
        for result in threads.map(lambda document: report(document[1], document[0]), documents_below(paths)):
            problems += not result[good]
            if jsonl:
                print_json(result)
                sys.stdout.flush()
            else:
                show(result)
    exit_if(problems > 0)


def _is_german(language: Language | None, jsonl: bool) -> bool:
    return language_of(language or "en" if jsonl else language) == "de"


def _show_read(german: bool, result: dict[str, Any]) -> None:
    if not result["ok"]:
        console.print(styled(f"{result['file']}:", "red"), one_line(result["error"]), soft_wrap=True)
        return
    of_kind = one_line(f" {result['format']} {result['profile'] or ''}".rstrip())
    console.print(styled(result["file"], "bold"), of_kind, soft_wrap=True)
    fields = {name: str(value) for name, value in result["fields"].items() if value is not None}
    print_facts(fields, "field", "value")
    label = _SEVERITIES_DE["warning"] if german else "warning"
    for warning in result["warnings"]:
        say(one_line(f"    {label}: {warning}"))


def _show_validated(german: bool, result: dict[str, Any], *, name_rules: bool) -> None:
    valid, not_valid = ("gültig", "nicht gültig") if german else ("valid", "not valid")
    mark = styled(valid, "green") if result["valid"] else styled(not_valid, "red")
    classes = ", ".join(class_name(refusing, german) for refusing in result["refused_by"])
    console.print(mark, f" {one_line(result['file'])}{f' ({classes})' if classes else ''}", soft_wrap=True)
    if name_rules and result["rules"]:
        say(one_line(f"    {'nach' if german else 'by'} {result['rules']}"))
    for violation in result["violations"]:
        severity, of_class = violation["severity"], violation["class"]
        if german:
            severity = _SEVERITIES_DE[severity]
        named = f" ({class_name(of_class, german)})" if of_class else ""
        say(one_line(f"    {severity} {violation['rule']}{named}: {violation['message']}"))
