"""Several people at one queue: who is at what, what is put off, what they write down."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID, uuid4

import pytest

from invoice_pipelines.intake.review.claims import (
    add_note,
    claim_of,
    claim_review,
    postpone_review,
    release_review,
)
from invoice_pipelines.intake.review.errors import (
    MustBeCorrected,
    NotThere,
    NotWaiting,
    ReviewClaimed,
    ReviewError,
    WrongValues,
)
from invoice_pipelines.intake.review.queue import Wanted, list_reviews
from invoice_pipelines.intake.states import Status
from invoice_pipelines_tests.integration.intake.conftest import IntakeDesk
from invoice_pipelines_tests.support.intake.review.lane import (
    accept,
    correct,
    judged,
    look,
    on_paper,
    reject,
    take_back,
)


def claim(desk: IntakeDesk, invoice: UUID, by: str, lasts: timedelta = timedelta(minutes=15)):
    with desk.scope() as connection:
        return claim_review(connection, invoice, by, lasts)


def listed(desk: IntakeDesk, **wanted: object) -> list[UUID]:
    with desk.scope() as connection:
        return [one.id for one in list_reviews(connection, Wanted(**wanted))]


def let_claims_end(desk: IntakeDesk) -> None:
    desk.behind("update intake.review_claim set expires_at = now() where organization_id = :organization")


def test_nobody_else_decides_about_what_somebody_is_at(desk: IntakeDesk) -> None:
    invoice = judged(desk, on_paper(gross_amount=0.8))
    claimed = claim(desk, invoice, "Ada")
    assert claimed.claimed_by == "Ada"
    assert look(desk, invoice).claim == claimed
    for decide in (accept, partial(reject, reason="no"), partial(correct, number="7")):
        with pytest.raises(ReviewClaimed, match="Ada is at this review until") as refused:
            decide(desk, invoice, by="Bert")
        assert (refused.value.code, refused.value.claimed_by) == ("REVIEW_CLAIMED", "Ada")
    with pytest.raises(ReviewClaimed):
        claim(desk, invoice, "Bert")
    assert accept(desk, invoice, by="Ada").status is Status.VALIDATED
    with desk.scope() as connection:
        assert claim_of(connection, invoice) is None
    claimed_undo = take_back(desk, invoice, by="Bert")
    assert claimed_undo.status is Status.PARSED


def test_a_claim_ends_by_itself_or_is_given_back(desk: IntakeDesk) -> None:
    invoice = judged(desk, on_paper(gross_amount=0.8))
    first = claim(desk, invoice, "Ada")
    longer = claim(desk, invoice, "Ada", timedelta(hours=1))
    assert (longer.claimed_at, longer.expires_at > first.expires_at) == (first.claimed_at, True)
    with desk.scope() as connection, pytest.raises(ReviewClaimed):
        release_review(connection, invoice, "Bert")
    let_claims_end(desk)
    assert claim(desk, invoice, "Bert").claimed_by == "Bert"
    with desk.scope() as connection:
        assert release_review(connection, invoice, "Bert")
        assert not release_review(connection, invoice, "Bert")
    assert accept(desk, invoice, by="Ada").status is Status.VALIDATED


def test_a_correction_that_leaves_something_keeps_the_claim(desk: IntakeDesk) -> None:
    invoice = judged(desk, on_paper(number=0.5, issue_date=0.5))
    claim(desk, invoice, "Ada")
    assert correct(desk, invoice, number="R-2", by="Ada").status is Status.PARSED
    assert look(desk, invoice).claim is not None


def test_of_many_who_claim_at_once_one_has_it(desk: IntakeDesk) -> None:
    invoice = judged(desk, on_paper(gross_amount=0.8))
    got: list[str] = []

    def take(name: str) -> None:
        try:
            got.append(claim(desk, invoice, name).claimed_by)
        except ReviewClaimed as other:
            got.append(f"after {other.claimed_by}")

    threads = [threading.Thread(target=take, args=(name,)) for name in "ABCDEF"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = [name for name in got if len(name) == 1]
    assert got.count(f"after {winner}") == 5


def test_what_does_not_wait_is_neither_claimed_nor_put_off(desk: IntakeDesk, other_desk: IntakeDesk) -> None:
    passed, waits = judged(desk, on_paper()), judged(desk, on_paper(gross_amount=0.8))
    soon = datetime.now(UTC) + timedelta(hours=1)
    with desk.scope() as connection:
        for ask in (
            partial(claim_review, connection, by="Ada"),
            partial(postpone_review, connection, until=soon, by="Ada"),
        ):
            with pytest.raises(NotWaiting, match="validated"):
                ask(invoice_id=passed)
            with pytest.raises(NotThere):
                ask(invoice_id=uuid4())
        with pytest.raises(ReviewError, match="8 hours"):
            claim_review(connection, waits, "Ada", timedelta(days=1))
    with other_desk.scope() as connection:
        for touch in (claim_review, release_review):
            with pytest.raises(NotThere):
                touch(connection, waits, "Ada")
        with pytest.raises(NotThere):
            add_note(connection, waits, "mine?", "Ada")


def test_the_queue_shows_who_is_at_what_and_offers_the_rest(desk: IntakeDesk) -> None:
    mine, others, late, free = (
        judged(desk, on_paper(f"N-{number}", gross_amount=0.8, number=0.99 if number else 0.2)) for number in range(4)
    )
    claim(desk, mine, "Ada")
    claim(desk, others, "Bert")
    with desk.scope() as connection:
        postpone_review(connection, late, datetime.now(UTC) + timedelta(days=1), "Ada")
    assert listed(desk) == [mine, others, late, free]
    assert listed(desk, free_for="Ada") == [mine, free]
    assert listed(desk, free_for="Bert") == [others, free]
    assert listed(desk, claimed=True) == [mine, others]
    assert listed(desk, claimed=False, postponed=False) == [free]
    assert listed(desk, postponed=True) == [late]
    assert listed(desk, code="LOW_CONFIDENCE", field="number") == [mine]
    assert listed(desk, code="IP-TOTAL-01") == []
    assert listed(desk, seller="MUSTER") == [mine, others, late, free]
    with desk.scope() as connection:
        shown = {one.id: (one.claimed_by, one.postponed_until is not None) for one in list_reviews(connection)}
    assert shown == {mine: ("Ada", False), others: ("Bert", False), late: (None, True), free: (None, False)}
    let_claims_end(desk)
    with desk.scope() as connection:
        postpone_review(connection, late, None, "Bert")
    assert listed(desk, free_for="Cleo") == [mine, others, late, free]
    assert accept(desk, late, by="Cleo").status is Status.VALIDATED


def test_notes_stay_with_the_invoice_in_their_order(desk: IntakeDesk) -> None:
    invoice = judged(desk, on_paper(gross_amount=0.8))
    with desk.scope() as connection:
        add_note(connection, invoice, "  Called the supplier. ", "Ada")
        add_note(connection, invoice, "They send another one.\nTomorrow.", "Bert")
        for wrong in ("", "  ", "x" * 2001):
            with pytest.raises(ReviewError, match="1 to 2000"):
                add_note(connection, invoice, wrong, "Ada")
    notes = [(one.note, one.created_by) for one in look(desk, invoice).notes]
    assert notes == [("Called the supplier.", "Ada"), ("They send another one.\nTomorrow.", "Bert")]
    accept(desk, invoice)
    with desk.scope() as connection:
        assert add_note(connection, invoice, "Paid in cash.", "Ada").created_by == "Ada"


def test_refusals_say_of_each_field_what_is_wrong_with_it(desk: IntakeDesk) -> None:
    invoice = judged(desk, on_paper(gross_amount=0.8))
    with pytest.raises(WrongValues) as refused:
        correct(desk, invoice, gross_amount="much", issue_date="31.3.", iban="DE00", number="fine")
    assert set(refused.value.by_field) == {"gross_amount", "issue_date", "iban"}
    assert refused.value.by_field["issue_date"] == "'31.3.' is not a date, such as 2026-03-31 or 31.03.2026."
    assert refused.value.code == "WRONG_VALUES"
    broken = judged(desk, on_paper(changes={"gross_amount": 7}))
    with pytest.raises(MustBeCorrected):
        accept(desk, broken)
