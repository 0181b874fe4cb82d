"""The intake's assets in real runs: what they do, what they report, and what stops them."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pytest

from invoice_pipelines.defs import checks as checks_of_assets
from invoice_pipelines_tests.integration.defs.conftest import (
    BROKEN_XML,
    CREDIT_NOTE,
    GOOD,
    WRONG_TOTAL,
    DagsterHouse,
    checks,
    failed_checks,
    plain,
    shown,
)

ALL = ("uploads", "parsed_invoices", "validated_invoices", "export_files")


def materialize(house: DagsterHouse, slug: str) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [house.defs.resolve_assets_def(dg.AssetKey(["intake", name])) for name in ALL],
        partition_key=slug,
        instance=house.instance,
        raise_on_error=False,
    )


def metadata(result: dg.ExecuteInProcessResult, name: str) -> dict[str, Any]:
    """Metadata of an asset of the intake."""
    return shown(result, f"intake/{name}")


def test_a_run_takes_files_from_the_inbox_to_an_export_and_changes_say_which_run_it_was(house: DagsterHouse) -> None:
    house.add("acme")
    path = house.drop("acme", "invoice.xml", GOOD)
    house.asked_for()
    result = materialize(house, "acme")
    assert result.success
    assert house.statuses("acme") == {"invoice.xml": "EXPORTED"}
    assert not path.exists()
    assert len(list((house.folder / "exports" / "acme").glob("*.csv"))) == 2
    authors = {row[0] for row in house.rows("acme", "select changed_by from intake.status_change")}
    assert authors == {f"run {result.run_id}"}


def test_each_check_names_the_materialization_it_is_about_which_dagster_looks_for_once_a_stage(
    house: DagsterHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.add("acme", "globex")
    materialize(house, "globex")  # a newer one of another organization is no target
    asked: list[dg.AssetKey] = []
    fetch = dg.DagsterInstance.fetch_materializations

    def noted(self: dg.DagsterInstance, records_filter: Any, *rest: Any, **more: Any) -> Any:
        asked.append(getattr(records_filter, "asset_key", records_filter))
        return fetch(self, records_filter, *rest, **more)

    def targets(result: dg.ExecuteInProcessResult) -> dict[str, set[tuple[int, str]]]:
        found: dict[str, set[tuple[int, str]]] = {}
        for evaluation in result.get_asset_check_evaluations():
            target = evaluation.target_materialization_data
            assert target is not None, evaluation.check_name
            place = found.setdefault(evaluation.asset_key.path[-1], set())
            place.add((target.storage_id, target.run_id))
        return found

    def newest(run_id: str) -> dict[str, set[tuple[int, str]]]:
        found = {}
        for name in ALL:
            of_acme = dg.AssetRecordsFilter(asset_key=dg.AssetKey(["intake", name]), asset_partitions=["acme"])
            (record,) = house.instance.fetch_materializations(of_acme, limit=1).records
            found[name] = {(record.storage_id, run_id)}
        return found

    house.drop("acme", "invoice.xml", GOOD)
    house.asked_for()
    with monkeypatch.context() as patched:
        patched.setattr(dg.DagsterInstance, "fetch_materializations", noted)
        result = materialize(house, "acme")
    assert targets(result) == newest(result.run_id)
    assert sorted(key.path[-1] for key in asked) == sorted(ALL)
    assert len(result.get_asset_check_evaluations()) > len(ALL)

    idle = materialize(house, "acme")
    assert targets(idle) == newest(idle.run_id)

    monkeypatch.delattr(checks_of_assets._OneTarget, "_get_target_materialization_data")
    as_dagster_does = materialize(house, "acme")
    assert targets(as_dagster_does) == newest(as_dagster_does.run_id)


def test_every_stage_says_how_many_how_fast_how_much_and_why_not_and_warns_of_bad_documents(
    house: DagsterHouse,
) -> None:
    house.add("acme")
    house.behind("""update organizations.organization set settings = '{"language": "de"}'""")
    for name, document in {
        "good.xml": GOOD,
        "again.xml": GOOD,
        "credit.xml": CREDIT_NOTE,
        "wrong.xml": WRONG_TOTAL,
        "broken.xml": BROKEN_XML,
    }.items():
        house.drop("acme", name, document)
    house.asked_for()
    result = materialize(house, "acme")
    assert result.success  # bad documents never fail a run

    uploads = metadata(result, "uploads")
    assert (uploads["taken"], uploads["duplicates"], uploads["refused"]) == (4, 1, 0)
    assert uploads["files per second"] > 0
    assert uploads["seconds"] > 0
    assert [row["file"] for row in uploads["duplicate files"]] == ["good.xml"]

    parsed = metadata(result, "parsed_invoices")
    assert (parsed["parsed"], parsed["failed"], parsed["left for the next run"]) == (3, 1, 0)
    (failure,) = parsed["failures"]
    assert failure["file"] == "broken.xml"
    assert failure["code"] == "XML_MALFORMED"
    assert "not well-formed" in failure["reason"]
    assert failure["invoice id"]

    validated = metadata(result, "validated_invoices")
    assert (validated["validated"], validated["failed"]) == (2, 1)
    assert [(row["file"], row["code"]) for row in validated["failures"]] == [("wrong.xml", "BR-CO-15")]
    assert validated["documents per second"] > 0

    exported = metadata(result, "export_files")
    assert (exported["exported"], exported["exports"]) == (2, 1)
    for money in (validated["gross amounts, valid and not exported"], exported["gross amounts"]):
        assert {row["type (BT-3)"]: row["documents"] for row in money} == {"380": 1, "381": 1}
        assert {row["currency"] for row in money} == {"EUR"}
        assert money[0]["gross amount"] == "1,016.00"
    assert sorted(row["rows"] for row in exported["files"])[0] == 2
    chart = exported["all received invoices"].splitlines()
    assert chart[0] == "| Status | Rechnungen | |"
    assert chart[-2].startswith("| Exportiert | 2 | ![green](data:image/svg+xml;base64,")
    assert chart[-1].startswith("| Fehlgeschlagen | 2 | ![red]")
    assert {(row["code"], row["invoices"]) for row in exported["all failures"]} == {
        ("BR-CO-15", 1),
        ("XML_MALFORMED", 1),
    }

    failed = failed_checks(result)
    assert set(failed) == {"all_documents_readable", "all_invoices_valid"}
    assert {evaluation.severity for evaluation in failed.values()} == {dg.AssetCheckSeverity.WARN}
    invalid = plain(failed["all_invoices_valid"].metadata)
    assert invalid["invalid invoices"] == 1
    assert [row["file"] for row in invalid["details"]] == ["wrong.xml"]
    assert {evaluation.partition for evaluation in checks(result).values()} == {"acme"}

    with_nothing_to_do = materialize(house, "acme")
    again = failed_checks(with_nothing_to_do)
    assert set(again) == set(failed), "nobody has seen to these documents yet"
    assert plain(again["all_invoices_valid"].metadata) == invalid
    assert metadata(with_nothing_to_do, "parsed_invoices")["failed"] == 1


def test_a_run_without_anything_to_do_says_so(house: DagsterHouse) -> None:
    house.add("acme")
    result = materialize(house, "acme")
    assert result.success
    assert metadata(result, "uploads")["taken"] == 0
    assert "failures" not in metadata(result, "validated_invoices")
    assert all(evaluation.passed for evaluation in checks(result).values())


def test_a_file_that_is_refused_is_named_and_stays(house: DagsterHouse, configure: Any) -> None:
    configure(upload_max_megabytes=1)
    house.add("acme")
    path = house.drop("acme", "huge.xml", b"<" * 1_000_001)
    house.asked_for()
    result = materialize(house, "acme")
    assert result.success
    check = checks(result)["every_file_was_taken"]
    assert not check.passed
    (row,) = plain(check.metadata)["details"]
    assert row["file"] == "huge.xml"
    assert "INVOICE_PIPELINES_UPLOAD_MAX_MEGABYTES" in row["reason"]
    assert path.exists()


def test_a_broken_promise_stops_what_comes_after_and_names_the_invoice(house: DagsterHouse) -> None:
    house.add("acme")
    house.drop("acme", "first.xml", GOOD)
    house.asked_for()
    house.take_in("acme")
    house.behind("update intake.received_invoice set gross_amount = gross_amount + 1")

    house.drop("acme", "credit.xml", CREDIT_NOTE)
    house.asked_for()
    result = materialize(house, "acme")
    assert not result.success
    check = checks(result)["totals_tie"]
    assert not check.passed
    assert check.severity is dg.AssetCheckSeverity.ERROR
    assert plain(check.metadata)["offending"] == 1
    assert [row["file"] for row in plain(check.metadata)["sample"]] == ["first.xml"]
    assert result.asset_materializations_for_node("intake__validated_invoices")
    assert not result.asset_materializations_for_node("intake__export_files")
    assert house.statuses("acme")["credit.xml"] == "VALIDATED"  # not exported on top of a broken ledger


def test_a_lost_invoice_stops_the_run_at_once(house: DagsterHouse) -> None:
    house.add("acme")
    house.drop("acme", "first.xml", GOOD)
    house.asked_for()
    house.take_in("acme")
    house.behind(
        """insert into intake.upload (organization_id, sha256, size_bytes, file_name, source, created_by)
           select organization_id, repeat('0', 64), 1, 'lost.xml', source, created_by from intake.upload"""
    )
    result = materialize(house, "acme")
    assert not result.success
    check = checks(result)["every_upload_has_an_invoice"]
    assert [row["file"] for row in plain(check.metadata)["sample"]] == ["lost.xml"]
    assert not result.asset_materializations_for_node("intake__parsed_invoices")


def test_runs_over_organizations_take_each_ones_own_files_and_no_others(house: DagsterHouse) -> None:
    slugs = ["acme", "beta"]
    house.add(*slugs)
    for slug in slugs:
        house.drop(slug, f"{slug}.xml", GOOD)
    house.asked_for()
    assert materialize(house, "acme").success
    assert house.statuses("beta") == {}
    assert materialize(house, "beta").success
    for slug in slugs:
        assert house.statuses(slug) == {f"{slug}.xml": "EXPORTED"}
    done = house.instance.get_materialized_partitions(dg.AssetKey(["intake", "export_files"]))
    assert done == set(slugs)
