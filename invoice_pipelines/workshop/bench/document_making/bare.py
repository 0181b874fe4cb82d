"""The yardstick of the benchmark of documents: the same pages through the same engine, and nothing else.

A program that is given a folder: `templates/` with the template files, `inputs.jsonl` with the data of one page per
line, as templates get it, and the folder of fonts. It compiles each into a plain PDF (no PDF/A, no XML) with one
compiler that stays warm, throws it away, and prints how many there were and how many bytes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import typst


def main(folder: str, fonts: str) -> None:
    """Compiles and prints one JSON object."""
    compiler = typst.Compiler(
        str(Path(folder) / "templates" / "invoice.typ"),
        root=str(Path(folder) / "templates"),
        font_paths=typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[fonts]),
        ignore_system_fonts=True,
    )
    documents = size = 0
    with (Path(folder) / "inputs.jsonl").open(encoding="utf-8") as inputs:
        for line in inputs:
            made = compiler.compile(format="pdf", sys_inputs={"data": line, "xml": "<none/>"}, pdf_tags=False)
            documents += 1
            size += len(made) if isinstance(made, bytes) else 0
    sys.stdout.write(json.dumps({"documents": documents, "bytes": size}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
