"""Tests of what is remembered of a record of both sides."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import uuid4

from sqlalchemy import text

from invoice_pipelines.database import organization_scope
from invoice_pipelines.quickbooks.records.mappings import Mapped, load_mappings, save_mappings
from invoice_pipelines_tests.support.quickbooks.pushing import CUSTOMER, House
from invoice_pipelines_tests.support.waiting import wait_for_blocked


def test_a_mapping_that_somebody_else_is_just_writing_is_brought_up_to_date_after_that(house: House) -> None:
    engine, organization_id = house.desk.engine, house.desk.organization_id
    first = Mapped(uuid4(), "77", "0", {"name": "Ada"})
    with organization_scope(engine, organization_id) as connection:
        assert save_mappings(connection, house.realm, CUSTOMER, [first]) == []

    def save(mapping: Mapped) -> list[Mapped]:
        with organization_scope(engine, organization_id) as other:
            return save_mappings(other, house.realm, CUSTOMER, [mapping])

    with ThreadPoolExecutor(1) as thread:
        with organization_scope(engine, organization_id) as connection:
            connection.execute(text("select from quickbooks.mapping for no key update"))  # as a pull does first
            waiting = thread.submit(save, replace(first, sync_token="2"))
            wait_for_blocked(connection)
            save_mappings(connection, house.realm, CUSTOMER, [replace(first, sync_token="1")])
        assert waiting.result() == []

    with organization_scope(engine, organization_id) as connection:
        assert load_mappings(connection, house.realm, CUSTOMER, [first.local_id])[first.local_id].sync_token == "2"
