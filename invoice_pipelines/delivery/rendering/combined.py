"""Documents become one PDF, for printing: what is attached to them, PDF/A and PDF/UA are lost."""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import pikepdf


def combine(parts: Iterable[tuple[str, bytes]], target: Path) -> int:
    """Writes all pages of the parts (title of the bookmark, PDF) into one PDF, in their order; returns how many pages.

    Fonts and pictures that are the same in several parts are written once for each part: Typst makes subsets of its
    fonts for each document. Raises ValueError if there are no parts.
    """
    pages = 0
    with pikepdf.new() as whole:
        with whole.open_outline() as outline:
            for title, pdf in parts:
                with pikepdf.open(BytesIO(pdf)) as part:
                    whole.pages.extend(part.pages)
                    outline.root.append(pikepdf.OutlineItem(title, pages))
                    pages += len(part.pages)
        if not pages:
            raise ValueError("there is nothing to combine")
        for page in whole.pages:  # what is said of them in structure trees is not there any more
            for key in ("/StructParents", "/Tabs"):
                if key in page:
                    del page[key]
        whole.Root.PageMode = pikepdf.Name.UseOutlines
        whole.save(target, deterministic_id=True, object_stream_mode=pikepdf.ObjectStreamMode.generate)
    return pages
