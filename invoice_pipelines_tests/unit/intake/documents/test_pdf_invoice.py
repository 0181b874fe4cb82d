"""Which of the invoices in a PDF is read, and that nothing about it is passed over in silence."""

from __future__ import annotations

import re
from io import BytesIO

import pytest
from pypdf import PdfWriter
from pypdf.generic import (
    ArrayObject,
    DecodedStreamObject,
    DictionaryObject,
    IndirectObject,
    NameObject,
    TextStringObject,
)

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.intake.documents import read_document
from invoice_pipelines.intake.reading import DiscrepancyKind, Format, Reading, Source
from invoice_pipelines_tests.support.intake.documents import samples

PAGE = samples.pdf("Invoice RE-1", "Date 31.03.2025", "Net 95.50 EUR", "VAT 19 % 18.15 EUR", "Total 113.65 EUR")
SCAN = samples.pdf()
UBL = samples.UBL.encode()
CII = samples.CII.encode()
OTHER = samples.CII.replace("RE-2025/0815", "RE-2025/0999").encode()
ORDER_X = (
    b'<rsm:SCRDMCCBDACIOMessageStructure xmlns:rsm="urn:un:unece:uncefact:data:SCRDMCCBDACIOMessageStructure:100"/>'
)
ORDER_DECLARATION = (
    b'<x xmlns:fx="urn:factur-x:pdfa:CrossIndustryDocument:1p0#"><fx:DocumentType>ORDER</fx:DocumentType></x>'
)
DECLARATION = b'<x xmlns:fx="urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#"/>'


def messages(reading: Reading) -> tuple[str, ...]:
    return tuple(found.message for found in reading.discrepancies)


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


@pytest.mark.parametrize(
    ("attached", "remarks"),
    [
        (
            [("a.xml", OTHER), ("factur-x.xml", CII)],
            (
                "The PDF carries several invoices: 'factur-x.xml' (number RE-2025/0815) was read,"
                " 'a.xml' (number RE-2025/0999) was not.",
            ),
        ),
        ([("xrechnung.xml", UBL), ("factur-x.xml", CII)], ()),
        ([("a.xml", b"<sheet/>"), ("factur-x.xml", CII)], ()),
        ([("order-x.xml", ORDER_X), ("factur-x.xml", CII)], ()),
    ],
    ids=["a second invoice", "the same in two syntaxes", "other XML", "an order"],
)
def test_the_prescribed_name_leads_and_only_a_second_invoice_is_remarked(
    attached: list[tuple[str, bytes]], remarks: tuple[str, ...]
) -> None:
    reading = read_document(samples.with_attachments(PAGE, *attached))
    assert (reading.number, reading.format, reading.warnings) == ("RE-2025/0815", Format.CII, ())
    assert messages(reading) == remarks


@pytest.mark.parametrize(
    ("attached", "metadata", "remark"),
    [
        *(
            ([("factur-x.xml", content)], None, rf"'factur-x\.xml'.*{reason}")
            for content, reason in (
                (CII[:1000], "not well-formed"),
                (b"<Order/>", "not an invoice"),
                (b"%PDF-1.7", "is not XML"),
            )
        ),
        ([], DECLARATION, "^The PDF declares an attached XML invoice, but none is attached\\.$"),
    ],
)
def test_the_text_layer_never_stands_in_silently_for_an_unreadable_or_missing_attachment(
    attached: list[tuple[str, bytes]], metadata: bytes | None, remark: str
) -> None:
    reading = read_document(samples.with_attachments(PAGE, *attached, metadata=metadata))
    assert reading.source == Source.TEXT
    assert re.search(remark, messages(reading)[0])
    assert reading.warnings[0] == "The values were read from the text of the pages instead."


def test_an_ordinary_pdf_is_read_from_its_text_without_remarks_on_attachments() -> None:
    reading = read_document(PAGE)
    assert (reading.source, reading.format) == (Source.TEXT, Format.PDF)
    assert reading.discrepancies == ()


@pytest.mark.parametrize("lost", ["no stream", "no entry", "dangling"])
def test_an_xml_that_is_listed_and_lost_is_a_discrepancy(lost: str) -> None:
    writer = PdfWriter(clone_from=BytesIO(PAGE))
    stream = DecodedStreamObject()
    stream.set_data(CII)
    reference = samples.embedded_file(writer, "factur-x.xml", stream)
    specification = reference.get_object()
    assert isinstance(specification, DictionaryObject)
    if lost == "no entry":
        del specification["/EF"]
    else:
        missing = DictionaryObject() if lost == "no stream" else IndirectObject(9999, 0, writer)
        specification[NameObject("/EF")] = DictionaryObject({NameObject("/F"): missing})
    writer.root_object[NameObject("/AF")] = ArrayObject([reference])
    reading = read_document(samples.written(writer))
    assert reading.source == Source.TEXT
    assert [found.kind for found in reading.discrepancies] == [DiscrepancyKind.XML_MISSING]
    assert "'factur-x.xml'" in messages(reading)[0]


def test_a_second_invoice_is_found_though_nothing_calls_it_xml() -> None:
    reading = read_document(samples.with_attachments(PAGE, ("factur-x.xml", CII), ("terms.bin", OTHER)))
    assert reading.number == "RE-2025/0815"
    assert [found.kind for found in reading.discrepancies] == [DiscrepancyKind.SEVERAL_INVOICES]


@pytest.mark.parametrize("metadata", [ORDER_DECLARATION, DECLARATION, None])
def test_a_purchase_order_is_no_invoice(metadata: bytes | None) -> None:
    with pytest.raises(ReadingError) as error:
        read_document(samples.with_attachments(PAGE, ("order-x.xml", ORDER_X), metadata=metadata))
    assert (error.value.code, error.value.message) == (
        "NOT_AN_INVOICE",
        "This is a purchase order (Order-X), not an invoice.",
    )


def test_a_purchase_order_whose_xml_is_lost_is_no_invoice_either() -> None:
    with pytest.raises(ReadingError, match="a purchase order"):
        read_document(samples.with_attachments(PAGE, metadata=ORDER_DECLARATION))


def test_a_scan_with_an_unreadable_attachment_says_both() -> None:
    with pytest.raises(ReadingError) as error:
        read_document(samples.with_attachments(SCAN, ("factur-x.xml", CII[:1000])))
    assert error.value.code == "PDF_NO_TEXT_LAYER"
    assert "'factur-x.xml'" in error.value.message


@pytest.mark.parametrize(("before", "password"), [(b"\r\n--mail boundary\r\n", None), (b"", "")])
def test_a_pdf_behind_other_bytes_or_without_need_of_its_password_is_read(before: bytes, password: str | None) -> None:
    hybrid = samples.with_attachments(PAGE, ("factur-x.xml", CII), password=password)
    assert read_document(before + hybrid).number == "RE-2025/0815"


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
