"""What Dagster shows of invoices that wait for a person: how many, how long, why, and a picture."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import dagster as dg
import psycopg
import pytest

from invoice_pipelines.database import libpq_url
from invoice_pipelines_tests.integration.defs.conftest import GOOD, DagsterHouse, checks, failure_of, outputs, plain
from invoice_pipelines_tests.integration.defs.intake.test_assets import materialize, metadata
from invoice_pipelines_tests.integration.intake.review.pages import page_of

WAITING = "waiting_for_review"


def check_of(result: dg.ExecuteInProcessResult) -> tuple[bool, dict[str, Any]]:
    check = checks(result)[WAITING]
    assert check.severity is dg.AssetCheckSeverity.WARN
    return check.passed, plain(check.metadata)


def test_an_invoice_that_waits_is_counted_shown_and_not_exported(house: DagsterHouse) -> None:
    house.add("acme")
    house.drop("acme", "holzwurm.pdf", page_of("HW-77", "1000.00"))
    house.drop("acme", "good.xml", GOOD)
    house.asked_for()
    result = materialize(house, "acme")
    assert result.success
    assert house.statuses("acme") == {"holzwurm.pdf": "PARSED", "good.xml": "EXPORTED"}

    passed, said = check_of(result)
    assert passed  # it may wait for 48 hours
    assert (said["waiting"], said["may wait for hours"]) == (1, 48.0)
    assert "| IP-REQ-01 | 1 |" in said["by reason"]
    (row,) = said["the oldest"]
    assert (row["file"], row["total"], row["why"]) == ("holzwurm.pdf", "1190.00 EUR", "IP-REQ-01 number")

    validated = metadata(result, "validated_invoices")
    assert (validated["validated"], validated["failed"], validated["waiting for review"]) == (1, 0, 1)
    picture = re.search(r"\(data:image/jpeg;base64,([^)]+)\)", validated["the oldest that waits"])
    assert picture
    assert len(validated["the oldest that waits"]) < 200_000
    assert base64.b64decode(picture[1]).startswith(b"\xff\xd8\xff")
    assert "IP-REQ-01: The invoice number BT-1 is missing." in validated["the oldest that waits"]


def test_one_that_waits_too_long_is_a_warning_even_where_nothing_is_new(house: DagsterHouse) -> None:
    house.add("acme")
    house.drop("acme", "holzwurm.pdf", page_of("HW-77", "1000.00"))
    house.asked_for()
    house.take_in("acme")
    house.behind(
        """alter table intake.received_invoice disable trigger user;
           update intake.received_invoice set last_processed_at = now() - interval '49 hours';
           alter table intake.received_invoice enable trigger user"""
    )
    result = materialize(house, "acme")
    assert result.success
    passed, said = check_of(result)
    assert not passed
    assert said["oldest waits for hours"] == 49.0
    stuck = checks(result)["nothing_is_stuck"]
    assert stuck.passed
    assert "the oldest that waits" not in metadata(result, "validated_invoices")


def test_an_original_that_is_gone_costs_the_picture_and_nothing_else(house: DagsterHouse) -> None:
    house.add("acme")
    house.drop("acme", "holzwurm.pdf", page_of("HW-77", "1000.00"))
    house.asked_for()
    house.take_in("acme")
    for path in (house.folder / "originals").rglob("*"):
        if path.is_file():
            path.unlink()
    house.drop("acme", "good.xml", GOOD)
    house.asked_for()
    result = materialize(house, "acme")
    assert result.success
    assert house.statuses("acme")["good.xml"] == "EXPORTED"
    assert "the oldest that waits" not in metadata(result, "validated_invoices")


def test_nothing_that_waits_is_nothing_to_show(house: DagsterHouse) -> None:
    house.add("acme")
    house.drop("acme", "good.xml", GOOD)
    house.asked_for()
    result = materialize(house, "acme")
    passed, said = check_of(result)
    assert passed
    assert said["waiting"] == 0
    assert "the oldest" not in said
    assert metadata(result, "validated_invoices")["waiting for review"] == 0


def decide(house: DagsterHouse, **config: Any) -> dict[str, Any]:
    """What the job of decisions says, with its config."""
    config = {"organization": "acme", **config}
    return outputs(house.run("decide_reviews", config={"ops": {"decide_waiting_invoices": {"config": config}}}))


def test_many_are_decided_at_once_and_nothing_is_without_write(house: DagsterHouse) -> None:
    house.add("acme", "beta")
    for slug in ("acme", "beta"):
        house.drop(slug, "one.pdf", page_of("HW-77", "1000.00"))
        house.drop(slug, "two.pdf", page_of("HW-78", "2000.00"))
    house.asked_for()
    for slug in ("acme", "beta"):
        house.take_in(slug)
    waits = {"one.pdf": "PARSED", "two.pdf": "PARSED"}
    assert house.statuses("acme") == house.statuses("beta") == waits

    refused = decide(house, decision="accept", write=True)
    assert refused["refused"] == 2, "no person can accept a number that is not there"
    shown = decide(house, decision="reject", reason="not ours", codes=["IP-REQ-01"])
    assert (shown["would be rejected"], shown["written"]) == (2, False)
    assert decide(house, decision="reject", reason="not ours", codes=["LOW_CONFIDENCE"]) == {"written": False}
    assert house.statuses("acme") == waits
    told = house.run(
        "decide_reviews",
        config={"ops": {"decide_waiting_invoices": {"config": {"organization": "acme", "decision": "reject"}}}},
    )
    assert failure_of(told) == "reason: a rejection needs one."

    assert decide(house, decision="reject", reason="not ours", write=True)["FAILED"] == 2
    assert house.statuses("acme") == {"one.pdf": "FAILED", "two.pdf": "FAILED"}
    assert house.statuses("beta") == waits


def test_what_was_exported_is_exported_again(house: DagsterHouse) -> None:
    house.add("acme")
    house.drop("acme", "good.xml", GOOD)
    house.asked_for()
    house.take_in("acme")
    ((wanted,),) = house.rows("acme", "select id::text from public.received_invoice")
    config = {"organization": "acme", "invoice_ids": [wanted, str(uuid4())]}
    said = outputs(house.run("export_again", config={"ops": {"ask_for_export_again": {"config": config}}}))
    assert list(said.values()) == [1, 1]
    assert house.asked_for() == ["acme"]
    house.take_in("acme")
    assert house.rows("acme", "select count(*) from intake.export where status = 'completed'")[0][0] == 2


@pytest.mark.direct
def test_beside_a_transaction_left_open_one_line_names_who_holds_the_invoice_and_nothing_is_half_done(
    house: DagsterHouse, configure: Callable[..., None]
) -> None:
    configure(database_lock_timeout_seconds=0.4)
    house.add("acme")
    house.drop("acme", "good.xml", GOOD)
    house.asked_for()
    house.take_in("acme")
    ((wanted,),) = house.rows("acme", "select id::text from public.received_invoice")
    config = {"ops": {"ask_for_export_again": {"config": {"organization": "acme", "invoice_ids": [wanted]}}}}
    with psycopg.connect(libpq_url(house.database.owner_url), application_name="psql of anna") as session:
        session.execute("select from intake.received_invoice for update")
        refused = failure_of(house.run("export_again", config=config))
        assert f"held by process {session.info.backend_pid} ('psql of anna'" in refused
    assert house.statuses("acme") == {"good.xml": "EXPORTED"}
    assert list(outputs(house.run("export_again", config=config)).values()) == [1, 0]
