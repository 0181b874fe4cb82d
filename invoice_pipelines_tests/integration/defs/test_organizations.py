"""The partitions follow the registry of organizations."""

from __future__ import annotations

import time

import pytest

from invoice_pipelines.organizations import remove_organization, restore_organization
from invoice_pipelines_tests.integration.defs.conftest import DagsterHouse


def test_organizations_get_lose_and_get_back_their_partition(house: DagsterHouse) -> None:
    house.add("acme", "beta")
    assert house.partitions == {"acme", "beta"}
    result = house.keep_partitions_in_step()
    assert result.dynamic_partitions_requests == []
    assert result.skip_reason is not None
    assert "in step" in str(result.skip_reason.skip_message)
    remove_organization(house.database.engine, "acme")
    house.keep_partitions_in_step()
    assert house.partitions == {"beta"}
    restore_organization(house.database.engine, "acme")
    house.keep_partitions_in_step()
    assert house.partitions == {"acme", "beta"}


@pytest.mark.slow
def test_10_000_organizations_take_a_fraction_of_the_60_seconds_a_tick_may_last(lasting_house: DagsterHouse) -> None:
    lasting_house.add_many(10_000)
    started = time.monotonic()
    lasting_house.keep_partitions_in_step()
    added = time.monotonic() - started
    started = time.monotonic()
    lasting_house.keep_partitions_in_step()
    in_step = time.monotonic() - started
    assert len(lasting_house.partitions) == 10_000
    print(f"10,000 partitions: added in {added:.2f} s, found in step in {in_step:.2f} s")
    assert added < 15
    assert in_step < 5
