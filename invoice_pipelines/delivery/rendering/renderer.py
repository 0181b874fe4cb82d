"""An invoice becomes a page: its values go as JSON into Typst, and PDF/A-3 with the XML comes out."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from importlib import metadata, resources
from pathlib import Path
from typing import Any, Literal

import typst

from invoice_pipelines.billing.issued_invoices import IssuedInvoice
from invoice_pipelines.delivery.rendering.bundle import TemplateBundle
from invoice_pipelines.delivery.rendering.errors import TemplateError
from invoice_pipelines.delivery.rendering.factur_x_metadata import with_factur_x_metadata
from invoice_pipelines.delivery.rendering.glyphs import FAMILIES, plainest, shown, without_marks
from invoice_pipelines.delivery.rendering.language.catalogue import Catalogue, catalogue_name, catalogue_of, languages
from invoice_pipelines.delivery.rendering.page_data import page_data
from invoice_pipelines.delivery.rendering.sources import check_sources, own_files
from invoice_pipelines.organizations import Organization
from invoice_pipelines.organizations.settings import DocumentSettings

ENGINE = f"typst {metadata.version('typst')}"
MAIN = "invoice.typ"
STANDARDS: tuple[tuple[Literal["a-3a", "a-3b", "ua-1"], ...], ...] = (("a-3a", "ua-1"), ("a-3b",))
"""What a document is: PDF/A-3a that everybody can read (PDF/UA-1, ISO 14289-1); or else, where a template of an
organization or a text does not allow that (a picture without an alternative text), PDF/A-3b with tags."""
LOGOS = ("logo.svg", "logo.png", "logo.jpg")
"""Names of the file with the logo; the first that is there counts."""
_LINES_ON_ONE_PAGE = 8
_PAGES = re.compile(rb"<xmpTPg:NPages>(\d+)</xmpTPg:NPages>")
_ATTACHMENT = b"/Type/EmbeddedFile"
_SEARCHED = re.compile(r" \(searched at [^)]*\)")
_PLACE = re.compile(r"┌─ (?:[^\n]*/)?([\w./-]+):(\d+):\d+")


@dataclass(frozen=True)
class Look:
    """How the documents of an organization look, and the language where none is asked for."""

    settings: DocumentSettings
    language: str

    @classmethod
    def of(cls, organization: Organization) -> Look:
        return cls(organization.settings.documents, organization.settings.language)


@dataclass(frozen=True, slots=True)
class Rendered:
    """A PDF/A-3. `missing_glyphs`: characters that no font has, shown as a replacement; None: all are there."""

    pdf: bytes
    pages: int
    missing_glyphs: str | None


class Renderer:
    """Renders invoices of one organization. Keep it: Typst remembers what it has read and set. Not thread safe.

    Templates see the files of the bundle and nothing else: these are in a folder of their own, which Typst does not let
    them leave, and what could reach the network (packages) is refused. Raises TemplateError for that, and for a
    catalogue that is broken.
    """

    def __init__(self, bundle: TemplateBundle, look: Look) -> None:
        check_sources(bundle)
        self._own = frozenset(own_files(bundle))
        self._look = look
        self._logo = next((name for name in LOGOS if name in bundle.files), None)
        self._catalogues = {language: catalogue_of(bundle.files, language) for language in languages(bundle)}
        self._seen = {name: content for name, content in bundle.files.items() if not name.endswith(".toml")}
        self._folder = tempfile.TemporaryDirectory(prefix="invoice-pipelines-templates-")
        self._write_files()
        self._compiler = typst.Compiler(
            str(Path(self._folder.name) / MAIN),
            root=self._folder.name,
            font_paths=_fonts(),
            ignore_system_fonts=True,
            package_path=self._folder.name,
            package_cache_path=self._folder.name,
        )

    def render(self, invoice: IssuedInvoice, xml: bytes | None, *, language: str) -> Rendered:
        """The document of an invoice with its XML inside; without XML a plain one. A language without catalogue: that
        of the organization.

        The same values, templates, settings and engine give the same bytes. Raises TemplateError.
        """
        catalogue = self._catalogues.get(language) or self._catalogues[self._look.language]
        data = page_data(invoice, self._look.settings, catalogue)
        data["logo"] = self._logo
        data["fonts"] = FAMILIES
        data["pages"] = 1 if len(invoice.lines) <= _LINES_ON_ONE_PAGE else None
        if not Path(self._folder.name, MAIN).exists():  # machines clean up what is temporary
            self._write_files()
        pdf, missing = self._typeset(data, xml, invoice)
        pages = _pages(pdf)
        if data["pages"] is not None and pages != data["pages"]:
            # That each page says how many there are needs several layouts, which most invoices are spared.
            pdf, missing = self._typeset({**data, "pages": None}, xml, invoice)
            pages = _pages(pdf)
        if xml is None:
            if _ATTACHMENT in pdf:
                raise TemplateError(
                    'it attaches an XML where there is none: write `if sys.inputs.xml != ""` before', MAIN
                )
            return Rendered(pdf, pages, missing)
        return Rendered(with_factur_x_metadata(pdf), pages, missing)

    def _write_files(self) -> None:
        folder = Path(self._folder.name)
        folder.mkdir(mode=0o700, exist_ok=True)
        for name, content in self._seen.items():
            (folder / name).write_bytes(content)

    def _typeset(self, data: dict[str, Any], xml: bytes | None, invoice: IssuedInvoice) -> tuple[bytes, str | None]:
        """The PDF of Typst, and the characters that it lacks.

        A mark on a letter of another font can be set by none, though both are known: then marks are left out, then all
        but the plainest letters.
        """
        for as_shown in (shown, without_marks):
            try:
                displayable, missing = _displayable(data, as_shown)
                return self._compile(displayable, xml, invoice), missing
            except _NotDisplayed:
                continue
        displayable, missing = _displayable(data, plainest)
        return self._compile(displayable, xml, invoice), missing

    def _compile(self, data: dict[str, Any], xml: bytes | None, invoice: IssuedInvoice) -> bytes:
        inputs = {"data": json.dumps(data, ensure_ascii=False), "xml": (xml or b"").decode("utf-8")}
        for standards in STANDARDS:
            try:
                made = self._compiler.compile(
                    format="pdf",
                    sys_inputs=inputs,
                    pdf_standards=list(standards),
                    timestamp=datetime.combine(invoice.issue_date, datetime.min.time(), UTC),
                    pdf_tags=True,
                )
            except typst.TypstError as error:
                if "could not be displayed" in error.message:
                    raise _NotDisplayed(error.message) from None
                if error.message.startswith("PDF/") and standards != STANDARDS[-1]:
                    continue
                raise _template_error(error, self._own) from None
            assert isinstance(made, bytes)
            return made
        raise AssertionError("the last of the standards is tried")


class _NotDisplayed(TemplateError):
    """A text that no font shows: of the invoice, or of the template."""


def catalogue_in(bundle: TemplateBundle, look: Look, language: str) -> Catalogue:
    """The catalogue of a language, or that of the organization where there is none."""
    return catalogue_of(bundle.files, language if catalogue_name(language) in bundle.files else look.language)


def _template_error(error: typst.TypstError, own: frozenset[str]) -> TemplateError:
    """Where it happened, or else the innermost call from a file that is the organization's own."""
    message = _SEARCHED.sub("", " ".join([error.message, *error.hints]))
    places = _PLACE.findall(error.diagnostic)
    if not places:
        return TemplateError(message)
    mine = [place for place in places if place[0] in own]
    file, line = (mine or places)[0]
    if own and not mine:
        message += f" (the organization's own: {', '.join(sorted(own))})"
    return TemplateError(message, file, int(line))


def _displayable(
    data: dict[str, Any], as_shown: Callable[[str], tuple[str, str | None]]
) -> tuple[dict[str, Any], str | None]:
    missing: set[str] = set()

    def of(value: Any) -> Any:
        if isinstance(value, str):
            text, lacking = as_shown(value)
            missing.update(lacking or ())
            return text
        if isinstance(value, dict):
            return {key: of(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [of(inner) for inner in value]
        return value

    return of(data), "".join(sorted(missing)) or None


def _pages(pdf: bytes) -> int:
    found = _PAGES.search(pdf)
    assert found is not None  # PDF/A has metadata, and Typst writes the count into them
    return int(found.group(1))


@lru_cache(maxsize=1)
def _fonts() -> typst.Fonts:
    folder = resources.files(__package__) / "fonts"
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(folder)])
