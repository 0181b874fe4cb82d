"""The process that the intake benchmark measures; it is told what to do line by line, and answers each line.

    {"stage": "run", "slug": "..."}      parse and validate what waits in an organization, as a run's assets do
    {"stage": "bare", "files": [...], "code_lists_kept": false}
                                         the bare calls on files: [path, path of a file with its XML]
    {"stage": "rules", "files": [...], "rounds": 5}
                                         the business rules alone, on files of XML that are parsed before

Started once per benchmark and process, so that no start, compilation or first use is in what is measured.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import Engine

from invoice_pipelines.database.access import open_database
from invoice_pipelines.einvoice.rules.judging import business_rule_violations
from invoice_pipelines.einvoice.rules.xml_document import parse
from invoice_pipelines.intake.stages.stages import intake_of, parse_uploads, validate_invoices
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import load_settings
from invoice_pipelines.workshop.bench.bare import BareCalls, Plan, plan_for


def main() -> None:
    """Answers until its input ends."""
    settings = load_settings()
    calls: dict[bool, BareCalls] = {}
    plans: dict[str, list[Plan]] = {}
    with open_database(settings, application_name="bench") as engine:
        for line in sys.stdin:
            order = json.loads(line)
            if order["stage"] == "run":
                answer = _run(engine, order["slug"])
            elif order["stage"] == "rules":
                answer = {"milliseconds": _rules(order["files"], order["rounds"])}
            else:
                key = json.dumps(order["files"])
                if key not in plans:
                    plans[key] = [
                        plan_for(Path(path), Path(xml).read_bytes(), settings.rules_dir) for path, xml in order["files"]
                    ]
                kept = order["code_lists_kept"]
                if kept not in calls:
                    calls[kept] = BareCalls(code_lists_kept=kept)
                times = calls[kept].run(plans[key])
                answer = {"seconds": times.total, "extracting": times.extracting}
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()


def _run(engine: Engine, slug: str) -> dict[str, Any]:
    intake = intake_of(OrganizationContext.of(engine, slug, load_settings(), "bench"))
    started = time.perf_counter()
    parsed = parse_uploads(intake)
    between = time.perf_counter()
    validated = validate_invoices(intake)
    return {
        "parsing": between - started,
        "validating": time.perf_counter() - between,
        "seconds": time.perf_counter() - started,
        "parsed": parsed.succeeded,
        "validated": validated.succeeded,
    }


def _rules(files: Sequence[str], rounds: int) -> list[float]:
    """For each file the median of what its business rules take, in milliseconds; a first round is not counted."""
    documents = [parse(Path(file).read_bytes()) for file in files]
    taken: list[list[float]] = [[] for _ in documents]
    for number in range(rounds + 1):
        for document, times in zip(documents, taken, strict=True):
            started = time.perf_counter()
            business_rule_violations(document, None)
            if number:
                times.append((time.perf_counter() - started) * 1000)
    return [median(times) for times in taken]


if __name__ == "__main__":
    main()
