"""Several invoices that were sent as one file wait; each by itself passes."""

from __future__ import annotations

from invoice_pipelines_tests.conftest import PROJECT
from invoice_pipelines_tests.integration.intake.conftest import IntakeDesk
from invoice_pipelines_tests.support.intake.documents import samples
from invoice_pipelines_tests.support.intake.documents.text_layer.drawing import Text, draw, rows
from invoice_pipelines_tests.support.intake.review.lane import accept, look, reject, uploaded

EXAMPLES = PROJECT / "examples" / "harbour-and-hill"


def page(number: str, issued: str, net: str, tax: str, gross: str) -> list[Text]:
    return [
        (60, 40, "Nordlicht Energie GmbH"),
        (60, 60, "Hafenweg 3, 24103 Kiel"),
        (60, 80, "USt-IdNr.: DE136695976"),
        (60, 140, "Rechnung"),
        *rows(170, (60, 200), f"Rechnungsnummer: | {number}; Rechnungsdatum: | {issued}"),
        *rows(260, (60, -540), f"Nettobetrag | {net} €; zzgl. 19 % MwSt. | {tax} €; Gesamtbetrag | {gross} €"),
        (60, 400, "Bitte überweisen Sie den Betrag auf unser Konto DE02 1203 0000 0000 2020 51."),
    ]


MARCH = page("RE-2026-0815", "15.03.2026", "100,00", "19,00", "119,00")
APRIL = page("RE-2026-0931", "15.04.2026", "200,00", "38,00", "238,00")


def test_a_pile_waits_and_each_invoice_by_itself_passes(desk: IntakeDesk) -> None:
    pile = uploaded(desk, draw(MARCH, APRIL), "pile.pdf")
    (reason,) = [reason for reason in look(desk, pile).reasons if reason.code == "IP-TYPE-04"]
    assert "RE-2026-0815, 2026-03-15, 119.00 on page 1, RE-2026-0931, 2026-04-15, 238.00 on page 2" in reason.message
    reject(desk, pile, "A pile of two invoices.")
    for number, document in enumerate((MARCH, APRIL)):
        alone = uploaded(desk, draw(document), f"{number}.pdf")
        assert desk.status(alone) == "VALIDATED"


def test_who_sees_that_it_is_one_lets_it_pass(desk: IntakeDesk) -> None:
    pile = uploaded(desk, draw(MARCH, APRIL), "pile.pdf")
    assert accept(desk, pile).status == "VALIDATED"


def test_a_pdf_that_carries_two_e_invoices_waits(desk: IntakeDesk) -> None:
    page = samples.pdf("Two invoices")
    march, april = ((EXAMPLES / f"KB{day}.xml").read_bytes() for day in ("20260331", "20260430"))
    pile = uploaded(desk, samples.with_attachments(page, ("factur-x.xml", march), ("other.xml", april)), "pile.pdf")
    assert [reason.code for reason in look(desk, pile).reasons] == ["IP-HYB-04"]
    alone = uploaded(desk, samples.with_attachments(page, ("factur-x.xml", march)), "march.pdf")
    assert desk.status(alone) != "PARSED"
