"""How the list of all rules in docs/validation.md is made: from the declarations, each with an example of what it says.

python -m invoice_pipelines.cli.einvoice.rules_page docs/validation.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from invoice_pipelines.cli.einvoice.explaining import all_rules
from invoice_pipelines.einvoice.rules.catalogue import ListedRule

_HEADING = "## All rules\n"
_ABOUT = """
Made from the declarations by `make docs`; what stands below is written by it. The messages are examples: each says the
values of the invoice that is judged, in English or in German. `invoice-pipelines rules list --language de` shows them
in German, `invoice-pipelines validate --explain BR-CO-15` one of them.
"""
_CHAPTERS = {
    "schema": "Schema",
    "EN 16931": "EN 16931",
    "XRechnung": "XRechnung",
    "Peppol BIS Billing": "Peppol BIS Billing",
    "Factur-X MINIMUM": "Factur-X",
    "Factur-X BASIC WL": "Factur-X",
    "Factur-X EXTENDED": "Factur-X",
    "own": "Own rules",
}
"""The chapter of a rule, by the first set that it is in."""


def with_rules(page: str) -> str:
    """The page with the list as the declarations make it now, in place of all from its heading on."""
    written, _, _ = page.partition(_HEADING)
    return f"{written.rstrip()}\n\n{_HEADING}{_ABOUT}{''.join(_chapters())}"


def _chapters() -> Iterator[str]:
    chapters: dict[str, list[ListedRule]] = {}
    for rule in all_rules():
        chapters.setdefault(_CHAPTERS[next(iter(rule.sets))], []).append(rule)
    for chapter, rules in chapters.items():
        yield f"\n### {chapter}: {len(rules):,}\n\n| rule | weight | syntax | example |\n| --- | --- | --- | --- |\n"
        yield from map(_row, rules)


def _row(rule: ListedRule) -> str:
    message = " ".join(rule.message.split()).replace("|", "\\|").replace("<", "\\<")
    return f"| {rule.id} | {_weight(rule)} | {', '.join(rule.syntaxes)} | {message} |\n"


def _weight(rule: ListedRule) -> str:
    first, *others = rule.sets.items()
    different: Sequence[str] = [f"{name}: {weight.value}" for name, weight in others if weight is not first[1]]
    return "; ".join((first[1].value, *different))


def main() -> None:
    """Writes the list into the page that is named."""
    page = Path(sys.argv[1])
    page.write_text(with_rules(page.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
