"""Documents are what they claim: PDF/A-3a and PDF/UA-1 with the XML of Factur-X, the bytes in order; see `pdf_a`.

Where PDFBox Preflight is installed (Debian's libpdfbox2-java; made for PDF/A-1b), it looks into fonts, widths, colours,
streams, trailer and XMP as well: all it may find are the three things that PDF/A-3 allows and PDF/A-1 does not.
"""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from invoice_pipelines.billing.issued_invoices import DocumentKind
from invoice_pipelines.delivery.rendering.factur_x_metadata import UnknownLayout, with_factur_x_metadata
from invoice_pipelines.delivery.rendering.renderer import Renderer
from invoice_pipelines.delivery.rendering.samples import sample_invoice
from invoice_pipelines_tests.support.delivery.pdf_a import assert_is_pdf_a_3, judged, structure
from invoice_pipelines_tests.support.delivery.rendering.looking import XML, page_texts, render_with
from invoice_pipelines_tests.unit.delivery.rendering.test_renderer import hostile

SAMPLES = ("one page", "many pages", "credit note", "scripts", "us letter with a logo")
LOGO = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 10"><rect width="40" height="10" fill="#c20"/></svg>'


def sample(name: str, renderer: Renderer) -> bytes:
    if name == "us letter with a logo":
        own = render_with(own={"logo.svg": LOGO})
        return own.render(sample_invoice("en"), XML, language="en").pdf
    invoice = {
        "one page": sample_invoice("de"),
        "many pages": sample_invoice("de", lines=40),
        "credit note": sample_invoice("de", kind=DocumentKind.CREDIT_NOTE),
        "scripts": hostile(),
    }[name]
    return renderer.render(invoice, XML, language="de").pdf


@pytest.mark.parametrize("name", SAMPLES)
def test_documents_are_pdf_a_3_and_pdf_ua_with_the_xml_of_factur_x(renderer: Renderer, name: str) -> None:
    pdf = sample(name, renderer)
    assert_is_pdf_a_3(pdf, XML, language="en" if "letter" in name else "de")


def test_pictures_are_told_in_words_in_the_language_of_the_document(renderer: Renderer) -> None:
    own = render_with(own={"logo.svg": LOGO})
    pdf = own.render(sample_invoice("en"), XML, language="en").pdf
    assert [figure.alt for figure in structure(pdf).all("Figure")] == [
        "Logo of Nordlicht Werkstätten GmbH",
        "QR code for a bank transfer of €2,977.80 to DE89\u00a03704\u00a00044\u00a00532\u00a00130\u00a000, "
        "payment reference RE-2026-000042",
    ]
    (figure,) = structure(sample("one page", renderer)).all("Figure")
    assert (figure.alt or "").startswith("QR-Code für eine Überweisung von 2.977,80")
    assert structure(sample("credit note", renderer)).all("Figure") == []


def test_what_is_read_aloud_follows_the_order_of_the_page(renderer: Renderer) -> None:
    root = structure(sample("many pages", renderer))
    assert [element.kind for element in root.all("H1", "Table", "H2")] == ["H1", "Table", "H2"]
    assert len([row for body in root.all("TBody") for row in body.all("TR")]) == 40, "over pages it is one table"


def test_a_template_that_cannot_be_read_aloud_makes_a_pdf_a_3b_all_the_same() -> None:
    notes = b'#let notes(data) = image("logo.svg", width: 10mm)'
    renderer = render_with(own={"logo.svg": LOGO, "notes.typ": notes})
    pdf = renderer.render(sample_invoice("de"), XML, language="de").pdf
    assert pdf == renderer.render(sample_invoice("de"), XML, language="de").pdf
    assert b"pdfuaid:part" not in pdf
    with pytest.raises(AssertionError):
        assert_is_pdf_a_3(pdf, XML, language="de")


def test_the_file_is_in_order_after_its_metadata_grew(renderer: Renderer) -> None:
    """Each object is where the table says, so nobody has to repair the file: pdfium reads it, too."""
    pdf = sample("one page", renderer)
    assert pdf.count(b"D:20260316000000Z") >= 2, "it is dated by the issue date"
    assert b"<xmp:CreateDate>2026-03-16T00:00:00Z</xmp:CreateDate>" in pdf
    table = int(pdf[pdf.rindex(b"startxref\n") + 10 :].split()[0])
    lines = pdf[table:].split(b"\n")
    assert lines[0] == b"xref"
    entries = [
        pdf[table:].split(b"trailer")[0][len(b"xref\n" + lines[1] + b"\n") :][at : at + 20]
        for at in range(0, 20 * int(lines[1].split()[1]), 20)
    ]
    for number, entry in enumerate(entries):
        if entry[17:18] == b"n":
            assert pdf[int(entry[:10]) :].startswith(b"%d 0 obj" % number)
    assert "Rechnung" in page_texts(pdf)[0]
    with pytest.raises(UnknownLayout):
        with_factur_x_metadata(b"%PDF-1.7\nstartxref\n9\n%%EOF")


def test_the_judge_refuses_what_is_broken(renderer: Renderer) -> None:
    pdf = sample("one page", renderer)
    for right, wrong in (
        (b"<pdfaid:part>3</pdfaid:part>", b"<pdfaix:part>3</pdfaix:part>"),
        (b"/FontFile3", b"/FontXile3"),
        (b"/Metadata ", b"/Mxtadata "),
        (b"/AFRelationship", b"/AXRelationship"),
        (b"/Lang(de)", b"/OpenAction<</S/JavaScript/JS(app.beep)>>"),
    ):
        assert right in pdf
        assert judged(pdf.replace(right, wrong)) != []


JARS = Path("/usr/share/java")
PREFLIGHT = (
    "preflight",
    "pdfbox2",
    "fontbox2",
    "xmpbox",
    "commons-logging",
    "commons-io",
    "jaxb-api",
    "javax.activation",
)


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("java") is None or not (JARS / "preflight.jar").exists(),
    reason="needs Java and PDFBox Preflight (Debian: libpdfbox2-java libjaxb-api-java)",
)
def test_preflight_finds_only_what_pdf_a_3_allows(renderer: Renderer, tmp_path: Path) -> None:
    allowed = {
        "1.2.9 : Body Syntax error, EmbeddedFile entry is present in a FileSpecification dictionary",
        "1.4.7 : Trailer Syntax error, EmbeddedFile entry is present in the Names dictionary",
        "2.1.6 : Invalid graphics object, Invalid version of the ICCProfile",  # version 4, known since PDF 1.5
        "7.11.2 : Error on MetaData, part must be 1",
    }
    class_path = ":".join(str(JARS / f"{name}.jar") for name in PREFLIGHT)
    for name in SAMPLES:
        file = tmp_path / f"{name}.pdf"
        file.write_bytes(sample(name, renderer))
        said = subprocess.run(
            ["java", "-cp", class_path, "org.apache.pdfbox.preflight.Validator_A1b", str(file)],
            capture_output=True,
            text=True,
            timeout=120,
        ).stdout
        found = Counter(line.split(" on page ")[0] for line in said.splitlines() if line[:1].isdigit())
        assert "7.11.2 : Error on MetaData, part must be 1" in found  # it did look
        assert set(found) <= allowed, (name, found)
