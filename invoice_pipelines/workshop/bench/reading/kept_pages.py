"""The pages of documents as `find_fields` gets them, recognized once and kept in a folder.

A file is named by the bytes of the document and the engine, its version and its options: another engine reads again.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.intake.documents.aids import Aids
from invoice_pipelines.intake.documents.limits import Limits
from invoice_pipelines.intake.documents.ocr.engine import EngineIdentity
from invoice_pipelines.intake.documents.ocr.pages import pages_read_now
from invoice_pipelines.intake.documents.ocr.recognizer import SharedRecognizer
from invoice_pipelines.intake.documents.text_layer import pages_of
from invoice_pipelines.intake.documents.text_layer.page.words import Page

_PAGES = TypeAdapter(tuple[Page, ...])


@dataclass(frozen=True, slots=True)
class KeptPages:
    """A folder of pages."""

    folder: Path
    recognizer: SharedRecognizer

    def find(self, data: bytes) -> tuple[Page, ...] | ReadingError:
        """The pages of a PDF, or why there are none. Raises EngineUnavailable."""
        path = self.folder / file_name(data, self.recognizer.identity)
        if not path.exists():
            try:
                found = pages_of(data, Limits(), Aids(recognize=pages_read_now(self.recognizer)))
            except ReadingError as error:
                keep(path, error)
            else:
                keep(path, found)
        kept = path.read_bytes()
        if kept.startswith(b"["):
            return _PAGES.validate_json(kept)
        return ReadingError(**json.loads(kept))


def file_name(data: bytes, engine: EngineIdentity) -> str:
    """What the pages of a document are kept as."""
    of_engine = hashlib.sha256(f"{engine.name} {engine.version} {engine.options}".encode()).hexdigest()[:12]
    return f"{hashlib.sha256(data).hexdigest()}.{of_engine}.json"


def keep(path: Path, found: tuple[Page, ...] | ReadingError) -> None:
    """Writes pages, or why there are none; a run that is killed leaves no half of a file."""
    content = (
        json.dumps({"code": found.code, "message": found.message}).encode()
        if isinstance(found, ReadingError)
        else _PAGES.dump_json(found)
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(content)
    part.replace(path)
