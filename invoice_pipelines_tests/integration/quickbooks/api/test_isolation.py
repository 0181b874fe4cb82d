"""No call that is made for an organization ever carries the token, or leads to the company, of another one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from sqlalchemy import text

from invoice_pipelines.database import organization_scope
from invoice_pipelines.quickbooks.api.client import QuickBooks
from invoice_pipelines.quickbooks.api.faults import Fault, RealmPaused
from invoice_pipelines.settings import Settings
from invoice_pipelines.workshop.sandbox.quickbooks import Sandbox
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.support.sizes import example_count

REALMS = ["9130001", "9130002", "9130003"]


def read_all(client: QuickBooks, name: str, number: int) -> None:
    list(client.query("Customer", page_size=2))


def create(client: QuickBooks, name: str, number: int) -> None:
    client.write("Customer", {"DisplayName": f"{name} {number}"}, request_id=f"{name}-{number}")


def batch(client: QuickBooks, name: str, number: int) -> None:
    body = f'{{"BatchItemRequest":[{{"bId":"1","operation":"create","Item":{{"Name":"{name} {number}"}}}}]}}'
    client.batch(body, f"{name}-batch-{number}")


def changes(client: QuickBooks, name: str, number: int) -> None:
    client.changes(["Customer", "Item"], datetime.now(UTC) - timedelta(hours=1))


def company(client: QuickBooks, name: str, number: int) -> None:
    client.company()


def count(client: QuickBooks, name: str, number: int) -> None:
    client.count("Item")


def read_what_others_have(client: QuickBooks, name: str, number: int) -> None:
    client.read("Customer", str(number))


CALLS = [read_all, create, batch, changes, company, count, read_what_others_have]
Step = tuple[int, Callable[[QuickBooks, str, int], None], bool]


@hypothesis(max_examples=example_count(12), suppress_health_check=list(HealthCheck))
@given(
    threads=st.lists(
        st.lists(st.tuples(st.integers(0, 2), st.sampled_from(CALLS), st.booleans()), min_size=3, max_size=8),
        min_size=2,
        max_size=4,
    )
)
def test_calls_of_several_organizations_at_once_stay_with_their_own_company(
    database: TestDatabase,
    quickbooks_settings: Settings,
    sandbox: Sandbox,
    connected: Callable[..., UUID],
    threads: list[list[Step]],
) -> None:
    organizations = _organizations(connected, sandbox)
    _reconnect(database, organizations)
    sandbox.traffic.clear()
    clients = [QuickBooks(database.engine, quickbooks_settings, one) for one in organizations]

    def work(steps: list[Step], thread: int) -> None:
        for number, (place, call, expires) in enumerate(steps):
            if expires:
                sandbox.oauth.expire(REALMS[place])
            with suppress(Fault, RealmPaused):
                call(clients[place], f"of {REALMS[place]}", 100 * thread + number)

    workers = [threading.Thread(target=work, args=(steps, place)) for place, steps in enumerate(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for client in clients:
        client.close()

    calls = [call for call in sandbox.log if call.realm]
    assert calls
    for call in calls:
        assert call.token_realm in (call.realm, "")  # empty: it had ended
        others = [realm for realm in REALMS if realm != call.realm]
        assert not any(f"of {realm}".encode() in call.body for realm in others)
    for realm in REALMS:
        named = [document["DisplayName"] for document in sandbox.accountant(realm).documents("Customer")]
        assert all(name.startswith(f"of {realm}") for name in named)


def _reconnect(database: TestDatabase, organizations: list[UUID]) -> None:
    """A token that ends as soon as it is given, as threads may do to one another here, stops or pauses a connection."""
    for organization in organizations:
        with organization_scope(database.engine, organization) as connection:
            connection.execute(text("update quickbooks.connection set status = 'connected', paused_until = null"))


_made: dict[int, list[UUID]] = {}


def _organizations(connected: Callable[..., UUID], sandbox: Sandbox) -> list[UUID]:
    """Those of the test's database, made by the first example."""
    if id(sandbox) not in _made:
        _made[id(sandbox)] = [connected(f"organization-{realm}", realm) for realm in REALMS]
    return _made[id(sandbox)]
