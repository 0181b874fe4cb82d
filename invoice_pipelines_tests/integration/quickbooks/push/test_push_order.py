"""What got no answer is sent again in its order and holds up what comes after it, but not for ever."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from invoice_pipelines.quickbooks.push import settling
from invoice_pipelines.quickbooks.push.open_batches import PATIENCE
from invoice_pipelines.workshop.sandbox.quickbooks import Fault, Sandbox
from invoice_pipelines_tests.support.quickbooks.pushing import CUSTOMER, House, Opener, line


@pytest.fixture
def house(opened: Opener) -> House:
    house = opened()
    side_by_side = house.settings.model_copy(update={"quickbooks_parallel_calls": 4})
    house.sandbox.switches.shuffled_batches = False
    house.there.customer("Somebody else")
    return House(house.desk, house.sandbox, side_by_side, house.realm)


def issue(house: House, *prices: int) -> list[UUID]:
    """An invoice of each price, in this order, for that many hours of work."""
    invoices = [house.issue(line(price=price, description=f"{price} hours")) for price in prices]
    house.push(CUSTOMER)
    house.sandbox.traffic.clear()
    return invoices


def arrived(house: House) -> list[Decimal]:
    """Net amounts of the invoices there, in the order in which they came."""
    there = sorted(house.invoices(), key=lambda each: int(each["Id"]))
    return [round(Decimal(each["TotalAmt"]) / Decimal("1.19"), 2) for each in there]


def open_batches(house: House) -> list[Any]:
    return house.desk.rows("select * from quickbooks.sent_batch where status = 'sent' order by id")


def of_batches_of(size: int, house: House, **settings: Any) -> House:
    """The same organization, by whom batches are that large."""
    given = house.settings.model_copy(update={"quickbooks_batch_size": size} | settings)
    return House(house.desk, house.sandbox, given, house.realm)


def rested(house: House) -> None:
    """What rested may be sent again; entries wait for as long as they would."""
    house.desk.behind("update quickbooks.sent_batch set lease_expires_at = now() where status = 'sent'")


def most_at_once(calls: list[Any]) -> int:
    """How many of the calls were under way at the same time."""
    return max(sum(o.monotonic <= call.monotonic < o.monotonic + o.seconds for o in calls) for call in calls)


def test_what_is_issued_in_an_outage_arrives_after_it_in_its_order(house: House) -> None:
    issue(house, 1)
    house.sandbox.faults.inject(Fault.UNAVAILABLE, times=None)
    assert house.push().ended.startswith("out of reach")
    issue(house, 2, 3)

    for _ in range(2 * PATIENCE):
        rested(house)
        assert house.push().ended.startswith("out of reach")

    assert [each.attempts for each in open_batches(house)] == [1]
    house.sandbox.faults.clear()
    rested(house)
    report = house.push()
    assert report.ended == "empty"
    assert (report.resent, report.created, report.unchanged) == (1, 2, 1)
    assert arrived(house) == [1, 2, 3]
    assert {status for status, _ in house.entries()} == {"succeeded"}


def test_while_an_unanswered_batch_rests_nothing_new_is_sent_and_the_push_says_so(house: House) -> None:
    issue(house, 1)
    house.sandbox.faults.inject(Fault.UNAVAILABLE, times=None)
    house.push()
    house.sandbox.faults.clear()
    (second,) = issue(house, 2)
    house.desk.behind("update quickbooks.sent_batch set lease_expires_at = now() + interval '1 hour'")

    report = house.push()

    assert report.ended.startswith("held up: what was sent at")
    assert (report.due, report.released, house.entry(second).attempts) == (1, 0, 0)
    assert house.sandbox.calls(house.realm) == []


def test_another_entity_and_another_company_are_not_held_up(house: House, opened: Opener, sandbox: Sandbox) -> None:
    other = opened("other", "9130002")
    issue(house, 1)
    sandbox.faults.inject(Fault.DROP, realm=house.realm, times=None)
    house.push()
    sandbox.faults.clear()
    house.desk.rows(
        """insert into billing.customer (organization_id, customer_number, name, country_code)
           values (organizations.current(), 'N', 'New', 'DE')"""
    )
    other.issue()

    assert house.push(CUSTOMER).created == 1
    assert other.push().created == 1


def test_unanswered_batches_are_sent_again_one_at_a_time_the_oldest_first_by_all_pushes_together(
    house: House,
) -> None:
    issue(house, *range(1, 9))
    house.sandbox.faults.inject(Fault.HANG, operation="batch", times=4, seconds=1)  # all four are on their way by then
    house.sandbox.faults.inject(Fault.DROP, operation="batch", times=None)
    of_batches_of(2, house).push()
    waiting = [each.request_id for each in open_batches(house)]
    assert len(waiting) == 4
    house.sandbox.faults.clear()
    issue(house, 9, 10)
    house.sandbox.switches.latency_per_call = 0.1
    rested(house)

    pushes = [threading.Thread(target=of_batches_of(2, house).push) for _ in range(3)]
    for each in pushes:
        each.start()
    for each in pushes:
        each.join()

    calls = sorted(house.sandbox.calls(house.realm, "batch"), key=lambda call: call.monotonic)
    assert [call.request_id for call in calls[:4]] == waiting
    assert most_at_once(calls[:4]) == 1
    assert arrived(house)[-2:] == [9, 10]
    assert sorted(arrived(house)) == list(range(1, 11))


def test_a_company_in_good_health_gets_batches_side_by_side(house: House) -> None:
    house.issue_many(24)
    house.push(CUSTOMER)
    house.sandbox.traffic.clear()
    house.sandbox.switches.latency_per_call = 0.2

    of_batches_of(3, house).push()

    calls = house.sandbox.calls(house.realm, "batch")
    assert len(calls) == 8
    assert most_at_once(calls) == 4


def test_a_batch_that_alone_gets_no_answer_is_set_aside_and_the_rest_goes_on(house: House) -> None:
    invoices = issue(house, 666, 2, 3)
    singly = of_batches_of(1, house, quickbooks_parallel_calls=1)
    house.sandbox.faults.inject(Fault.DROP, operation="batch", contains="666 hours", times=None)
    for _ in range(PATIENCE - 1):
        assert singly.push().ended.startswith("held up")
        assert arrived(house) == []
        rested(house)

    report = singly.push()

    assert (report.ended, report.created) == ("empty", 2)
    assert arrived(house) == [2, 3]
    assert house.codes() == ["SET_ASIDE"]
    assert house.entry(invoices[0]).error_code == "OUTCOME_UNKNOWN"
    house.sandbox.faults.clear()
    house.again()
    singly.push()
    assert arrived(house) == [2, 3, 666]
    assert len(open_batches(house)) == 0
    assert house.mappings() == 3


def test_what_was_set_aside_is_sent_again_beside_the_rest_and_ends_no_push(house: House) -> None:
    issue(house, 666)
    house.sandbox.faults.inject(Fault.DROP, operation="batch", contains="666 hours", times=None)
    for _ in range(PATIENCE):
        house.push()
        rested(house)
    issue(house, 2)

    report = house.push()

    assert (report.ended, report.created, report.resent) == ("empty", 1, 1)
    (poisoned,) = open_batches(house)
    assert poisoned.attempts == PATIENCE + 2
    assert poisoned.lease_expires_at - poisoned.created_at > timedelta(seconds=10), "in a scaled time it rests 12 s"


def test_a_part_of_a_batch_that_stays_open_for_ever_holds_up_the_rest_for_a_few_turns_only(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoices = issue(house, 1, 2, 3)
    settle = settling.Settler.settle

    def breaks(self: settling.Settler, batch: Any, operation: Any, answer: Any) -> Any:
        if operation.local_id == invoices[1]:
            raise KeyError("surprise")
        return settle(self, batch, operation, answer)

    def breaks_too(*_: Any) -> Any:
        raise KeyError("surprise")

    monkeypatch.setattr(settling.Settler, "settle", breaks)
    monkeypatch.setattr(settling.Settler, "look_up", breaks_too)
    assert house.push().created == 2
    issue(house, 4)
    turns = 1
    while len(house.invoices()) < 4:
        rested(house)
        house.push()
        turns += 1

    assert turns == PATIENCE
    assert house.mappings() == 3
    monkeypatch.undo()
    house.again()
    house.push()
    assert house.mappings() == 4


def test_what_was_refused_in_the_end_is_decided_anew_before_what_came_after_it(house: House) -> None:
    issue(house, 1)
    house.sandbox.faults.inject(Fault.DROP, times=None)
    house.push()
    issue(house, 2)
    house.sandbox.faults.clear()
    house.sandbox.faults.inject(Fault.ITEM, entity="Invoice", operation="create", code="3001")
    rested(house)

    of_batches_of(1, house, quickbooks_parallel_calls=1).push()

    assert arrived(house) == [1, 2]


def test_a_time_out_of_a_large_batch_makes_the_next_ones_smaller_while_none_of_them_waits(house: House) -> None:
    house.issue_many(40)
    house.push(CUSTOMER)
    house.sandbox.traffic.clear()
    impatient = of_batches_of(20, house, quickbooks_timeout_seconds=1.0, quickbooks_parallel_calls=1)
    house.sandbox.faults.inject(Fault.TIME_OUT, operation="batch", entity=None, seconds=3)

    report = impatient.push()

    assert (report.ended, report.created) == ("empty", 40)
    bodies = [call.body for call in sorted(house.sandbox.calls(house.realm, "batch"), key=lambda call: call.at)]
    sizes = [len(json.loads(body)["BatchItemRequest"]) for body in bodies]
    assert (sizes[0], sizes[1], bodies[0]) == (20, 20, bodies[1])


def test_a_time_box_that_is_shorter_than_a_time_out_keeps_no_batch_in_the_way(house: House) -> None:
    issue(house, 666, 2)
    hurried = of_batches_of(1, house, quickbooks_timeout_seconds=1.0, quickbooks_parallel_calls=1)
    house.sandbox.faults.inject(Fault.HANG, operation="batch", contains="666 hours", times=None, seconds=2)
    for _ in range(PATIENCE + 1):
        assert hurried.push(time_box=timedelta(seconds=0.5)).ended == "time box"
        rested(house)

    hurried.push(time_box=timedelta(seconds=0.5))
    hurried.push()

    assert arrived(house) == [2]
