"""Many documents as one PDF: all pages in order, a bookmark for each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pikepdf
import pytest

from invoice_pipelines.delivery.rendering.combined import combine
from invoice_pipelines.delivery.rendering.renderer import Renderer
from invoice_pipelines.delivery.rendering.samples import sample_invoice
from invoice_pipelines_tests.support.delivery.rendering.looking import XML, page_texts


def test_each_document_is_there_with_all_pages_under_its_bookmark(renderer: Renderer, tmp_path: Path) -> None:
    numbers = {"RE-1": 3, "RE-2": 20, "RE-3 „ä“": 2}
    parts = [
        (
            number,
            renderer.render(replace(sample_invoice("de", lines=lines), invoice_number=number), XML, language="de").pdf,
        )
        for number, lines in numbers.items()
    ]
    target = tmp_path / "all.pdf"
    assert combine(iter(parts), target) == 4
    texts = page_texts(target.read_bytes())
    assert texts == [text for _, pdf in parts for text in page_texts(pdf)]
    with pikepdf.open(target) as whole, whole.open_outline() as outline:
        targets: dict[str, Any] = {item.title: item.destination for item in outline.root}
        places = {title: whole.pages.index(pikepdf.Page(target[0])) for title, target in targets.items()}
        assert places == {"RE-1": 0, "RE-2": 1, "RE-3 „ä“": 3}
        assert "/AF" not in whole.Root
        assert not any("/StructParents" in page for page in whole.pages)
    first = target.read_bytes()
    combine(parts, target)
    assert target.read_bytes() == first


def test_nothing_cannot_be_combined(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing"):
        combine([], tmp_path / "none.pdf")
