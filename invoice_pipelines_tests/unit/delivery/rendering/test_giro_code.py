"""The code for a transfer: EPC069-12, as a banking app reads it from the page."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from io import BytesIO

import cv2
import numpy
import pytest
from PIL import Image

from invoice_pipelines.billing.issued_invoices import DocumentKind, IssuedInvoice
from invoice_pipelines.delivery.rendering.giro_code import payload
from invoice_pipelines.delivery.rendering.language.catalogue import project_catalogue
from invoice_pipelines.delivery.rendering.page_data import page_data
from invoice_pipelines.delivery.rendering.page_picture import page_png
from invoice_pipelines.delivery.rendering.renderer import Renderer
from invoice_pipelines.delivery.rendering.samples import SELLER, sample_invoice
from invoice_pipelines_tests.support.delivery.rendering.looking import SETTINGS, XML


def scanned(renderer: Renderer, invoice: IssuedInvoice) -> str:
    """What a camera reads from the first page; empty: no code."""
    picture = page_png(renderer.render(invoice, XML, language="de").pdf, width=1400)
    grey = cv2.imdecode(numpy.frombuffer(picture, numpy.uint8), cv2.IMREAD_GRAYSCALE)
    return str(cv2.QRCodeDetector().detectAndDecode(grey)[0])


def test_an_app_reads_who_is_paid_how_much_and_for_what(renderer: Renderer) -> None:
    assert scanned(renderer, sample_invoice("de")).splitlines() == [
        "BCD",
        "002",
        "1",
        "SCT",
        "COBADEFFXXX",
        "Nordlicht Werkstätten GmbH",
        "DE89370400440532013000",
        "EUR2977.80",
        "",
        "",
        "RE-2026-000042",
    ]


def test_there_is_none_where_a_transfer_makes_no_sense() -> None:
    catalogue = project_catalogue("de")
    off = SETTINGS.model_copy(update={"payment_qr_code": False})
    account = replace(SELLER, iban=None)
    assert page_data(sample_invoice("de"), SETTINGS, catalogue)["qr_code"].startswith("<svg")
    for invoice, settings in (
        (sample_invoice("de", kind=DocumentKind.CREDIT_NOTE), SETTINGS),
        (sample_invoice("de", currency="USD"), SETTINGS),
        (sample_invoice("de", seller=account), SETTINGS),
        (sample_invoice("de"), off),
    ):
        assert page_data(invoice, settings, catalogue)["qr_code"] is None


@pytest.mark.parametrize(
    ("amount", "fits"), [("0", False), ("0.01", True), ("999999999.99", True), ("1000000000", False)]
)
def test_the_amounts_that_the_code_can_say(amount: str, fits: bool) -> None:
    assert (payload("A", "DE89370400440532013000", None, Decimal(amount), "1") is not None) == fits


def test_names_are_cut_and_cannot_add_lines() -> None:
    said = payload("A\nB " + "x" * 100, "de89 3704 0044 0532 0130 00", None, Decimal(1), "R\r\n1")
    assert said is not None
    lines = said.split("\n")
    assert len(lines) == 11
    assert lines[5] == "A B " + "x" * 66
    assert (lines[4], lines[6], lines[10]) == ("", "DE89370400440532013000", "R 1")


def test_the_picture_of_a_page_has_the_width_that_was_asked_for(renderer: Renderer) -> None:
    pdf = renderer.render(sample_invoice("de"), XML, language="de").pdf
    with Image.open(BytesIO(page_png(pdf, width=500))) as picture:
        assert picture.format == "PNG"
        assert abs(picture.width - 500) <= 1
    with pytest.raises(IndexError, match="1 pages, not 2"):
        page_png(pdf, 2)
