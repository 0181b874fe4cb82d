"""The process of the billing benchmark that issues invoices beside another one.

Each line of its input is {"url": "...", "warm_up": "...", "organizations": [...]}: it connects, issues the invoices of
the organization for warming up and answers; at the next line, whatever it says, it issues those of the others, one
after the other, and answers how many.
"""

from __future__ import annotations

import json
import sys

from sqlalchemy import Engine

from invoice_pipelines.billing.processing import process_jobs
from invoice_pipelines.database import create_app_engine
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import load_settings


def main() -> None:
    """Answers until its input ends."""
    for line in sys.stdin:
        order = json.loads(line)
        engine = create_app_engine(order["url"], application_name="bench")
        _issue(engine, order["warm_up"])
        _answer({})
        sys.stdin.readline()
        _answer({"succeeded": sum(_issue(engine, slug) for slug in order["organizations"])})
        engine.dispose()


def _issue(engine: Engine, slug: str) -> int:
    return process_jobs(OrganizationContext.of(engine, slug, load_settings(), "bench")).succeeded


def _answer(answer: dict[str, int]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
