"""Somebody's open transaction stands in the way of one organization: its work is put off, and all others go on."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from invoice_pipelines.database import libpq_url
from invoice_pipelines_tests.integration.defs.billing.conftest import SellersHouse
from invoice_pipelines_tests.integration.defs.conftest import failure_of


@pytest.mark.direct
def test_a_sweep_leaves_out_the_held_up_organization_names_the_holder_and_comes_back_to_it(
    shop: SellersHouse, configure: Callable[..., None]
) -> None:
    configure(database_lock_timeout_seconds=0.4, rest_after_failure_seconds=0)
    shop.open("acme", "beta")
    shop.issue("acme", "1")  # so that there is a counter to hold
    for slug in ("acme", "beta"):
        shop.ask(slug, shop.orders(slug, "1"))

    url = libpq_url(shop.house.database.owner_url)
    with psycopg.connect(url, application_name="psql of anna") as session:
        session.execute("select from billing.invoice_counter for update")
        swept = shop.house.run(
            "invoicing_sweep", config={"ops": {"sweep_invoicing": {"config": {"organizations": ["acme", "beta"]}}}}
        )
        assert not swept.success
        left_out = shop.house.left_out(swept)
        assert list(left_out) == ["acme"]
        assert f"held by process {session.info.backend_pid} ('psql of anna'" in left_out["acme"]
        assert issued(shop, "beta") == 1

        alone = shop.house.run("invoicing", "acme")
        assert f"held by process {session.info.backend_pid} ('psql of anna'" in failure_of(alone)
        assert issued(shop, "acme") == 1
        session.rollback()
    assert shop.asked_for() == ["acme"]
    assert shop.house.run("invoicing", "acme").success
    assert issued(shop, "acme") == 2


def issued(shop: SellersHouse, slug: str) -> int:
    return int(shop.value(slug, "select count(*) from billing.issued_invoice"))
