"""Makes the filter of words from lists of them.

    python -m invoice_pipelines.workshop.training.words LIST...

A list has a word in each line. From which lists the project's own is made stands in `text_layer/ranking/words.md`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from invoice_pipelines.intake.documents.text_layer import ranking
from invoice_pipelines.intake.documents.text_layer.ranking.words import FILE, filter_of


def main(lists: Annotated[list[Path], typer.Argument(help="Files with a word in each line.")]) -> None:
    """Write the filter."""
    words = [word for path in lists for word in path.read_text("utf-8").split()]
    (Path(ranking.__path__[0]) / FILE).write_bytes(filter_of(words))


if __name__ == "__main__":
    typer.run(main)
