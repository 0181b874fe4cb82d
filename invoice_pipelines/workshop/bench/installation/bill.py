"""What a million documents cost: what the benchmark `scale` measured of each, and what somebody charges for that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from invoice_pipelines.workshop.bench.installation.installation import document

DOCUMENTS = 1_000_000


@dataclass(frozen=True, slots=True)
class Prices:
    """Of one currency: of a CPU and of a gigabyte of memory for an hour, of a gigabyte in PostgreSQL and of one in the
    storage of files for a month.
    """

    cpu_hour: float
    memory_hour: float
    database_month: float
    files_month: float


@dataclass(frozen=True, slots=True)
class Position:
    """A line of the bill: so much of a unit, once or for each month that it is kept."""

    what: str
    amount: float
    unit: str
    price: float
    monthly: bool = False

    @property
    def money(self) -> float:
        """In the currency of the prices."""
        return self.amount * self.price


def bill(found: Mapping[str, Any], prices: Prices) -> list[Position]:
    """The bill of a million documents as those of the day were; `found` is what `bench scale --json` printed.

    Memory is what all processes of the installation held at the most, for as long as its CPUs would be busy with the
    million.
    """
    cases = found["cases"]

    def of(name: str) -> float:
        return float(cases[name]["median"])

    cpu_hours = of("cpu") / 1000 / 3600 * DOCUMENTS
    busy = cpu_hours / found["environment"]["cpus"]
    kilobyte = DOCUMENTS / 1e6  # of each document, as gigabytes of all
    return [
        Position("CPU", cpu_hours, "hours", prices.cpu_hour),
        Position("memory", of("memory") / 1000 * busy, "GB-hours", prices.memory_hour),
        Position("events of Dagster", of("events") * kilobyte, "GB", prices.database_month, monthly=True),
        Position("rows", of("rows") * kilobyte, "GB", prices.database_month, monthly=True),
        Position("files", len(document("1")) / 1000 * kilobyte, "GB", prices.files_month, monthly=True),
    ]


def as_table(positions: list[Position], currency: str) -> str:
    """The bill as a table of Markdown, with what comes once and what comes each month at its end."""
    lines = ["| of a million documents | | price | money |", "| --- | ---: | ---: | ---: |"]
    for each in positions:
        price = f"{each.price:g} {currency}"
        often = " a month" if each.monthly else ""
        lines.append(f"| {each.what} | {each.amount:,.1f} {each.unit} | {price}{often} | {each.money:,.2f}{often} |")
    for what, monthly in (("once", False), ("a month, while all is kept", True)):
        total = sum(each.money for each in positions if each.monthly is monthly)
        lines.append(f"| **{what}** | | | **{total:,.2f} {currency}** |")
    return "\n".join(lines)
