"""Two organizations at once over one pool of sessions: nobody sees or signs what belongs to the other."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from invoice_pipelines.accounts.roles import SCOPES, Role
from invoice_pipelines.accounts.tokens import add_token
from invoice_pipelines.accounts.users import set_role
from invoice_pipelines_tests.support.sizes import size
from invoice_pipelines_tests.support.web import Tenant, add_person, add_session
from invoice_pipelines_tests.system.web.calls import Answer, ApiClient, Figures, at_once
from invoice_pipelines_tests.system.web.conftest import CUSTOMERS
from invoice_pipelines_tests.system.web.process import Installation

pytestmark = [pytest.mark.slow, pytest.mark.alone]

CLIENTS = 200
SECONDS = size(5, 60)


@dataclass(frozen=True)
class Credential:
    """Who calls. `author` is what the audit trail must say of them."""

    tenant: Tenant
    author: str
    secret: str
    may_write: bool


def credentials_of(site: Installation, tenant: Tenant) -> list[Credential]:
    """Of an organization: five people and five programs, some of whom may only read."""
    found = []
    for n, role in enumerate([Role.VIEWER, Role.ACCOUNTANT, Role.ACCOUNTANT, Role.ADMIN, Role.ADMIN]):
        email = add_person(site.database, f"person{n}")
        with site.database.engine.begin() as connection:
            set_role(connection, email, tenant.slug, role, actor="test")
        secret = add_session(site.database, email)
        found.append(Credential(tenant, email, secret, role is not Role.VIEWER))
    for n, scopes in enumerate([["read"], SCOPES, SCOPES, SCOPES, SCOPES]):
        name = f"{tenant.slug}-program-{n}"
        with tenant.view.scope() as connection:
            _, secret = add_token(connection, name, scopes, actor="test")
        found.append(Credential(tenant, f"token {name}", secret, len(scopes) > 1))
    return found


class Caller:
    """One of the clients. It keeps what it was told of its writes: who asked for which customer or batch operation."""

    def __init__(self, site: Installation, credentials: list[Credential], seed: int) -> None:
        self.program = ApiClient(site.web.port)
        self.customers: dict[str, Credential] = {}
        self.jobs: dict[str, Credential] = {}
        self._site = site
        self._credentials = credentials
        self._chance = random.Random(seed)
        self._calls = [self.read, self.read, self.read, self.write, self.ask, self.fail, self.stray]

    def call(self) -> Answer:
        """Something, in the name of anybody."""
        by = self._chance.choice(self._credentials)
        other = next(c.tenant for c in self._credentials if c.tenant is not by.tenant)
        answer = self._chance.choice(self._calls)(by, other)
        assert other.slug not in answer.body.decode(), (by, answer)
        return answer

    def read(self, by: Credential, other: Tenant) -> Answer:
        number = f"C-{self._chance.randrange(CUSTOMERS):03}"
        answer = self._send(by, "GET", self._chance.choice(["customers?limit=50", f"customers/{number}"]))
        assert answer.status == 200
        found = answer.json()
        for row in found.get("items", [found]):
            assert row["name"].startswith(by.tenant.slug)
        return answer

    def write(self, by: Credential, other: Tenant) -> Answer:
        number, key = f"N-{uuid4()}", self._chance.choice([None, str(uuid4())])
        body = {"customer_number": number, "name": f"{by.tenant.slug} by {by.author}", "country_code": "DE"}
        answer = self._send(by, "POST", "customers", body, key)
        if not by.may_write:
            assert answer.status == 403, answer
            return answer
        assert answer.status == 201, answer
        assert answer.json()["created_by"] == by.author
        self.customers[number] = by
        if key is not None:
            assert self._send(by, "POST", "customers", body, key).body == answer.body
        return answer

    def ask(self, by: Credential, other: Tenant) -> Answer:
        answer = self._send(by, "POST", "batch-operations/invoices", {"sales_order_ids": [str(uuid4())]}, str(uuid4()))
        assert answer.status == (202 if by.may_write else 403), answer
        if by.may_write:
            self.jobs[answer.json()["job_id"]] = by
        return answer

    def fail(self, by: Credential, other: Tenant) -> Answer:
        """What ends in an error in the middle of its transaction."""
        taken = {"customer_number": "C-001", "name": "Taken", "country_code": "DE"}
        order = {"order_number": str(uuid4()), "customer_number": "nobody", "order_date": "2026-01-02"}
        lines = [{"description": "Work", "quantity": "1", "unit_price": "1"}]
        path, body = self._chance.choice([("customers", taken), ("sales-orders", {**order, "lines": lines})])
        answer = self._send(by, "POST", path, body, str(uuid4()))
        assert answer.status in ((404, 409, 422) if by.may_write else (403,)), answer
        return answer

    def stray(self, by: Credential, other: Tenant) -> Answer:
        """What leads out of the organization, and a credential of nobody."""
        job = self._chance.choice([*self.jobs, str(uuid4())])
        owner = self.jobs.get(job)
        path, secret, status = self._chance.choice(
            [
                (self._site.path(other, "customers"), by.secret, 404),
                (
                    self._site.path(by.tenant, f"batch-operations/{job}"),
                    by.secret,
                    200 if owner and owner.tenant is by.tenant else 404,
                ),
                (self._site.path(by.tenant, "customers"), "ip_live_" + "x" * 43, 401),
            ]
        )
        answer = self.program.call("GET", path, secret)
        assert answer.status == status, answer
        return answer

    def _send(self, by: Credential, method: str, rest: str, body: Any = None, key: str | None = None) -> Answer:
        return self.program.call(method, self._site.path(by.tenant, rest), by.secret, body=body, key=key)


def test_many_requests_of_two_organizations_at_once_stay_apart(site: Installation) -> None:
    credentials = [one for tenant in (site.a, site.b) for one in credentials_of(site, tenant)]
    callers = [Caller(site, credentials, seed) for seed in range(CLIENTS)]
    figures, lock = Figures(), threading.Lock()
    until = time.monotonic() + SECONDS

    def run(caller: Caller) -> None:
        while (began := time.monotonic()) < until:
            answer = caller.call()
            with lock:
                figures.add(time.monotonic() - began, answer.status)
        caller.program.close()

    at_once([lambda caller=caller: run(caller) for caller in callers])
    print(f"\n{CLIENTS} clients of two organizations, {len(credentials)} credentials, {SECONDS} s: {figures}")
    assert figures.errors == 0

    customers = {number: by for caller in callers for number, by in caller.customers.items()}
    jobs = {job: by for caller in callers for job, by in caller.jobs.items()}
    tenants = {"tenants": [site.a.id, site.b.id]}
    with site.database.superuser.connect() as connection:
        written = connection.execute(
            text(
                """select customer_number, organization_id, name, created_by from billing.customer
                   where customer_number like 'N-%' and organization_id = any(:tenants)"""
            ),
            tenants,
        ).all()
        asked = connection.execute(
            text("select id, organization_id, created_by from work.batch_job where organization_id = any(:tenants)"),
            tenants,
        ).all()
        kept = connection.execute(
            text("select organization_id, created_by from web.idempotency_key where organization_id = any(:tenants)"),
            tenants,
        ).all()
    assert {row.customer_number for row in written} == set(customers)
    for row in written:
        by = customers[row.customer_number]
        assert (row.organization_id, row.created_by) == (by.tenant.id, by.author)
        assert row.name == f"{by.tenant.slug} by {by.author}"
    assert {str(row.id) for row in asked} == set(jobs)
    for row in asked:
        assert (row.organization_id, row.created_by) == (jobs[str(row.id)].tenant.id, jobs[str(row.id)].author)
    authors = {(by.tenant.id, by.author) for by in credentials}
    assert {tuple(row) for row in kept} <= authors
    print(Counter(row.created_by.split("@")[0] for row in written).most_common(3), len(asked), "batch operations")
