"""Keeps the results of OCR for good, so that no engine reads, or is paid for, the same page twice.

The key is the pixels of the page with the engine, its version and its options. A new version or another option reads
the page again; older results stay.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, text

from invoice_pipelines.intake.documents.ocr.engine import EngineIdentity, RecognizedPage, RecognizedWord


def find_page(connection: Connection, page_sha256: str, engine: EngineIdentity) -> RecognizedPage | None:
    """The words that this engine read on the page; None if it has not read it yet."""
    row = connection.execute(
        text(
            """select words, width_px, height_px, quarter_turns, seconds, cost_usd from intake.ocr_page
               where page_sha256 = :sha256 and engine = :name and engine_version = :version and options = :options"""
        ),
        _key(page_sha256, engine),
    ).one_or_none()
    if row is None:
        return None
    words = tuple(
        RecognizedWord(word, (left, top, right, bottom), confidence)
        for word, left, top, right, bottom, confidence in row.words
    )
    return RecognizedPage(words, row.width_px, row.height_px, row.quarter_turns, float(row.seconds), row.cost_usd)


def keep_page(
    connection: Connection, page_sha256: str, engine: EngineIdentity, page: RecognizedPage, created_by: str
) -> None:
    """Keeps a result. If two processes read the same page at once, the first result stays."""
    words = [
        [word.text.replace("\0", "\ufffd"), *(round(side, 2) for side in word.box), round(word.confidence, 4)]
        for word in page.words
    ]
    connection.execute(
        text(
            """
            insert into intake.ocr_page (organization_id, page_sha256, engine, engine_version, options, words,
                                         width_px, height_px, quarter_turns, seconds, cost_usd, created_by)
            values (organizations.current(), :sha256, :name, :version, :options,
                    cast(:words as jsonb), :width, :height, :turns, :seconds, :cost, :created_by)
            on conflict do nothing
            """
        ),
        {
            **_key(page_sha256, engine),
            "words": json.dumps(words),
            "width": page.width,
            "height": page.height,
            "turns": page.quarter_turns,
            "seconds": Decimal(str(round(page.seconds, 3))),
            "cost": page.cost_usd,
            "created_by": created_by,
        },
    )


def _key(page_sha256: str, engine: EngineIdentity) -> dict[str, Any]:
    return {"sha256": page_sha256, "name": engine.name, "version": engine.version, "options": engine.options}
