"""Webhooks in Dagster: the sensor finds what is to be told, a sweep tells it beside all else, and checks warn."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import dagster as dg
import pytest
from cryptography.fernet import Fernet

from invoice_pipelines.events.webhooks.endpoints import add_endpoint
from invoice_pipelines.settings import load_settings
from invoice_pipelines.work import cancel_job, create_job
from invoice_pipelines_tests.integration.defs.conftest import DagsterHouse
from invoice_pipelines_tests.support.receiver import Receiver, Reply


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def office(house: DagsterHouse, configure: Callable[..., None]) -> DagsterHouse:
    keys = Fernet.generate_key().decode()
    configure(webhook_local_addresses="true", webhook_timeout_seconds=1, encryption_keys=keys)
    house.add("acme", "other")
    return house


def change(house: DagsterHouse, slug: str, times: int = 1) -> None:
    with house.context(slug).scope() as connection:
        for _ in range(times):
            cancel_job(connection, create_job(connection, "tidy_up", ["a"], created_by="anna"), cancelled_by="anna")


def listen(house: DagsterHouse, slug: str, receiver: Receiver, *types: str) -> None:
    with house.context(slug).scope() as connection:
        add_endpoint(connection, load_settings(), receiver.url, event_types=types, created_by="anna")


def asked_for(house: DagsterHouse) -> list[str]:
    """Slugs of the sweep that the sensor asks for."""
    requests = house.look("webhooks_due").run_requests or []
    return [
        slug for request in requests for slug in request.run_config["ops"]["sweep_webhooks"]["config"]["organizations"]
    ]


def sweep(house: DagsterHouse, *slugs: str) -> dg.ExecuteInProcessResult:
    return house.run("webhooks_sweep", config={"ops": {"sweep_webhooks": {"config": {"organizations": list(slugs)}}}})


def test_what_happened_is_told_once_where_somebody_listens(office: DagsterHouse, receiver: Receiver) -> None:
    change(office, "acme")
    assert asked_for(office) == []
    listen(office, "acme", receiver)
    assert asked_for(office) == [], "it is told of what happens from now on"
    change(office, "acme", 3)
    change(office, "other")
    assert asked_for(office) == ["acme"]
    done = sweep(office, "acme")
    assert done.success
    assert len(receiver.got) == 3
    assert asked_for(office) == []
    (told,) = [event.materialization for event in done.get_asset_materialization_events()]
    assert told.partition == "acme"
    assert told.metadata["told"].value == 3


def test_what_nobody_wants_asks_for_no_run(office: DagsterHouse, receiver: Receiver) -> None:
    listen(office, "acme", receiver, "invoice.*")
    change(office, "acme", 5)
    assert asked_for(office) == []


def test_an_endpoint_that_fails_stops_no_other_and_is_warned_of(office: DagsterHouse, receiver: Receiver) -> None:
    with Receiver() as broken:
        broken.answer = lambda _: Reply(500)
        listen(office, "acme", broken)
        listen(office, "other", receiver)
        for slug in ("acme", "other"):
            change(office, slug)
        assert sorted(asked_for(office)) == ["acme", "other"]
        assert sweep(office, "acme", "other").success
        assert len(receiver.got) == 1
        assert asked_for(office) == [], "it is tried again later"
        office.behind(
            """update events.webhook_endpoint set failing_since = now() - interval '2 hours', rests_until = now()
               where failures > 0"""
        )
        office.behind(
            "update work.batch_item set available_at = now() where kind = 'send_webhook' and status = 'pending'"
        )
        assert asked_for(office) == ["acme"]
        assert sweep(office, "acme").success
        assert office.check_states("events/webhook_deliveries", "endpoints_answer")["acme"] == "FAILED"
        broken.answer = lambda _: Reply(410)
        office.behind("update events.webhook_endpoint set rests_until = now() where failures > 0")
        office.behind(
            "update work.batch_item set available_at = now() where kind = 'send_webhook' and status = 'pending'"
        )
        assert sweep(office, "acme").success
    (endpoint,) = office.rows("acme", "select status, status_reason from events.webhook_endpoint")
    assert tuple(endpoint) == ("disabled", "The endpoint says that it is gone (410).")
