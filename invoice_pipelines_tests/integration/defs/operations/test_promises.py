"""The nightly look at all records: what broke without a run is red until it is mended, whatever runs in between."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import text

from invoice_pipelines_tests.integration.defs.billing.conftest import SellersHouse
from invoice_pipelines_tests.integration.defs.conftest import GOOD, DagsterHouse, failure_of, outputs
from invoice_pipelines_tests.support.programs import Program
from invoice_pipelines_tests.support.sizes import size


def let_an_hour_pass(house: DagsterHouse) -> None:
    """All that is there came earlier, and was looked at earlier."""
    house.behind("update organizations.checked_promise set checked_at = checked_at - interval '1 hour'")
    house.behind(
        """update intake.received_invoice
           set created_at = created_at - interval '2 hours',
               last_processed_at = last_processed_at - interval '2 hours'"""
    )


def read_one_each(house: DagsterHouse, *slugs: str) -> None:
    """New organizations, each with a document that was read."""
    house.add(*slugs)
    for slug in slugs:
        house.drop(slug, "good.xml", GOOD)
    house.asked_for()
    for slug in slugs:
        assert house.run("intake", slug).success


def raise_total(house: DagsterHouse, slug: str, by: int) -> None:
    statement = "update intake.received_invoice set gross_amount = gross_amount + :by where organization_id = :id"
    house.behind(statement, by=by, id=house.id_of(slug))


def test_a_breakage_that_no_run_touched_is_red_from_the_night_on_until_it_is_mended(house: DagsterHouse) -> None:
    read_one_each(house, "acme", "beta")
    assert house.run("nightly_check").success

    let_an_hour_pass(house)
    raise_total(house, "acme", 1)
    assert house.run("intake", "acme").success, "nothing changed that it should look at"
    night = house.run("nightly_check")
    assert not night.success
    assert house.check_states("intake/validated_invoices", "totals_tie") == {"acme": "FAILED", "beta": "SUCCEEDED"}

    result = house.run("intake", "acme")
    assert not result.success
    assert house.check_states("intake/validated_invoices", "totals_tie") == {"acme": "FAILED", "beta": "SUCCEEDED"}
    raise_total(house, "acme", -1)
    assert house.run("nightly_check").success
    assert house.check_states("intake/validated_invoices", "totals_tie") == {"acme": "SUCCEEDED", "beta": "SUCCEEDED"}


def test_what_is_wrong_with_one_organization_or_stage_keeps_no_other_from_the_look(house: DagsterHouse) -> None:
    shop = SellersHouse(house)
    shop.open("acme", "beta", "gamma")
    house.break_organization("acme")
    shop.ask("beta", shop.orders("beta", "1"))
    assert house.run("invoicing", "beta").success
    house.behind("update billing.invoice set amount_credited = 1, status = 'partially_paid'")
    house.behind(
        """insert into intake.upload (organization_id, sha256, size_bytes, file_name, source, created_by)
           select id, repeat('a', 64), 1, 'lost.xml', 'inbox', 'x'
           from organizations.organization where slug <> 'acme'"""
    )
    assert not house.run("nightly_check").success
    assert house.check_states("intake/uploads", "every_upload_has_an_invoice") == {"beta": "FAILED", "gamma": "FAILED"}
    assert house.check_states("billing/issued_invoices", "settlements_tie") == {"beta": "FAILED"}


LEAVES_OPEN = """
import sys
import psycopg
with psycopg.connect(sys.argv[1]) as session:
    for statement in sys.argv[2:]:
        session.execute(statement)
    print("ready", flush=True)
    sys.stdin.readline()
"""
"""A session that has changed something, and commits when it is told to."""


@contextmanager
def left_open(house: DagsterHouse, *statements: str) -> Iterator[None]:
    """A transaction of another process is idle for the length of the block, and is committed then."""
    url = house.database.superuser.url.set(drivername="postgresql").render_as_string(hide_password=False)
    program = Program(LEAVES_OPEN, url, *statements)
    assert program.stdout.readline() == "ready\n", program.complaints()
    yield
    _, complaints = program.communicate()
    assert program.returncode == 0, complaints


def test_what_a_transaction_left_open_had_changed_is_found_however_late_it_is_committed(house: DagsterHouse) -> None:
    read_one_each(house, "acme", "beta")
    acme = f"organization_id = '{house.id_of('acme')}'"
    change = f"update intake.received_invoice set gross_amount = 1, last_processed_at = now() where {acme}"
    with left_open(house, change, f"update work.items set status = status where {acme}"):
        assert house.run("nightly_check").success, "nothing of it is there yet, and nobody waits for it"
    let_an_hour_pass(house)
    house.behind("update organizations.checked_promise set checked_at = now()")
    assert house.run("intake", "acme").success, "it looks only at what changed lately"
    assert not house.run("nightly_check").success
    assert house.check_states("intake/validated_invoices", "totals_tie") == {"acme": "FAILED", "beta": "SUCCEEDED"}


def test_an_organization_whose_look_another_session_holds_up_keeps_no_other_from_it(
    house: DagsterHouse, configure: Callable[..., None]
) -> None:
    house.add("acme", "beta")
    assert house.run("nightly_check").success
    house.behind("update organizations.checked_promise set all_checked_at = '-infinity'")
    configure(database_lock_timeout_seconds=0.5)
    hold = f"update organizations.checked_promise set is_broken = false where organization_id = '{house.id_of('acme')}'"
    with left_open(house, hold):
        night = house.run("nightly_check")
        assert not night.success
        assert "acme: " in failure_of(night)
        assert "beta" not in failure_of(night)
    unchecked = "select distinct organization_id from organizations.checked_promise where all_checked_at = '-infinity'"
    with house.database.superuser.connect() as connection:
        assert connection.execute(text(unchecked)).scalars().all() == [house.id_of("acme")]
    assert house.run("nightly_check").success


def test_what_one_night_is_too_short_for_is_first_in_the_next(house: DagsterHouse) -> None:
    house.add("acme", "beta", "gamma")
    assert outputs(house.run("nightly_check")) == {"organizations": 3, "left for the next night": 0}
    house.behind(
        """update organizations.checked_promise set all_checked_at = all_checked_at - interval '1 day'
           where organization_id = :id""",
        id=house.id_of("gamma"),
    )
    with house.database.engine.connect() as connection:
        first, *others = connection.execute(text("select * from organizations.longest_unchecked()")).scalars()
    assert (first, set(others)) == (house.id_of("gamma"), {house.id_of("acme"), house.id_of("beta")})


@pytest.mark.slow
def test_a_night_is_long_enough_to_look_at_10_000_organizations(lasting_house: DagsterHouse) -> None:
    count = size(200, 10_000)
    lasting_house.add_many(count)
    started = time.monotonic()
    found = outputs(lasting_house.run("nightly_check"))
    seconds = time.monotonic() - started
    print(f"{count} organizations in {seconds:.1f} s")
    assert found == {"organizations": count, "left for the next night": 0}
    assert seconds < 1_800 * count / 10_000
