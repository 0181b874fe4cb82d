"""DATEV in real runs: what an export reports of bookings, and of what could not be booked."""

from __future__ import annotations

from invoice_pipelines.database import organization_scope
from invoice_pipelines.intake.exports.datev.accounts.rules import check_rules, replace_rules
from invoice_pipelines.intake.exports.datev.choosing import retry_waiting
from invoice_pipelines.intake.exports.datev.settings import checked_settings, save_settings
from invoice_pipelines_tests.integration.defs.conftest import CREDIT_NOTE, GOOD, DagsterHouse
from invoice_pipelines_tests.integration.defs.intake.test_assets import materialize, metadata


def test_an_export_reports_bookings_sums_and_what_is_missing(house: DagsterHouse) -> None:
    house.add("acme")
    settings = checked_settings(consultant=29098, client=55003, chart="SKR03")
    with organization_scope(house.database.engine, house.id_of("acme")) as connection:
        save_settings(connection, settings, "test")
    house.drop("acme", "good.xml", GOOD)
    house.drop("acme", "credit.xml", CREDIT_NOTE)
    house.asked_for()
    result = materialize(house, "acme")
    assert result.success
    first = metadata(result, "export_files")
    assert (first["exported"], first["DATEV bookings"], first["not booked"]) == (2, 0, 2)
    assert {row["file"] for row in first["not booked, with reasons"]} == {"good.xml", "credit.xml"}
    assert all(row["what is missing"] for row in first["not booked, with reasons"])

    with organization_scope(house.database.engine, house.id_of("acme")) as connection:
        rules, _ = check_rules([{"account": "3200", "tax_key": "none"}], settings.accounts)
        replace_rules(connection, rules, "test")
        assert retry_waiting(connection) == 2
    result = materialize(house, "acme")
    second = metadata(result, "export_files")
    assert (second["exported"], second["exports"], second["not booked"]) == (0, 1, 0)
    assert second["DATEV bookings"] == sum(row["bookings"] for row in second["DATEV sums"]) >= 2
    assert {row["format"] for row in second["files"]} == {"DATEV"}
    assert {row["account"] for row in second["DATEV sums"]} == {"3200"}
