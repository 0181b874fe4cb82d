"""Request ids are for ever: with another form, what was sent before a new version came would be done twice."""

from __future__ import annotations

from uuid import UUID

from invoice_pipelines.quickbooks.api.request_ids import LONGEST_IN_BATCH, batch_request_id, operation_request_id
from invoice_pipelines.quickbooks.values import EntityType

SUBJECT = UUID("01890000-0000-7000-8000-000000000001")


def test_the_ids_of_the_first_version_are_those_of_every_later_one() -> None:
    assert (
        operation_request_id("9130001", EntityType.INVOICE, "create", SUBJECT, 0)
        == "831a1520-e576-59f0-a9a9-a909f3841d52"
    )
    assert (
        operation_request_id("9130001", EntityType.INVOICE, "void", SUBJECT, 3)
        == "b9954be5-2c90-5fea-a615-22b6590225f4"
    )
    assert batch_request_id("9130001", SUBJECT) == "8038c5b4-469f-5dab-b1e0-a9506da0d346"


def test_whatever_differs_gives_another_id() -> None:
    ids = [
        operation_request_id(realm, entity, operation, subject, revision)
        for realm in ("9130001", "9130002")
        for entity in (EntityType.CUSTOMER, EntityType.ITEM, EntityType.INVOICE)
        for operation in ("create", "update", "void")
        for subject in (SUBJECT, UUID(int=SUBJECT.int + 1))
        for revision in (0, 1, 11)
    ]
    ids += [batch_request_id(realm, SUBJECT) for realm in ("9130001", "9130002")]
    assert len(set(ids)) == len(ids)
    assert max(map(len, ids)) <= LONGEST_IN_BATCH
