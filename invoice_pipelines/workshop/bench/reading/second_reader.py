"""What the second reader costs, which ranks the amounts of each document that is read from its text layer."""

from __future__ import annotations

from pathlib import Path
from time import process_time

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.intake.documents.limits import Limits
from invoice_pipelines.intake.documents.text_layer import find_fields
from invoice_pipelines.intake.documents.text_layer.page.labels import labelled_lines
from invoice_pipelines.intake.documents.text_layer.page.words import read_pages
from invoice_pipelines.intake.documents.text_layer.ranking.ranker import load_model, rank
from invoice_pipelines.intake.documents.text_layer.totals.amounts import find_amounts


def share_of_second_reader(folder: Path) -> float:
    """Of the processor time for reading those PDFs of a folder that have a text layer, the share that the second reader
    takes; 0 where there are none."""
    ranking = reading = 0.0
    for file in sorted(folder.rglob("*.pdf")):
        data = file.read_bytes()
        began = process_time()
        try:
            pages = [page for page in read_pages(data, Limits()) if page.usable]
            find_fields(pages)
        except ReadingError:
            continue
        reading += process_time() - began
        labelled, _ = labelled_lines(pages)
        amounts = find_amounts(labelled)
        began = process_time()
        rank(labelled, amounts, "gross", load_model())
        ranking += process_time() - began
    return ranking / reading if reading else 0.0
