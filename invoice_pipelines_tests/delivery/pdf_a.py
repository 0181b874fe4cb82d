"""Who judges whether a document is the PDF/A-3b with the XML of Factur-X that it says it is.

pdf_oxide (PyPI) validates PDF/A-3b: identification and XMP, embedded fonts, forbidden actions and JavaScript,
encryption, embedded files with their relationship; it does not look at output intents, trailers or what is inside fonts
and streams. So pikepdf looks for the rest here.
"""

from __future__ import annotations

from io import BytesIO

import pdf_oxide
import pikepdf


def judged(pdf: bytes) -> list[str]:
    """What pdf_oxide has against a PDF/A-3b."""
    found = pdf_oxide.PdfDocument.from_bytes(pdf).validate_pdf_a("3b")
    assert found["valid"] == (not found["errors"])
    return list(found["errors"])


def assert_is_pdf_a_3b(pdf: bytes, xml: bytes, *, language: str) -> None:
    """Fails unless the document keeps its claims and has the XML in it, byte for byte."""
    assert judged(pdf) == []
    with pikepdf.open(BytesIO(pdf)) as document:
        assert document.check_pdf_syntax() == []
        root = document.Root
        assert not document.is_encrypted
        assert "/OpenAction" not in root
        assert "/AA" not in root
        assert "/JavaScript" not in root.Names
        assert [intent.S for intent in root.OutputIntents] == [pikepdf.Name.GTS_PDFA1]
        assert root.OutputIntents[0].DestOutputProfile.N == 3
        assert len(document.trailer.ID) == 2
        assert str(root.Lang) == language

        (attached,) = root.AF
        assert attached.AFRelationship == pikepdf.Name.Alternative
        assert (str(attached.F), str(attached.UF)) == ("factur-x.xml", "factur-x.xml")
        assert attached.EF.F.read_bytes() == xml
        assert str(attached.EF.F.Subtype) == "/text/xml"
        assert "/ModDate" in attached.EF.F.Params
        assert root.Names.EmbeddedFiles.Names[1].objgen == attached.objgen

        with document.open_metadata() as metadata:
            assert metadata["pdfaid:part"] == "3"
            assert metadata["pdfaid:conformance"] == "B"
            factur_x = "{urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#}"
            assert [metadata[factur_x + key] for key in ("DocumentType", "DocumentFileName", "Version")] == [
                "INVOICE",
                "factur-x.xml",
                "1.0",
            ]
            assert metadata[factur_x + "ConformanceLevel"] == "EN 16931"
            assert metadata["dc:title"] == str(document.docinfo.Title)
        packet = root.Metadata.read_bytes()
        assert "/Filter" not in root.Metadata
        assert packet.count(b"<pdfaExtension:schemas>") == 1
        assert b"<pdfaSchema:prefix>fx</pdfaSchema:prefix>" in packet
        for font in fonts_of(document):
            descriptor = font.DescendantFonts[0].FontDescriptor
            assert {"/FontFile2", "/FontFile3"} & set(descriptor.keys())
            assert "/ToUnicode" in font


def fonts_of(document: pikepdf.Pdf) -> list[pikepdf.Object]:
    fonts = [
        entry
        for entry in document.objects
        if isinstance(entry, pikepdf.Dictionary) and entry.get("/Type") == "/Font" and "/DescendantFonts" in entry
    ]
    assert fonts
    return fonts
