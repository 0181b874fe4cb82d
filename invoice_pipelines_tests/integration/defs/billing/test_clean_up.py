"""Invoicing jobs that get stuck: nothing is stuck for ever, and nothing healthy is killed."""

from __future__ import annotations

from datetime import UTC, datetime

from invoice_pipelines_tests.integration.defs.billing.conftest import SellersHouse
from invoice_pipelines_tests.integration.defs.conftest import DagsterHouse, outputs


def half_an_hour_later(shop: SellersHouse) -> dict[str, object]:
    """What the clean-up reports at its next turn after that time."""
    shop.house.behind("update work.batch_job set last_progress_at = last_progress_at - interval '31 minutes'")
    result = shop.house.run("stuck_work_clean_up")
    assert result.success
    return outputs(result)


def test_a_job_whose_every_run_fails_is_ended_after_its_fourth_standstill(shop: SellersHouse) -> None:
    shop.open("acme")
    job = shop.ask("acme", shop.orders("acme", "1", "1"))
    shop.house.behind("revoke insert on billing.invoice_number from invoice_pipelines_books")
    for _ in range(3):
        assert not shop.house.run("invoicing", "acme").success
        assert half_an_hour_later(shop)["reopened jobs"] == 1
    assert not shop.house.run("invoicing", "acme").success
    found = half_an_hour_later(shop)
    assert (found["ended jobs"], found["failed items"]) == (1, 2)
    row = shop.house.rows("acme", "select status, last_error from work.batch_job where id = :id", id=job)[0]
    assert row.status == "failed"
    assert row.last_error.startswith("STUCK: ")
    assert shop.numbers("acme") == []
    assert shop.asked_for() == [], "no run is asked for any more"

    shop.house.behind("grant insert on billing.invoice_number to invoice_pipelines_books")
    assert shop.value("acme", "select work.retry_failed_items(:id, 'anna')", id=job) == 2
    assert shop.house.run("invoicing", "acme").success
    assert len(shop.numbers("acme")) == 2


def test_the_schedule_asks_for_a_run_only_where_something_is_stuck(kept_house: DagsterHouse) -> None:
    shop = SellersHouse(kept_house)
    shop.open("acme")
    shop.ask("acme", shop.orders("acme", "1"))
    schedule = shop.house.defs.resolve_schedule_def("stuck_work_every_ten_minutes")
    with shop.house.schedule_context(datetime.now(UTC)) as context:
        assert schedule.evaluate_tick(context).skip_message == "nothing is stuck"
        shop.house.behind(
            """update work.batch_job set status = 'processing', started_at = now(),
                                         last_progress_at = now() - interval '31 minutes'"""
        )
        for _ in range(2):
            (request,) = schedule.evaluate_tick(context).run_requests or []
            assert request.job_name in (None, "stuck_work_clean_up")
    assert outputs(shop.house.run("stuck_work_clean_up"))["reopened jobs"] == 1, "looking for it changed nothing"


def test_a_job_that_waits_for_a_run_is_never_ended(shop: SellersHouse) -> None:
    shop.open("acme")
    shop.ask("acme", shop.orders("acme", "1"))
    for _ in range(5):
        found = half_an_hour_later(shop)
        assert (found["reopened jobs"], found["ended jobs"]) == (0, 0)
    assert shop.house.run("invoicing", "acme").success
    assert len(shop.numbers("acme")) == 1


def test_a_job_with_wrong_counts_ends_its_run_and_is_closed_by_the_clean_up(shop: SellersHouse) -> None:
    shop.open("acme")
    job = shop.ask("acme", shop.orders("acme", "1"))
    shop.house.behind("update work.batch_job set total_items = 2")  # as a careless hand would
    assert shop.house.run("invoicing", "acme").success
    assert len(shop.numbers("acme")) == 1
    assert shop.asked_for() == []
    shop.house.behind("update work.batch_job set total_items = 1, successful_items = 0")
    assert half_an_hour_later(shop)["closed jobs"] == 1
    assert shop.value("acme", "select status from work.batch_job where id = :id", id=job) == "completed"
