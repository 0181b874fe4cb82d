"""Admins look after endpoints; secrets are told once, and read by nobody through the web."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from standardwebhooks import Webhook

from invoice_pipelines.accounts.credentials import fingerprint
from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.database import organization_scope
from invoice_pipelines.events.webhooks.sending import deliver_webhooks
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import Settings
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.web.api.test_events_api import change
from invoice_pipelines_tests.support.receiver import Receiver, Reply
from invoice_pipelines_tests.support.web import Site, Tenant, open_tenant, problem_of, running_site


@pytest.fixture(scope="module")
def shop(shared_database: TestDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site whose webhooks may go to this machine."""
    home = tmp_path_factory.mktemp("home")
    with running_site(shared_database, DAGSTER_HOME=home, webhook_local_addresses=True) as site:
        yield site


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def tenant(shop: Site) -> Tenant:
    return open_tenant(shop.database)


def deliver(shop: Site, tenant: Tenant) -> Any:
    """As a run of Dagster does it."""
    settings: Settings = shop.settings
    context = OrganizationContext.of(shop.database.engine, tenant.slug, settings, "run")
    return deliver_webhooks(context, time_box=timedelta(seconds=30))


def test_an_endpoint_is_added_told_looked_at_and_removed(shop: Site, tenant: Tenant, receiver: Receiver) -> None:
    with shop.browser(tenant.sessions[Role.ADMIN]) as client:
        made = client.post(
            shop.path(tenant, "webhooks"), json={"url": receiver.url, "event_types": ["batch_operation.*"]}
        )
        assert made.status_code == 201, made.text
        path = made.headers["location"]
        assert client.get(path).json()["status"] == "enabled"
        change(tenant)
        assert deliver(shop, tenant).delivered == 1
        Webhook(made.json()["secret"]).verify(receiver.got[0].body, receiver.got[0].headers)
        (told,) = client.get(f"{path}/deliveries").json()["items"]
        assert (told["status"], told["status_code"], told["event_id"]) == ("delivered", 200, receiver.got[0].id)
        receiver.replies = [Reply(500)]
        change(tenant)
        deliver(shop, tenant)
        (failed,) = client.get(f"{path}/deliveries", params={"status": "pending"}).json()["items"]
        one = client.get(shop.path(tenant, f"webhook-deliveries/{failed['id']}")).json()
        assert [attempt["error_code"] for attempt in one["attempt_log"]] == ["HTTP_500"]
        changed = client.patch(path, json={"description": "the shop", "event_types": []})
        assert (changed.json()["description"], changed.json()["event_types"]) == ("the shop", [])
        assert client.delete(path).status_code == 204
        assert problem_of(client.get(path), 404)["code"] == "ENDPOINT_NOT_FOUND"
        assert client.get(shop.path(tenant, "webhooks")).json()["items"] == []
    assert tenant.view.value("select created_by from events.webhook_endpoint").startswith("admin-")


def test_a_secret_is_told_once_and_an_equal_request_makes_no_second_endpoint(
    shop: Site, tenant: Tenant, receiver: Receiver
) -> None:
    path, body, key = shop.path(tenant, "webhooks"), {"url": receiver.url}, {"Idempotency-Key": "one"}
    with shop.client(tenant.tokens["writer"]) as client:
        first, second = (client.post(path, json=body, headers=key) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["secret"].startswith("whsec_")
    assert second.json() == first.json() | {"secret": None}
    assert first.json()["secret"] not in str(tenant.view.rows("select * from web.idempotency_key"))
    with shop.client(tenant.tokens["writer"]) as client:
        again = problem_of(client.post(shop.path(tenant, "webhooks"), json={"url": receiver.url}), 409)
    assert again["code"] == "ENDPOINT_EXISTS"


def test_secrets_are_changed_through_the_web_and_not_read(shop: Site, tenant: Tenant, receiver: Receiver) -> None:
    with shop.browser(tenant.sessions[Role.ADMIN]) as client:
        made = client.post(shop.path(tenant, "webhooks"), json={"url": receiver.url}).json()
        path = made["url"]
        new = client.post(f"{path}/rotate-secret", json={}).json()
        change(tenant)
        deliver(shop, tenant)
        for secret in (made["secret"], new["secret"]):
            Webhook(secret).verify(receiver.got[-1].body, receiver.got[-1].headers)
    as_admin = shop.engine.execution_options(credential=fingerprint(tenant.sessions[Role.ADMIN]))
    with organization_scope(as_admin, tenant.id) as connection:
        assert connection.execute(text("select count(*) from events.webhook_endpoint")).scalar_one() == 1
        assert connection.execute(text("select count(*) from events.webhook_secret")).scalar_one() == 0
    as_accountant = shop.engine.execution_options(credential=fingerprint(tenant.sessions[Role.ACCOUNTANT]))
    with pytest.raises(Exception, match="may not do that"), organization_scope(as_accountant, tenant.id) as connection:
        connection.execute(text("update events.webhook_endpoint set url = 'https://elsewhere.example'"))


def test_disabled_enabled_and_told_again(shop: Site, tenant: Tenant, receiver: Receiver) -> None:
    before = datetime.now(UTC).isoformat()
    with shop.browser(tenant.sessions[Role.ADMIN]) as client:
        path = client.post(shop.path(tenant, "webhooks"), json={"url": receiver.url}).json()["url"]
        shown = client.post(f"{path}/disable", json={"reason": "we move"}).json()
        assert (shown["status"], shown["status_reason"]) == ("disabled", "we move")
        change(tenant, 2)
        assert deliver(shop, tenant).delivered == 0
        refused = problem_of(client.post(f"{path}/replay", json={"since": before}), 409)
        assert refused["code"] == "ENDPOINT_DISABLED"
        assert client.post(f"{path}/enable").json()["status"] == "enabled"
        assert client.post(f"{path}/replay", json={"since": before}).json() == {"events": 2}
        assert deliver(shop, tenant).delivered == 2
        (told, _) = client.get(f"{path}/deliveries").json()["items"]
        again = client.post(shop.path(tenant, f"webhook-deliveries/{told['id']}/replay"))
        assert again.json()["status"] == "pending"
        assert deliver(shop, tenant).delivered == 1


def test_what_is_wrong_with_an_endpoint_is_told_by_field(site: Site) -> None:
    with site.browser(site.a.sessions[Role.ADMIN]) as client:
        path = site.path(site.a, "webhooks")
        for body, said in (
            ({"url": "http://127.0.0.1:1/hooks"}, "private networks"),
            ({"url": "https://169.254.169.254/"}, "private networks"),
            ({"url": "https://shop.example/", "event_types": ["invoice.payed"]}, "invoice.payed"),
            ({"url": "https://shop.example/", "description": "x" * 201}, "description"),
            ({"url": "https://shop.example/", "unknown": 1}, "unknown"),
            ({}, "url"),
        ):
            assert said in problem_of(client.post(path, json=body), 422)["detail"]
