"""Reading history again in Dagster: a dry run by default, with all that a person needs to decide in the metadata."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import dagster as dg

from invoice_pipelines_tests.integration.defs.conftest import GOOD, DagsterHouse

ASSET = dg.AssetKey(["intake", "reparsed_invoices"])


def run(house: DagsterHouse, slug: str, **config: bool) -> dict[str, Any]:
    """Metadata of a run over one organization."""
    result = house.run("reparse_intake", slug, {"ops": {"intake__reparsed_invoices": {"config": config}}})
    assert result.success
    (event,) = result.get_asset_materialization_events()
    return {name: value.value for name, value in event.materialization.metadata.items()}


def received(house: DagsterHouse, slug: str) -> None:
    """An exported invoice whose due date an older reader has read otherwise."""
    house.drop(slug, "good.xml", GOOD)
    house.asked_for()
    house.take_in(slug)
    house.behind("""update intake.received_invoice set reading_json = reading_json || '{"due_date": "2020-01-01"}'""")


def test_a_dry_run_shows_counts_changes_and_a_file_and_changes_nothing(house: DagsterHouse) -> None:
    house.add("acme", "idle")
    received(house, "acme")
    shown = run(house, "acme")
    assert (shown["dry run"], shown["read again"], shown["finished"]) == (True, 1, True)
    assert shown["otherwise than before"] == 1
    assert "exported" in shown["by effect"]
    assert "due_date" in shown["by field"]
    (record,) = shown["changes"].records
    assert (record.data["file"], record.data["field"], record.data["old"]) == ("good.xml", "due_date", "2020-01-01")
    (file,) = Path(shown["files of all changes"]).iterdir()
    with file.open(newline="", encoding="utf-8") as lines:
        assert [row["field"] for row in csv.DictReader(lines)] == ["due_date"]
    assert house.statuses("acme") == {"good.xml": "EXPORTED"}
    assert run(house, "idle")["read again"] == 0


def test_written_it_is_exported_again_as_a_correction_where_that_is_asked_for(house: DagsterHouse) -> None:
    house.add("acme")
    received(house, "acme")
    assert "exported" in run(house, "acme", write=True)["by effect"]
    assert house.statuses("acme") == {"good.xml": "EXPORTED"}
    shown = run(house, "acme", write=True, include_exported=True)
    assert not shown["dry run"]
    assert "EXPORTED -> VALIDATED" in shown["by effect"]
    assert house.statuses("acme") == {"good.xml": "VALIDATED"}
    house.take_in("acme")
    assert house.statuses("acme") == {"good.xml": "EXPORTED"}


def test_the_ordinary_run_does_not_read_history_again(house: DagsterHouse) -> None:
    job = house.defs.resolve_job_def("intake")
    assert ASSET not in job.asset_layer.executable_asset_keys
