"""What is overdue is looked for and listed; what customers owe is told as JSON and as CSV."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from typing import Any

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.billing.payments import record_payment
from invoice_pipelines_tests.integration.web.runs import run_look_for_overdue
from invoice_pipelines_tests.support.billing.shop import Shop
from invoice_pipelines_tests.support.web import Site, Tenant, problem_of


def test_a_run_is_asked_for_and_what_it_noticed_is_listed(site: Site, shop: Shop, tenant: Tenant) -> None:
    late, paid = shop.issue({}, {}, invoice_date="2026-01-15")
    with site.client(tenant.tokens["writer"]) as client:

        def look(**body: str) -> dict[str, Any]:
            asked = client.post(site.path(tenant, "overdue/runs"), json=body)
            assert asked.status_code == 202, asked.text
            run_look_for_overdue(tenant)
            assert client.get(asked.headers["location"]).json()["status"] == "completed"
            (item,) = client.get(f"{asked.headers['location']}/items").json()["items"]
            found: dict[str, Any] = client.get(site.path(tenant, f"overdue/runs/{item['result']['run_id']}")).json()
            return found

        first = look()
        assert (first["status"], first["created_count"]) == ("SUCCESS", 2)
        second = look(as_of="2026-03-01")
        assert (second["as_of"], second["created_count"]) == ("2026-03-01", 0)
        with shop.scope() as connection:
            record_payment(connection, paid, Decimal("119.00"), recorded_by="anna")
        assert look()["closed_count"] == 1
        runs = client.get(site.path(tenant, "overdue/runs"), params={"limit": 2}).json()
        assert len(runs["items"]) == 2
        rest = client.get(site.path(tenant, "overdue/runs"), params={"after": runs["next"]}).json()
        assert rest["items"] == [first]
        (found,) = client.get(site.path(tenant, "overdue/notifications"), params={"status": "open"}).json()["items"]
        assert (found["invoice_id"], found["amount_due"]) == (str(late), "119.00")
        assert client.get(site.path(tenant, f"overdue/notifications/{found['id']}")).json() == found
        for path, code in (("overdue/notifications", "NOTIFICATION_NOT_FOUND"), ("overdue/runs", "RUN_NOT_FOUND")):
            assert problem_of(client.get(site.path(tenant, f"{path}/{late}")), 404)["code"] == code
        wrong = client.post(site.path(tenant, "overdue/runs"), json={"as_of": "2999-01-01"})
        assert "2999-01-01" in problem_of(wrong, 422)["detail"]


def test_receivables_by_customer_and_currency(site: Site, shop: Shop, tenant: Tenant) -> None:
    shop.issue({}, {}, invoice_date="2026-01-15")
    with site.browser(tenant.sessions[Role.VIEWER]) as client:
        aging = client.get(site.path(tenant, "receivables")).json()
        assert {each["currency"]: each["aged"]["total"] for each in aging["currencies"]} == {
            "EUR": "238.00",
        }
        assert [each["customer_number"] for each in aging["customers"]] == ["C1"]
        file = client.get(site.path(tenant, "receivables.csv"))
        assert file.headers["content-type"] == "text/csv; charset=utf-8"
        assert "attachment" in file.headers["content-disposition"]
        rows = list(csv.DictReader(io.StringIO(file.content.decode("utf-8-sig"))))
        assert {row["currency"]: row["total"] for row in rows} == {"EUR": "238.00"}
        assert rows[0]["customer_name"] == "Käufer & Söhne"
        earlier = client.get(site.path(tenant, "receivables"), params={"as_of": "2026-01-01"}).json()
        assert (earlier["is_today"], earlier["customers"]) == (False, [])
        first = client.get(site.path(tenant, "receivables"), params={"as_of": "0001-01-01"}).json()
        assert (first["as_of"], first["customers"]) == ("0001-01-01", [])
        assert (
            "2999"
            in problem_of(client.get(site.path(tenant, "receivables"), params={"as_of": "2999-01-01"}), 422)["detail"]
        )
        problem_of(client.get(site.path(tenant, "receivables"), params={"as_of": "soon"}), 422)
