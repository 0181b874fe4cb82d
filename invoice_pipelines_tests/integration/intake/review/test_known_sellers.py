"""Who once said what a seller is called need not say it again, however its next receipt was misread."""

from __future__ import annotations

from uuid import UUID

import pytest

from invoice_pipelines_tests.integration.intake.conftest import IntakeDesk
from invoice_pipelines_tests.support.intake.documents.text_layer.drawing import draw
from invoice_pipelines_tests.support.intake.review.lane import correct, take_back, uploaded

PHONE = "Tel. 0341 / 224 75 41"


def receipt(name: str | None, *, day: int | None, total: str = "11,90", tax: str = "1,90", sign: str = PHONE) -> bytes:
    """A receipt without a VAT id or a legal form; without a name its head is a picture."""
    lines = [name] if name else []
    lines += ["Grimmaische Straße 14", "04109 Leipzig", sign, "Kassenbon"]
    lines += [f"Datum: {day:02}.03.2026 17:27"] if day else []
    lines += [f"SUMME EUR {total}", f"19 % MwSt. EUR {tax}", "Vielen Dank für Ihren Einkauf"]
    return draw([(50, 50 + 16 * at, line) for at, line in enumerate(lines)])


def taught(desk: IntakeDesk, name: str, **changes: str) -> UUID:
    """A receipt whose date was cut off, and whose seller a person has named."""
    invoice = uploaded(desk, receipt(None, day=None, **changes))
    correct(desk, invoice, **{"issue_date": "2026-03-02", "seller.name": name})
    return invoice


def named(desk: IntakeDesk, invoice: UUID) -> object:
    return desk.one("select seller_name from intake.received_invoice where id = :id", id=invoice)


def test_a_seller_that_was_named_once_is_known_by_its_telephone(desk: IntakeDesk) -> None:
    taught(desk, "dm-drogerie markt")
    second = uploaded(desk, receipt(None, day=3, total="23,80", tax="3,80"))
    assert named(desk, second) == "dm-drogerie markt"
    assert desk.status(second) == "VALIDATED"


def test_taken_back_it_is_known_no_more(desk: IntakeDesk) -> None:
    take_back(desk, taught(desk, "dm-drogerie markt"))
    assert named(desk, uploaded(desk, receipt(None, day=3))) != "dm-drogerie markt"


def test_another_organization_knows_nothing_of_it(desk: IntakeDesk, other_desk: IntakeDesk) -> None:
    taught(desk, "dm-drogerie markt")
    assert named(other_desk, uploaded(other_desk, receipt(None, day=3))) != "dm-drogerie markt"


@pytest.mark.parametrize("sign", ["Tel. 0341 / 999 88 77", f"{PHONE} USt-IdNr. DE811569869"])
def test_another_telephone_or_a_new_vat_id_is_another_seller(desk: IntakeDesk, sign: str) -> None:
    taught(desk, "dm-drogerie markt")
    assert named(desk, uploaded(desk, receipt(None, day=3, sign=sign))) != "dm-drogerie markt"


def test_a_name_that_is_read_surely_stays_where_only_the_telephone_is_known(desk: IntakeDesk) -> None:
    taught(desk, "dm-drogerie markt")
    assert named(desk, uploaded(desk, receipt("Blumen Kern GmbH", day=3))) == "Blumen Kern GmbH"


def test_a_seller_is_known_by_its_vat_id_whatever_else_it_is_called(desk: IntakeDesk) -> None:
    sign = "USt-IdNr. DE811569869"
    taught(desk, "PENNY-MARKT GmbH", sign=sign)
    assert named(desk, uploaded(desk, receipt("PEMNY-MARKT CmbH", day=3, sign=sign))) == "PENNY-MARKT GmbH"


def test_the_newest_word_on_a_name_counts(desk: IntakeDesk) -> None:
    taught(desk, "dm")
    taught(desk, "dm-drogerie markt", total="35,70", tax="5,70")
    assert named(desk, uploaded(desk, receipt(None, day=3))) == "dm-drogerie markt"
