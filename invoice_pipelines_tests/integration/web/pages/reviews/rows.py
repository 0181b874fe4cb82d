"""Invoices that wait at the review desk, and where what is printed on them is on the screen."""

from __future__ import annotations

from uuid import UUID

from invoice_pipelines.einvoice.model import Party
from invoice_pipelines.intake.documents.text_layer.page.words import Box
from invoice_pipelines.organizations import OrganizationSettings, ReviewThresholds, change_organization
from invoice_pipelines_tests.integration.intake.conftest import IntakeDesk
from invoice_pipelines_tests.integration.intake.review.pages import page_of
from invoice_pipelines_tests.integration.web.intake.conftest import IntakeTenant
from invoice_pipelines_tests.support.desk.visitors import Visitor
from invoice_pipelines_tests.support.intake.review.lane import judged, look, on_paper, uploaded
from invoice_pipelines_tests.support.intake.validation.specimens import UBL


def waiting(office: IntakeTenant, number: str = "HW-77", net: str = "1000.00", **options: str) -> str:
    """An invoice that waits, as its number is not understood."""
    return str(uploaded(office.desk, page_of(number, net, **options), f"{number}.pdf"))


def e_invoice(office: IntakeTenant, number: str, iban: str) -> str:
    """An e-invoice of a known seller; it waits where its account is another than before."""
    account = (
        "<cac:PaymentMeans><cbc:PaymentMeansCode>58</cbc:PaymentMeansCode><cac:PayeeFinancialAccount>"
        f"<cbc:ID>{iban}</cbc:ID></cac:PayeeFinancialAccount></cac:PaymentMeans><cac:TaxTotal>"
    )
    invoice = UBL.replace("<cbc:ID>2026-001<", f"<cbc:ID>{number}<").replace("<cac:TaxTotal>", account)
    return str(uploaded(office.desk, invoice.encode(), f"{number}.xml"))


def fill(office: IntakeTenant) -> list[str]:
    """A queue as it is on a busy day; the first two have pages to look at."""
    names = ("Gebäudereinigung Schmidt-Großkopf & Söhne GmbH & Co. KG", "Café am Dom", "Müller")
    found = [
        waiting(office),
        waiting(office, "RE-2026-000815/B", "1234567.89", seller=names[0], vat_id="DE811569869"),
    ]
    for number, name in enumerate(names * 3):
        sure = {"gross_amount": 0.8} | ({"number": 0.4, "iban": 0.5} if number % 2 else {})
        party = Party(name=name, vat_id=f"DE{136695976 + number}")
        reading = on_paper(f"B-{number}", {"seller": party}, seller_name=0.99 if number % 3 else 0.3, **sure)
        found.append(str(judged(office.desk, reading)))
    return found


def doubting(office: IntakeTenant, **thresholds: float) -> None:
    """From now on the organization asks for more of these fields."""
    settings = OrganizationSettings(review_thresholds=ReviewThresholds(**thresholds))
    change_organization(office.desk.engine, office.desk.slug, settings=settings)


ON_SCREEN = """([page, left, top, right, bottom]) => {
  const paper = document.querySelector(".paper"), sheet = document.querySelector(`.sheet[data-page="${page}"]`);
  const image = sheet.querySelector("img");
  const scale = image.getBoundingClientRect().width / Number(sheet.dataset.width);
  const place = () => {
    const seen = image.getBoundingClientRect();
    return [seen.left + left * scale, seen.top + top * scale, seen.left + right * scale, seen.top + bottom * scale];
  };
  paper.scrollTop += place()[1] - paper.getBoundingClientRect().top - 100;
  paper.scrollLeft += place()[0] - paper.getBoundingClientRect().left - 100;
  return place();
}"""
"""Where a box of a page is on the screen, which is scrolled there."""


def box_of(desk: IntakeDesk, invoice: str | UUID, text: str) -> Box:
    """Where a word is printed, in points."""
    (box,) = [word.box for word in look(desk, UUID(str(invoice))).pages[0].words if word.text == text]
    return box


def on_screen(visitor: Visitor, box: Box) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a box of the first page that is shown, which is scrolled into sight."""
    found: tuple[float, float, float, float] = visitor.page.evaluate(ON_SCREEN, [1, *box])
    return found
