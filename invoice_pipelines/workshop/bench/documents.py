"""The documents that benchmarks are run on: the e-invoices of `examples/`, each many times.

A copy differs from its original in number and issue date, so that it is an upload of its own and no duplicate.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pypdf
from lxml import etree
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.einvoice.reading.safe_xml import looks_like_xml
from invoice_pipelines.einvoice.rules.xml_document import Root, parse
from invoice_pipelines.intake.documents import read_document
from invoice_pipelines.workshop.bench.result import BenchError

EXAMPLES = Path(__file__).parents[3] / "examples"


@dataclass(frozen=True, slots=True)
class EInvoice:
    """An e-invoice: its file, and the XML in it, which is the file itself or what is attached to the PDF."""

    name: str
    data: bytes
    xml: bytes


def valid_e_invoices() -> list[EInvoice]:
    """The e-invoices of `examples/`, in XML and in PDF, that are expected to pass. Raises BenchError without them."""
    file = EXAMPLES / "expected.json"
    if not file.exists():
        raise BenchError("the benchmark needs the folder examples/ of a checkout of this project")
    return [
        EInvoice(document["file"], data, xml)
        for organization in json.loads(file.read_text(encoding="utf-8"))["organizations"]
        for document in organization["documents"]
        if document["state"] == "EXPORTED"
        for data in [(EXAMPLES / organization["slug"] / document["file"]).read_bytes()]
        if (xml := _xml_in(data)) is not None
    ]


def e_invoices_in(folder: Path) -> list[bytes]:
    """The XML of the UBL and CII invoices in a folder and below, alone and in PDFs. Raises BenchError without any."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in (".xml", ".pdf"):
            continue
        try:
            xml = read_document(path.read_bytes(), path.name).xml
            if xml is not None and parse(xml).root in (Root.UBL_INVOICE, Root.UBL_CREDIT_NOTE, Root.CII):
                found.append(xml)
        except ReadingError:
            continue
    if not found:
        raise BenchError(f"there are no e-invoices in UBL or CII in {folder}")
    return found


def _xml_in(data: bytes) -> bytes | None:
    if not data.startswith(b"%PDF"):
        return data if looks_like_xml(data) else None
    attached = pypdf.PdfReader(io.BytesIO(data)).attachments.values()
    return next((files[0] for files in attached), None)


def copies(originals: Sequence[EInvoice], count: int) -> Iterator[EInvoice]:
    """`count` copies of each; the copy k has "-k" behind its number and is dated k days earlier."""
    for k in range(1, count + 1):
        for original in originals:
            xml = _changed(original.xml, k)
            data = xml if original.data == original.xml else _with_attachment(original.data, xml)
            yield EInvoice(f"{k:03}-{original.name}", data, xml)


def _changed(xml: bytes, k: int) -> bytes:
    root, number, issued = _number_and_date(xml)
    day = _day(issued) - timedelta(days=k)
    number.text = f"{number.text}-{k}"
    issued.text = day.isoformat() if "-" in str(issued.text) else f"{day:%Y%m%d}"
    return etree.tostring(root.getroottree(), xml_declaration=True, encoding="UTF-8")


def _number_and_date(xml: bytes) -> tuple[etree._Element, etree._Element, etree._Element]:
    root = etree.fromstring(xml)
    if etree.QName(root).localname in ("Invoice", "CreditNote"):  # UBL
        number, issued = root.find("{*}ID"), root.find("{*}IssueDate")
    else:  # CII and ZUGFeRD 1.0
        header = root.find("{*}ExchangedDocument")
        header = root.find("{*}HeaderExchangedDocument") if header is None else header
        number = header.find("{*}ID") if header is not None else None
        issued = header.find("{*}IssueDateTime/{*}DateTimeString") if header is not None else None
    if number is None or issued is None or not issued.text:
        raise BenchError("an e-invoice of examples/ has no number or no issue date")
    return root, number, issued


def _day(issued: etree._Element) -> date:
    return date.fromisoformat(str(issued.text).strip())


def _with_attachment(pdf: bytes, xml: bytes) -> bytes:
    """The PDF with another XML, whose number and date stand on its first page, too."""
    _, number, issued = _number_and_date(xml)
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(pdf))
    for attachment in writer.attachment_list:
        attachment.content = xml
    _print_small(writer.pages[0], f"{number.text} {_day(issued).isoformat()}")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def _print_small(page: pypdf.PageObject, text: str) -> None:
    """Adds a line at the bottom of a page."""
    added = pypdf.PageObject.create_blank_page(width=page.mediabox.width, height=page.mediabox.height)
    font = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type1"),
            NameObject("/BaseFont"): NameObject("/Helvetica"),
        }
    )
    fonts = DictionaryObject({NameObject("/Small"): font})
    added[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
    content = DecodedStreamObject()
    content.set_data(f"BT /Small 6 Tf 20 10 Td ({text}) Tj ET".encode("ascii"))
    added[NameObject("/Contents")] = content
    page.merge_page(added)
