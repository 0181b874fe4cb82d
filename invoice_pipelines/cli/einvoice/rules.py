"""The commands of `rules`: which rules invoices are judged by, and how they compare with the official rule files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from invoice_pipelines.cli.einvoice.explaining import all_rules, rule_entry
from invoice_pipelines.cli.language import AskedLanguage, language_of
from invoice_pipelines.cli.options import AsJson, examples
from invoice_pipelines.cli.output import console, exit_if, one_line, print_json, say, styled, table
from invoice_pipelines.settings import load_settings

app = typer.Typer(
    help="The rules that e-invoices are judged by: list them, compare them with the official files.",
    no_args_is_help=True,
    epilog=examples(
        "rules list --rule BR-CO",
        "rules compare inbox/ --official rules/",
    ),
)


@app.command("list")
def list_rules(
    rule: Annotated[
        str | None, typer.Option(help="Only rules whose id begins so, such as BR-CO.", metavar="ID")
    ] = None,
    language: AskedLanguage = None,
    as_json: AsJson = False,
) -> None:
    """List every rule that invoices are judged by: where it is from, what it weighs, an example of what it says."""
    german = language_of(language or "en" if as_json else language) == "de"
    found = [each for each in all_rules() if rule is None or each.id.upper().startswith(rule.strip().upper())]
    if as_json:
        for each in found:
            print_json(rule_entry(each))
        return
    made = table(None, "!rule", "weight", "rules of", "syntax", "an example of what it says")
    for each in found:
        says = each.message_de if german else each.message
        made.add_row(each.id, each.severity.value, ", ".join(each.sets), " ".join(each.syntaxes), one_line(says))
    console.print(made)
    say(f"{len(found):,} rule{'' if len(found) == 1 else 's'}")


@app.command()
def compare(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders with e-invoices.", metavar="PATH...")],
    official: Annotated[
        Path | None,
        typer.Option(
            help="Folder with the official rule files; by default INVOICE_PIPELINES_RULES_DIR, else one of the paths "
            "that holds such files.",
            metavar="DIR",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Judge e-invoices by our rules and by the official files, and show every difference.

    Exits 1 where the two do not refuse an invoice for the same rules. Needs the extra `rules`.
    """
    from invoice_pipelines.einvoice.rules.comparison import compare as compared

    directory = _official(paths, official)
    total: Counter[str] = Counter()
    by_rule: Counter[tuple[str, str]] = Counter()
    for name, xml in _e_invoices(paths):
        found = compared(xml, directory)
        total["documents"] += 1
        total["same_fatal_rules"] += found.same_fatal_rules
        total["same_verdict"] += found.same_verdict
        total["stopped"] += found.stopped
        for each in found.differences:
            by_rule[each.rule, _side(each)] += 1
            if as_json:
                print_json({"file": name, **_entry(each)})
            else:
                _show(name, each)
    if not total["documents"]:
        raise typer.BadParameter("there is no e-invoice in UBL or CII among these files")
    differing = [{"rule": rule, "found_by": side, "documents": count} for (rule, side), count in by_rule.most_common()]
    if as_json:
        print_json({**total, "rules": differing})
    else:
        _show_total(total, differing)
    exit_if(total["same_fatal_rules"] < total["documents"])


def _official(paths: list[Path], given: Path | None) -> Path:
    """The folder with the official files."""
    from invoice_pipelines.einvoice.rules.official.rule_files import RulesDirectoryError, official_sheets

    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise typer.BadParameter(f"there is no {', '.join(missing)}")
    named = given or load_settings().rules_dir
    if named is not None:
        official_sheets(named)
        return named
    for path in paths:
        try:
            official_sheets(path)
        except RulesDirectoryError:
            continue
        return path
    raise typer.BadParameter(
        "name the folder with the official rule files: --official DIR (docs/validation.md says more)"
    )


def _e_invoices(paths: list[Path]) -> Iterator[tuple[str, bytes]]:
    from invoice_pipelines.einvoice.errors import ReadingError
    from invoice_pipelines.einvoice.rules.xml_document import Root, parse
    from invoice_pipelines.intake.documents import read_document
    from invoice_pipelines.intake.files.read_report import documents_below, file_content

    for name, path in documents_below(paths):
        try:
            content = file_content(path)
            xml = content if path.suffix.lower() == ".xml" else read_document(content, path.name).xml
            if xml is not None and parse(xml).root not in (None, Root.ZUGFERD_1):
                yield name, xml
        except ReadingError:
            continue


def _side(difference: Any) -> str:
    if difference.official is None:
        return "ours"
    return "official" if difference.ours is None else "both"


def _entry(difference: Any) -> dict[str, Any]:
    entry: dict[str, Any] = {"rule": difference.rule, "found_by": _side(difference)}
    for side in ("ours", "official"):
        found = getattr(difference, side)
        entry[side] = found and {
            "severity": found.severity.value,
            "message": found.message,
            "location": found.location,
        }
    return entry


def _show(name: str, difference: Any) -> None:
    if _side(difference) == "both":
        what = f"{difference.official.severity} officially, {difference.ours.severity} by our rules"
    else:
        found = difference.ours or difference.official
        who = "only our rules find" if difference.official is None else "only the official rules find"
        what = f"{who} ({found.severity}): {found.message}"
    console.print(styled(name, "bold"))
    say(f"    {difference.rule}: {what}")


def _show_total(total: Counter[str], differing: list[dict[str, Any]]) -> None:
    made = table("Differences by rule", "rule", "found by", "#documents")
    for each in differing:
        made.add_row(*each.values())
    if made.row_count:
        console.print(made)
    documents = total["documents"]
    say(
        f"{documents:,} documents: the same verdict on {total['same_verdict']:,}, "
        f"refused for the same rules or by neither {total['same_fatal_rules']:,}."
    )
    if total["stopped"]:
        say(f"On {total['stopped']:,} an official rule stopped with an error, so there only the verdict counts.")
