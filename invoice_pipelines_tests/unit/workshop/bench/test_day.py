"""The day of the benchmark `scale`, how it is drawn, and what it comes to."""

from __future__ import annotations

from uuid import UUID
from xml.etree import ElementTree

import pytest

from invoice_pipelines.workshop.bench.installation.bill import Prices, as_table, bill
from invoice_pipelines.workshop.bench.installation.day import PEAK, timetable
from invoice_pipelines.workshop.bench.installation.drawing import drawing
from invoice_pipelines.workshop.bench.installation.installation import Tenant

TENANTS = [Tenant(UUID(int=number), f"bulk-{number}") for number in range(200)]


def test_each_organization_gets_its_documents_and_three_times_the_average_come_in_the_peak() -> None:
    sent = timetable(TENANTS, 30, 240.0, "D")
    assert len({each.number for each in sent}) == len(sent) == 200 * 30
    assert sent == sorted(sent, key=lambda each: each.at)
    assert sent == timetable(TENANTS, 30, 240.0, "D")
    in_peak = sum(PEAK[0] <= each.at / 240 < PEAK[1] for each in sent) / len(sent)
    assert 2.5 < in_peak / (PEAK[1] - PEAK[0]) < 3.1


def test_a_day_is_drawn_with_all_its_lines() -> None:
    sample = {"at": 0.0, "waiting": 0, "runs": 0, "sessions": 17, "megabytes": 1000.0}
    details = {
        "size": {"seconds": 60.0},
        "documents": 12_000,
        "samples": [sample, {**sample, "at": 60.0, "waiting": 800}],
        "latency": {"bulk": [1.0, 20.0, 90.0], "express": [0.05, 2.0]},
        "slowest_of_organizations": [3.0, 4.0],
    }
    picture = ElementTree.fromstring(drawing({"details": details}))
    lines = [each for each in picture.iter() if each.tag.endswith("polyline")]
    assert len(lines) == 6
    assert "12,000 documents" in "".join(picture.itertext())


def test_a_million_documents_cost_what_was_measured_of_each_times_the_prices() -> None:
    measured = {"cpu": 36.0, "memory": 2_000.0, "events": 0.5, "rows": 30.0}
    found = {"cases": {name: {"median": value} for name, value in measured.items()}, "environment": {"cpus": 2}}
    positions = bill(found, Prices(cpu_hour=0.04, memory_hour=0.005, database_month=0.1, files_month=0.02))
    cpu, memory, events, rows, files = positions
    assert (cpu.amount, memory.amount) == (pytest.approx(10), pytest.approx(10)), "two busy CPUs for five hours"
    assert (events.amount, rows.amount, files.unit) == (0.5, 30.0, "GB")
    table = as_table(positions, "EUR")
    assert "| CPU | 10.0 hours | 0.04 EUR | 0.40 |" in table
    assert "| rows | 30.0 GB | 0.1 EUR a month | 3.00 a month |" in table
    assert "| **once** | | | **0.45 EUR** |" in table
