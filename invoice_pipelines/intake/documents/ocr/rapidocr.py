"""The embedded engine: RapidOCR's PP-OCRv6 models, from its wheel, run by OpenVINO.

RapidOCR finds lines and reads their characters; here lines become words, and pages are brought upright and level.
Its classifier of upside-down lines stays off: it turns lines that are right. Instead a page that reads badly is tried
the other way up. Models are named by their files, so nothing is ever downloaded.
"""

from __future__ import annotations

import importlib.util
import math
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

LOOKED_AT = 2_830_000
"""Size in pixels of the picture in which lines are detected: an A4 page at 170 dpi. A larger one takes longer and finds
no more."""

_SHORT_SIDE = 736
"""The detector was trained on this size; smaller pictures are enlarged."""
_LONGEST_SIDE = 8_000
_FEW_LINES = 6
_NEARER = 0.6
_LONGEST_LINE = 120
"""Width of a line by its height. The widest on A4 have 80."""

_DETECTOR = "PP-OCRv6_det_small.onnx"
_RECOGNIZER = "PP-OCRv6_rec_small.onnx"
# Lines that are right have 0.98 in the mean, lines upside down 0.69.
_DOUBTFUL = 0.85
_LEAST_CHARACTERS = 8
_NO_TEXT = 0.5
# Height by width from which a line is taken to run downwards.
_DOWNWARDS = 2.5
_INK = 40_000
"""Dark points that are looked at for the skew of a page."""
# From the middle of one character to that of the next, by the height of the line, from which a blank is between them.
_GAP = 1.05

OPTIONS = f"det_small rec_small looked_at={LOOKED_AT} sparse={_FEW_LINES}x{_NEARER} gap={_GAP} upright level"
"""All that changes the result. The number of threads does not."""

_MISSING = (
    "The embedded OCR engine (RapidOCR with OpenVINO) cannot be loaded: {reason}. Install invoice-pipelines with "
    "all of its dependencies again, or choose another engine."
)


@dataclass(frozen=True, slots=True)
class _Line:
    """Where a line of text is: its corners from the top left one clockwise, as it is read."""

    corners: Floats

    @property
    def angle(self) -> float:
        """Radians by which the line falls to the right."""
        along = self.corners[1] + self.corners[2] - self.corners[0] - self.corners[3]
        return math.atan2(float(along[1]), float(along[0]))

    @property
    def length(self) -> float:
        return math.dist(self.corners[0], self.corners[1])

    @property
    def height(self) -> float:
        return math.dist(self.corners[0], self.corners[3])


@dataclass(frozen=True, slots=True)
class _Character:
    text: str
    place: float
    """Of its middle in the line, as a share of the line's length."""
    confidence: float
    begins: bool
    """Whether a blank is before it."""


_ReadLine = tuple[_Line, list[_Character]]


class RapidOcrEngine(Engine):
    """RapidOCR with OpenVINO. The models are loaded by the first picture."""

    name = "rapidocr"

    def __init__(self, spec: EngineSpec) -> None:
        self.version = engine_version()
        self.options = OPTIONS
        self._threads = spec.threads

    def recognize(self, images: Sequence[PageImage]) -> list[RecognizedPage | PageError]:
        """One result per picture. Raises EngineUnavailable."""
        engine = self._loaded
        return [self._read(engine, image.image) for image in images]

    @cached_property
    def _loaded(self) -> Any:
        return _load(self._threads)

    def _read(self, engine: Any, image: Image.Image) -> RecognizedPage | PageError:
        started = time.perf_counter()
        turns = 0
        page = _Reading.of(engine, image)
        if page.is_sideways:
            # Lines that run downwards are read where they stand; turned once, the page is read like any other.
            turns, page = 3, _Reading.of(engine, image.transpose(Image.Transpose.ROTATE_90))
        lines = page.read(engine)
        if _is_doubtful(lines):
            turned = _Reading.of(engine, page.image.transpose(Image.Transpose.ROTATE_180))
            turned_lines = turned.read(engine)
            if _confidence(turned_lines) > _confidence(lines):
                turns, page, lines = (turns + 2) % 4, turned, turned_lines
        angle = _skew(page.pixels, [line for line, _ in lines])
        words = tuple(_level(lines, angle, page.image.size))
        return RecognizedPage(words, *page.image.size, turns, time.perf_counter() - started)


