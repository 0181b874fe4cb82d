"""The documents that the reader is measured on, each with its pages and what is true of it.

A folder of receipts has `labelled/`, `unlabelled/` and `expected.jsonl`, a line for each labelled file: "file", and by
field a list of accepted spellings, null for what is not printed, "?" for what is not judged. Hybrids are PDFs with an
e-invoice in them: read by their pages alone, and judged by their XML where the page prints what it says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.intake.documents.hybrid import not_printed
from invoice_pipelines.intake.documents.limits import Limits
from invoice_pipelines.intake.documents.pdf_invoice import read_pdf
from invoice_pipelines.intake.documents.text_layer.page.words import Page
from invoice_pipelines.intake.reading import Reading, Source
from invoice_pipelines.workshop.bench.reading.kept_pages import KeptPages
from invoice_pipelines.workshop.bench.reading.truth import FIELDS, KIND, Truth, letters, read_values, truth_of
from invoice_pipelines.workshop.bench.result import BenchError

RECEIPTS, HYBRIDS = "receipts", "hybrids"
_MORE_LABELS = "receipt_labels.jsonl"
_PARTS = "part_labels.jsonl"


@dataclass(frozen=True, slots=True)
class Document:
    """A document by its pages. `truth` is empty where nobody has looked at it; `seller` is whose layout it has, so that
    what learns is never tested on one that it knows. `labelled` are those of which every field was looked at; of others
    some may be judged."""

    part: str
    name: str
    seller: str
    pages: tuple[Page, ...] | ReadingError
    truth: Truth
    labelled: bool


def receipts(folder: Path, kept: KeptPages) -> Iterator[Document]:
    """The receipts of a folder. Raises BenchError where there are none."""
    files = [path for part in ("labelled", "unlabelled") for path in sorted((folder / part).glob("*.[pP][dD][fF]"))]
    if not files:
        raise BenchError(f"{folder} has no PDFs in labelled/ or unlabelled/")
    parts = _by_file((resources.files(__package__) / _PARTS).read_text("utf-8"))
    labels = more_labels()
    expected = folder / "expected.jsonl"
    if expected.exists():
        for name, truth in _by_file(expected.read_text("utf-8")).items():
            labels[name] = {**labels.get(name, {}), **truth}
    for path in files:
        truth = labels.get(path.name, parts.get(path.name, {}))
        if path.name in labels:
            truth = {KIND: ["invoice"], **truth}
        pages = kept.find(path.read_bytes())
        yield Document(RECEIPTS, path.name, seller_of(path.name), pages, truth, path.name in labels)


def more_labels() -> dict[str, Truth]:
    """Labels that came later than the documents, by the name of the file; also of fields that were left open before."""
    return _by_file((resources.files(__package__) / _MORE_LABELS).read_text("utf-8"))


def hybrids(folder: Path, kept: KeptPages) -> Iterator[Document]:
    """The PDFs below a folder that carry an e-invoice. Raises BenchError where there are none."""
    found = False
    for path in sorted(folder.rglob("*.pdf")):
        data = path.read_bytes()
        try:
            of_xml = read_pdf(data, Limits())
        except ReadingError:
            continue
        if of_xml.source is not Source.XML:
            continue
        found = True
        pages = kept.find(data)
        truth = {} if isinstance(pages, ReadingError) else _printed(of_xml, pages)
        yield Document(HYBRIDS, str(path.relative_to(folder)), of_xml.seller.name or "", pages, truth, True)
    if not found:
        raise BenchError(f"{folder} has no PDFs with an e-invoice in them")


def seller_of(name: str) -> str:
    """Whose receipt it is by the name of its file, which begins with country and year, and goes on with kind and seller
    or a date."""
    country, year, rest = name.split("_", 2)
    seller = re.sub(r"^(cafe|restaurant|hotel|retail|public_transport|tourist_attraction|flights)_", "", rest)
    seller = re.split(r"[-_(.]?\d|[-.(]|_Invoice", seller)[0].strip("_")
    return seller or f"{country} {year}"


def _printed(of_xml: Reading, pages: tuple[Page, ...]) -> Truth:
    """What the XML says and the pages print."""
    texts = ["".join(word.text for word in page.words).casefold() for page in pages]
    values = {field: value for field, value in read_values(of_xml).items() if value is not None and value != ""}
    name, kind = values.pop("seller", None), values.pop(KIND)
    missing = not_printed(texts, {FIELDS[field]: value for field, value in values.items()})
    truth = {field: [str(value)] for field, value in values.items() if FIELDS[field] not in missing}
    if name and any(letters(name) in letters(text) for text in texts):
        truth["seller"] = [name]
    return truth | {KIND: [kind]}


def _by_file(lines: str) -> dict[str, Truth]:
    return {label["file"]: truth_of(label) for label in map(json.loads, lines.splitlines())}
