"""Programs read what changed from a cursor on."""

from __future__ import annotations

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.work import cancel_job, create_job
from invoice_pipelines_tests.support.web import Site, Tenant, open_tenant, problem_of


def change(tenant: Tenant, times: int = 1) -> list[str]:
    with tenant.view.scope() as connection:
        jobs = [create_job(connection, "tidy_up", ["a"], created_by="anna") for _ in range(times)]
        for job in jobs:
            cancel_job(connection, job, cancelled_by="anna")
    return [str(job) for job in jobs]


def test_a_program_reads_on_from_where_it_was_and_gets_each_event_once(site: Site) -> None:
    tenant = open_tenant(site.database)
    path = site.path(tenant, "events")
    with site.client(tenant.tokens["reader"]) as client:
        start = client.get(path, params={"start": "now"}).json()
        assert start["items"] == []
        jobs = change(tenant, 5)
        seen, after = [], start["next"]
        for _ in range(3):
            page = client.get(path, params={"after": after, "limit": 2}).json()
            seen += [event["subject_id"] for event in page["items"]]
            after = page["next"]
        assert seen == jobs
        assert client.get(path, params={"after": after}).json()["items"] == []
        (later,) = change(tenant)
        (event,) = client.get(path, params={"after": after}).json()["items"]
    assert (event["type"], event["subject_id"]) == ("batch_operation.cancelled", later)
    assert event["created_at"].endswith("Z")
    assert event["data"]["kind"] == "tidy_up"


def test_from_the_oldest_and_by_type(site: Site) -> None:
    tenant = open_tenant(site.database)
    change(tenant, 2)
    with site.browser(tenant.sessions[Role.VIEWER]) as client:
        path = site.path(tenant, "events")
        assert len(client.get(path).json()["items"]) == 2
        assert len(client.get(path, params={"type": ["invoice.*", "batch_operation.cancelled"]}).json()["items"]) == 2
        assert client.get(path, params={"type": "invoice.*"}).json()["items"] == []
        assert "invoice.payed" in problem_of(client.get(path, params={"type": "invoice.payed"}), 422)["detail"]
        wrong = problem_of(client.get(path, params={"after": "x"}), 422)
        assert wrong["errors"][0]["field"] == "after"


def test_a_cursor_of_another_organization_shows_nothing_of_it(site: Site) -> None:
    one, other = open_tenant(site.database), open_tenant(site.database)
    change(one)
    with site.client(one.tokens["reader"]) as client:
        begin = client.get(site.path(one, "events"), params={"limit": 1}).json()
    with site.client(other.tokens["reader"]) as client:
        assert client.get(site.path(other, "events"), params={"after": begin["next"]}).json()["items"] == []