@dataclass(frozen=True, slots=True)
class _Reading:
    """A picture with the lines that were found in it, before they are read."""

    image: Image.Image
    pixels: Any
    lines: list[_Line]

    @classmethod
    def of(cls, engine: Any, image: Image.Image) -> _Reading:
        import cv2
        import numpy as np

        grey = image.mode == "L"
        pixels = cv2.cvtColor(np.asarray(image), cv2.COLOR_GRAY2BGR if grey else cv2.COLOR_RGB2BGR)
        width, height = _size_looked_at(*image.size)
        lines = _find_lines(engine, pixels, (width, height))
        if len(lines) < _FEW_LINES and min(width, height) >= 2 * _SHORT_SIDE * _NEARER:
            # On a nearly empty clean page the detector may see nothing; on a smaller picture of it, it does.
            smaller = round(width * _NEARER / 32) * 32, round(height * _NEARER / 32) * 32
            lines = max(lines, _find_lines(engine, pixels, smaller), key=_length)
        return cls(image, pixels, lines)

    @property
    def is_sideways(self) -> bool:
        downwards = _length([line for line in self.lines if abs(line.angle) > math.pi / 4])
        return downwards > _length(self.lines) / 2

    def read(self, engine: Any) -> list[_ReadLine]:
        """The characters of the lines; lines that are no text are left out."""
        if not self.lines:
            return []
        read = engine.recognize_txt([self._picture(line) for line in self.lines])
        lines = zip(self.lines, read.txts, read.scores, read.word_results, strict=True)
        return [
            (line, characters)
            for line, text, score, placed in lines
            if score >= _NO_TEXT and (characters := _characters(text, placed))
        ]

    def _picture(self, line: _Line) -> Any:
        """The line cut out, as it is read."""
        import cv2
        import numpy as np

        height = max(round(line.height), 1)
        width = max(min(round(line.length), _LONGEST_LINE * height), 1)
        target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
        return cv2.warpPerspective(
            self.pixels,
            cv2.getPerspectiveTransform(line.corners, target),
            (width, height),
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        )


def _size_looked_at(width: int, height: int) -> tuple[int, int]:
    """In multiples of 32, which the detector wants. Long till rolls keep their letters, as it is the area that is
    bounded, and with it time and memory."""
    scale = min(
        math.sqrt(LOOKED_AT / (width * height)),
        max(_SHORT_SIDE / min(width, height), 1.0),
        _LONGEST_SIDE / max(width, height),
    )
    return max(round(width * scale / 32), 1) * 32, max(round(height * scale / 32), 1) * 32


def _find_lines(engine: Any, pixels: Any, size: tuple[int, int]) -> list[_Line]:
    """The lines of a picture that is looked at in this size, in pixels of the picture."""
    import cv2
    import numpy as np
    from rapidocr.main import RapidOCRError

    looked_at = cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR)
    try:
        _, found = engine.detect_and_crop(looked_at, {})
    except RapidOCRError:  # nothing was found
        return []
    scale = np.array([pixels.shape[1] / looked_at.shape[1], pixels.shape[0] / looked_at.shape[0]], np.float32)
    return [_as_read(corners.astype(np.float32) * scale) for corners in found.boxes]


def _length(lines: Sequence[_Line]) -> float:
    return sum(line.length for line in lines)


def _as_read(corners: Floats) -> _Line:
    """The line between four corners, which come clockwise from the top left one of the picture."""
    import numpy as np

    line = _Line(corners)
    # A single digit is higher than wide as well; only what is longer runs downwards.
    return _Line(np.roll(corners, -1, axis=0)) if line.height >= _DOWNWARDS * line.length else line


def _characters(text: str, placed: Any) -> list[_Character]:
    """The characters of a line, without blanks; where a blank was, the next one `begins` a word."""
    columns = iter([column for word in placed.word_cols for column in word])
    characters: list[_Character] = []
    begins = True
    for letter, confidence in zip(text, placed.confs, strict=True):
        if letter.isspace():
            begins = True
            continue
        place = min((next(columns) + 0.5) / placed.line_txt_len, 1.0)
        characters.append(_Character(letter, place, confidence, begins))
        begins = False
    return characters


def _words(line: _Line, characters: Sequence[_Character]) -> Iterator[list[_Character]]:
    """Splits a line at its blanks, and where the gap is as wide as one that was not read."""
    widest = _GAP * line.height / line.length
    word = [characters[0]]
    for before, character in pairwise(characters):
        if character.begins or character.place - before.place > widest:
            yield word
            word = []
        word.append(character)
    yield word


def _is_doubtful(lines: Sequence[_ReadLine]) -> bool:
    return sum(len(characters) for _, characters in lines) >= _LEAST_CHARACTERS and _confidence(lines) < _DOUBTFUL


