"""Holds which of the invoices in a PDF is read, and that nothing about it is passed over in silence."""

from __future__ import annotations

from io import BytesIO

import pytest
from pypdf import PdfWriter
from pypdf.generic import ArrayObject, DecodedStreamObject, NameObject, TextStringObject

from invoice_pipelines.intake.readers import read_document
from invoice_pipelines.intake.reading import Format, ReadingError, Source
from invoice_pipelines_tests.intake.readers import samples

PAGE = samples.pdf("Invoice RE-1", "Date 31.03.2025", "Net 95.50 EUR", "VAT 19 % 18.15 EUR", "Total 113.65 EUR")
SCAN = samples.pdf()
UBL = samples.UBL.encode()
CII = samples.CII.encode()
OTHER = samples.CII.replace("RE-2025/0815", "RE-2025/0999").encode()
DECLARATION = b'<x xmlns:fx="urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#"/>'


@pytest.mark.parametrize(
    "name",
    [
        "factur-x.xml",
        "zugferd-invoice.xml",
        "ZUGFeRD-invoice.xml",
        "xrechnung.xml",
        "UBL-Invoice-2.1.xml",
        "Rechnung 7.xml",
        "data",
    ],
)
def test_the_xml_is_found_under_any_name(name: str) -> None:
    reading = read_document(samples.with_attachments(PAGE, ("terms.txt", b"terms"), (name, CII)))
    assert (reading.source, reading.format, reading.number) == (Source.XML, Format.CII, "RE-2025/0815")
    assert (reading.xml, reading.warnings) == (CII, ())


@pytest.mark.parametrize(
    ("xml", "format"), [(samples.UBL, Format.UBL), (samples.CII, Format.CII), (samples.ZUGFERD1, Format.ZUGFERD1)]
)
def test_a_hybrid_pdf_has_the_format_of_the_xml_whatever_its_name_says(xml: str, format: Format) -> None:
    assert read_document(samples.with_attachments(PAGE, ("factur-x.xml", xml.encode()))).format == format


def test_an_attachment_that_only_associated_files_name_is_found() -> None:
    writer = PdfWriter(clone_from=BytesIO(PAGE))
    stream = DecodedStreamObject()
    stream.set_data(CII)
    writer.root_object[NameObject("/AF")] = ArrayObject([samples.embedded_file(writer, "factur-x.xml", stream)])
    assert read_document(samples.written(writer)).number == "RE-2025/0815"


def test_the_prescribed_name_leads_and_a_second_invoice_is_remarked() -> None:
    reading = read_document(samples.with_attachments(PAGE, ("a.xml", OTHER), ("factur-x.xml", CII)))
    assert reading.number == "RE-2025/0815"
    assert reading.warnings == (
        "The PDF carries several invoices: 'factur-x.xml' (number RE-2025/0815) was read,"
        " 'a.xml' (number RE-2025/0999) was not.",
    )


def test_the_same_invoice_in_two_syntaxes_needs_no_remark() -> None:
    reading = read_document(samples.with_attachments(PAGE, ("xrechnung.xml", UBL), ("factur-x.xml", CII)))
    assert (reading.format, reading.warnings) == (Format.CII, ())


def test_other_xml_beside_the_invoice_needs_no_remark() -> None:
    reading = read_document(samples.with_attachments(PAGE, ("a.xml", b"<sheet/>"), ("factur-x.xml", CII)))
    assert (reading.number, reading.warnings) == ("RE-2025/0815", ())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (CII[:1000], "not well-formed"),
        (b"<Order/>", "not an invoice"),
        (b"%PDF-1.7", "is not XML"),
    ],
)
def test_the_text_layer_never_stands_in_silently_for_an_unreadable_attachment(content: bytes, reason: str) -> None:
    reading = read_document(samples.with_attachments(PAGE, ("factur-x.xml", content)))
    assert reading.source == Source.TEXT
    assert "'factur-x.xml'" in reading.warnings[0]
    assert reason in reading.warnings[0]
    assert reading.warnings[1] == "The values were read from the text of the pages instead."


def test_the_text_layer_never_stands_in_silently_for_a_missing_attachment() -> None:
    reading = read_document(samples.with_attachments(PAGE, metadata=DECLARATION))
    assert reading.source == Source.TEXT
    assert reading.warnings[0] == "The PDF declares an attached XML invoice, but none is attached."


def test_an_ordinary_pdf_is_read_from_its_text_without_remarks_on_attachments() -> None:
    reading = read_document(PAGE)
    assert (reading.source, reading.format) == (Source.TEXT, Format.PDF)
    assert not any("attach" in warning for warning in reading.warnings)


def test_a_scan_with_an_unreadable_attachment_says_both() -> None:
    with pytest.raises(ReadingError) as error:
        read_document(samples.with_attachments(SCAN, ("factur-x.xml", CII[:1000])))
    assert error.value.code == "PDF_NO_TEXT_LAYER"
    assert "'factur-x.xml'" in error.value.message


def test_the_header_may_stand_behind_other_bytes() -> None:
    hybrid = samples.with_attachments(PAGE, ("factur-x.xml", CII))
    assert read_document(b"\r\n--mail boundary\r\n" + hybrid).number == "RE-2025/0815"


def test_a_pdf_that_opens_without_password_is_read() -> None:
    hybrid = samples.with_attachments(PAGE, ("factur-x.xml", CII), password="")
    assert read_document(hybrid).number == "RE-2025/0815"


def test_a_pdf_that_needs_a_password_is_refused() -> None:
    hybrid = samples.with_attachments(PAGE, ("factur-x.xml", CII), password="secret")
    with pytest.raises(ReadingError) as error:
        read_document(hybrid)
    assert error.value.code == "PDF_ENCRYPTED"


def test_a_name_that_is_no_text_harms_nobody() -> None:
    writer = PdfWriter(clone_from=BytesIO(PAGE))
    stream = DecodedStreamObject()
    stream.set_data(CII)
    specification = samples.embedded_file(writer, "x", stream)
    specification[NameObject("/UF")] = ArrayObject([TextStringObject("x")])
    writer.root_object[NameObject("/AF")] = ArrayObject([specification])
    assert read_document(samples.written(writer)).number == "RE-2025/0815"
