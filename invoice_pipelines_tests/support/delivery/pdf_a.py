"""Who judges whether a document is the PDF/A-3a, PDF/UA-1, with the XML of Factur-X that it says it is.

pdf_oxide (PyPI) validates PDF/A-3: identification and XMP, embedded fonts, forbidden actions and JavaScript,
encryption, embedded files with their relationship; it does not look at output intents, trailers or what is inside fonts
and streams. Of PDF/UA it looks at title, language, tags and identification, and not into the structure. So pikepdf
looks for the rest here.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Any

import pdf_oxide
import pikepdf


def judged(pdf: bytes, level: str = "a") -> list[str]:
    """What pdf_oxide has against a PDF/A-3 of this level, and against PDF/UA-1 where that is claimed."""
    document = pdf_oxide.PdfDocument.from_bytes(pdf)
    errors = []
    for found in (document.validate_pdf_a(f"3{level}"), document.validate_pdf_ua()):
        assert found["valid"] == (not found["errors"])
        errors += found["errors"]
    return errors


def assert_is_pdf_a_3(pdf: bytes, xml: bytes, *, language: str, level: str = "a") -> None:
    """Fails unless the document keeps its claims and has the XML in it, byte for byte."""
    assert judged(pdf, level) == []
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
            assert metadata["pdfaid:conformance"] == level.upper()
            assert metadata.get("pdfuaid:part") == ("1" if level == "a" else None)
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
    assert_is_structured(pdf)


@dataclass(frozen=True)
class Element:
    """An element of the structure tree: its type, what stands for it in words, its attributes, and what is in it."""

    kind: str
    alt: str | None
    scope: str | None
    kids: tuple[Element, ...]

    def all(self, *kinds: str) -> list[Element]:
        """The elements of these types below it and itself, in the order in which they are read."""
        here = [self] if self.kind in kinds else []
        return here + [found for kid in self.kids for found in kid.all(*kinds)]


def structure(pdf: bytes) -> Element:
    """The structure tree."""
    with pikepdf.open(BytesIO(pdf)) as document:
        kids = _elements(document.Root.StructTreeRoot.K)
        assert document.Root.MarkInfo.Marked
        assert document.Root.ViewerPreferences.DisplayDocTitle
        assert len(document.Root.StructTreeRoot.ParentTree.Nums) >= 2 * len(document.pages)
        assert all("/StructParents" in page and page.Tabs == pikepdf.Name.S for page in document.pages)
    (root,) = kids
    return root


def assert_is_structured(pdf: bytes) -> None:
    """Fails unless the page can be read aloud: one title, headings in order, tables with heads, pictures in words."""
    root = structure(pdf)
    assert root.kind == "Document"
    headings = [element.kind for element in root.all("H1", "H2", "H3")]
    assert headings[:1] == ["H1"]
    assert headings.count("H1") == 1
    assert "H3" not in headings
    (table,) = root.all("Table")
    (head,) = table.all("THead")
    assert {cell.scope for cell in head.all("TH")} == {"Column"}
    names, *_ = head.all("TR")  # below it what is brought forward, on many pages
    width = len(names.all("TH")) + 1  # quantity and unit share a head
    rows = [row for body in table.all("TBody") for row in body.all("TR")]
    assert rows
    assert {len(row.all("TD")) for row in rows} == {width}
    assert all(figure.alt for figure in root.all("Figure"))


def _elements(entry: Any) -> tuple[Element, ...]:
    if isinstance(entry, pikepdf.Array):
        return tuple(element for kid in entry for element in _elements(kid))
    if not isinstance(entry, pikepdf.Dictionary) or "/S" not in entry:
        return ()
    given = entry.get("/A")
    attributes = given if isinstance(given, pikepdf.Array) else [] if given is None else [given]
    scopes = [str(each.Scope)[1:] for each in attributes if "/Scope" in each]
    alt = str(entry.Alt) if "/Alt" in entry else None
    return (Element(str(entry.S)[1:], alt, *(scopes or [None])[:1], _elements(entry.get("/K"))),)  # type: ignore[call-arg, list-item]


def fonts_of(document: pikepdf.Pdf) -> list[pikepdf.Object]:
    fonts = [
        entry
        for entry in document.objects
        if isinstance(entry, pikepdf.Dictionary) and entry.get("/Type") == "/Font" and "/DescendantFonts" in entry
    ]
    assert fonts
    return fonts  # type: ignore[return-value]