def _confidence(lines: Sequence[_ReadLine]) -> float:
    """The mean of all characters."""
    confidences = [character.confidence for _, characters in lines for character in characters]
    return sum(confidences) / len(confidences) if confidences else 0.0


def _skew(pixels: Any, lines: Sequence[_Line]) -> float:
    """Radians by which the rows of a page fall to the right.

    The angles of found lines say it roughly, as most lines are short; near it, the angle is taken under which the ink
    of the page gathers in the fewest rows.
    """
    import cv2
    import numpy as np

    level = [line for line in lines if abs(line.angle) < math.pi / 4]
    if not level:
        return 0.0
    long = [line.angle for line in level if line.length > 5 * line.height]
    about = math.degrees(median(long or [line.angle for line in level]))
    shrink = min(1000 / max(pixels.shape), 1.0)
    small = cv2.resize(pixels, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
    ink = cv2.adaptiveThreshold(grey, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, 25, 20)
    down, across = np.nonzero(ink)
    if len(down) > _INK:
        chosen = np.random.default_rng(0).choice(len(down), _INK, replace=False)
        down, across = down[chosen], across[chosen]
    if not len(down):
        return math.radians(about)

    def gathered(degrees: float) -> float:
        rows = down - across * math.tan(math.radians(degrees))
        counts = np.bincount((rows - rows.min()).astype(np.int64))
        return float((counts.astype(np.float64) ** 2).sum())

    return math.radians(max((about + step / 20 for step in range(-24, 25)), key=gathered))


def _level(lines: Sequence[_ReadLine], angle: float, size: tuple[int, int]) -> Iterator[RecognizedWord]:
    """The words, with the page turned back about its middle by the angle of its rows."""
    import numpy as np

    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    middle = np.array(size) / 2
    for line, characters in lines:
        top_left, top_right, bottom_right, bottom_left = (line.corners - middle) @ turn.T + middle
        advance = _advance(characters)
        for word in _words(line, characters):
            start = max(word[0].place - advance / 2, 0.0)
            end = min(word[-1].place + advance / 2, 1.0)
            corners = [
                side + (other - side) * share
                for side, other in ((top_left, top_right), (bottom_left, bottom_right))
                for share in (start, end)
            ]
            left, top = np.min(corners, axis=0)
            right, bottom = np.max(corners, axis=0)
            yield RecognizedWord(
                "".join(character.text for character in word),
                (float(left), float(top), float(right), float(bottom)),
                sum(character.confidence for character in word) / len(word),
            )


def _advance(characters: Sequence[_Character]) -> float:
    """From one character to the next, as a share of the line's length."""
    steps = [after.place - before.place for before, after in pairwise(characters) if not after.begins]
    return median(steps) if steps else 1 / len(characters)


def engine_version() -> str:
    """Of the library, which decides the models, and of what runs them. Raises EngineUnavailable."""
    try:
        return f"{version('rapidocr')}+openvino{version('openvino')}"
    except PackageNotFoundError as error:
        raise EngineUnavailable(_MISSING.format(reason=f"{error.name} is not installed")) from None


def _load(threads: int) -> Any:
    # Importing OpenVINO would report that it was imported, over the network; without this module it has nothing to
    # report with.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import cv2
        from rapidocr import EngineType, RapidOCR
    except ImportError as error:
        raise EngineUnavailable(_MISSING.format(reason=error)) from None
    found = importlib.util.find_spec("rapidocr")
    models = Path(str(found and found.origin)).parent / "models"
    missing = [name for name in (_DETECTOR, _RECOGNIZER) if not (models / name).is_file()]
    if missing:
        raise EngineUnavailable(_MISSING.format(reason=f"{', '.join(missing)} is not in {models}"))
    cv2.setNumThreads(threads)
    return RapidOCR(
        params={
            "Global.use_cls": False,
            "Global.return_word_box": True,
            "Global.use_vertical_padding": False,
            "Global.log_level": "critical",
            "Det.engine_type": EngineType.OPENVINO,
            "Det.limit_side_len": 32,
            "Det.model_path": str(models / _DETECTOR),
            "Rec.engine_type": EngineType.OPENVINO,
            "Rec.model_path": str(models / _RECOGNIZER),
            "EngineConfig.openvino.inference_num_threads": threads,
            # Else each process puts its threads on the same first cores, and two are as fast as one.
            "EngineConfig.openvino.enable_cpu_pinning": False,
        }
    )
