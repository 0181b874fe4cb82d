"""What the embedded engine reads of clean, bad, turned and empty pages, and that it stays on this machine."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial

import pytest
from PIL import Image, ImageDraw, ImageFont

from invoice_pipelines.intake.documents import Limits
from invoice_pipelines.intake.documents.ocr.drawing import DPI
from invoice_pipelines.intake.documents.ocr.engine import (
    EngineSpec,
    EngineUnavailable,
    PageError,
    PageImage,
    RecognizedPage,
)
from invoice_pipelines.intake.documents.ocr.rapidocr import RapidOcrEngine
from invoice_pipelines.intake.documents.ocr.rendering import render_pages
from invoice_pipelines.intake.documents.ocr.self_check import share_read
from invoice_pipelines.intake.documents.text_layer.page.words import read_pages
from invoice_pipelines_tests.conftest import CORPUS
from invoice_pipelines_tests.support.intake.documents.ocr import drawn
from invoice_pipelines_tests.support.intake.documents.text_layer.drawing import draw
from invoice_pipelines_tests.support.sizes import only_at_full_size, size
from invoice_pipelines_tests.unit.intake.documents.ocr.degrade import as_bad_scan
from invoice_pipelines_tests.unit.intake.documents.ocr.scoring import CharacterScore, score, words_in_points

EXPECTED = CORPUS / "text_layer_expected.jsonl"
TURNS = {1: Image.Transpose.ROTATE_270, 2: Image.Transpose.ROTATE_180, 3: Image.Transpose.ROTATE_90}


@pytest.fixture(scope="module")
def engine() -> RapidOcrEngine:
    return RapidOcrEngine(EngineSpec("rapidocr"))


def read(engine: RapidOcrEngine, image: Image.Image) -> RecognizedPage:
    (page,) = engine.recognize([PageImage(image)])
    assert not isinstance(page, PageError)
    return page


def rows(page: RecognizedPage) -> list[str]:
    """The words that are level, from left to right."""
    found: list[list[tuple[float, float, str]]] = []
    for word in sorted(page.words, key=lambda word: (word.box[1] + word.box[3]) / 2):
        left, top, _, bottom = word.box
        if not found or (top + bottom) / 2 - found[-1][0][0] > 15:
            found.append([])
        found[-1].append(((top + bottom) / 2, left, word.text))
    return [" ".join(text for _, _, text in sorted(row, key=lambda word: word[1])) for row in found]


def texts(count: int, size: tuple[int, int], *columns: tuple[float, str]) -> Image.Image:
    """Rows of texts at these places across the picture; `{}` is the number of the row."""
    image = Image.new("L", size, 255)
    draw = ImageDraw.Draw(image)
    font = ImageFont.truetype(str(drawn.latin_font()), 26)
    for number in range(1, count + 1):
        for x, text in columns:
            draw.text((x, 90 * number), text.format(number), fill=0, font=font)
    return image


@pytest.mark.parametrize(
    ("lines", "spoiled"),
    [
        pytest.param(drawn.INVOICE, None, marks=pytest.mark.slow),  # what is read of a bad scan is read of a good one
        (drawn.INVOICE, partial(as_bad_scan, seed=7)),
        (drawn.FRENCH, partial(Image.Image.convert, mode="RGB")),
        (drawn.POLISH, None),
    ],
    ids=["German", "German, a bad scan", "French, in colours", "Polish"],
)
def test_letters_signs_and_digits_come_out_right(
    engine: RapidOcrEngine, lines: tuple[str, ...], spoiled: Callable[[Image.Image], Image.Image] | None
) -> None:
    font = drawn.polish_font() if lines is drawn.POLISH else drawn.latin_font()
    if font is None:
        pytest.skip("no font of this machine is known to have Polish letters")
    image = drawn.lines_picture(lines, font)
    page = read(engine, spoiled(image) if spoiled else image)
    text = drawn.squeezed(rows(page))
    assert share_read(text, drawn.squeezed(lines)) >= 0.985
    if lines is drawn.INVOICE:
        for word in ("Müßiggang&Söhne", "Äpfel", "Übergrößen", "12.345,60€", "§4", "RE-2024-0815", "DE123456789"):
            assert word in text
    assert all(0 < word.confidence <= 1 for word in page.words)


@pytest.mark.parametrize("turns", [1, 2, pytest.param(3, marks=pytest.mark.slow)])
def test_a_page_that_lies_on_its_side_or_head_is_read_upright(engine: RapidOcrEngine, turns: int) -> None:
    upright = drawn.lines_picture(drawn.SHORT, width=560)
    page = read(engine, upright.transpose(TURNS[turns]))
    assert page.quarter_turns == -turns % 4
    assert (page.width, page.height) == upright.size
    assert share_read(drawn.squeezed(rows(page)), drawn.squeezed(drawn.SHORT)) >= 0.98
    for word in page.words:
        assert 50 < word.box[0] < word.box[2] < upright.width
        assert word.box[2] - word.box[0] > 0.4 * (word.box[3] - word.box[1])


@pytest.mark.parametrize("degrees", [-4.0, pytest.param(1.3, marks=pytest.mark.slow)])
def test_words_of_a_row_are_level_on_a_skewed_page(engine: RapidOcrEngine, degrees: float) -> None:
    image = texts(6, (1000, 700), (80, "Position {}"), (400, "Stück"), (800, "123,45"))
    page = read(engine, image.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=255))
    for number in range(1, 7):
        middles = [(word.box[1] + word.box[3]) / 2 for word in page.words]
        level = [middle for middle in middles if abs(middle - (90 * number + 15)) < 25]
        assert len(level) >= 3
        assert max(level) - min(level) < 8


def test_columns_are_not_mixed(engine: RapidOcrEngine) -> None:
    page = read(engine, texts(5, (1100, 560), (60, "Links steht die Zeile {} ganz"), (640, "Rechts eine andere {}")))
    assert all(word.box[2] < 640 or word.box[0] > 620 for word in page.words)
    left = [word.text for word in page.words if word.box[2] < 640]
    assert left.count("Links") == 5
    assert not any("Rechts" in text for text in left)


def test_single_digits_of_a_column_are_not_taken_for_lines_that_run_downwards(engine: RapidOcrEngine) -> None:
    page = read(engine, texts(7, (700, 740), (60, "{}"), (300, "Schrauben")))
    assert [word.text for word in page.words if word.box[2] < 200] == [str(number) for number in range(1, 8)]


@pytest.mark.parametrize("lines", [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(4, marks=pytest.mark.slow)])
def test_a_nearly_empty_clean_page_is_read(engine: RapidOcrEngine, lines: int) -> None:
    texts = [(72.0, 100.0 + 30 * number, f"Gesamtbetrag {number} 1.234,56") for number in range(lines)]
    (image,) = render_pages(draw(texts), [1], Limits())
    page = read(engine, image.image)
    assert drawn.squeezed(rows(page)) == drawn.squeezed(text for _, _, text in texts)


@pytest.mark.parametrize(
    ("size", "shade"), [((800, 800), 200), ((800, 800), 0), ((1, 1), 255), ((3, 5000), 255), ((2600, 40), 255)]
)
def test_a_blank_page_of_any_size_has_no_words_and_is_no_error(
    engine: RapidOcrEngine, size: tuple[int, int], shade: int
) -> None:
    page = read(engine, Image.new("L", size, shade))
    assert (page.words, page.quarter_turns) == ((), 0)


def test_neither_loading_nor_reading_asks_the_network() -> None:
    program = (
        "import sys\n"
        "def refuse(event, arguments):\n"
        "    if event in ('socket.connect', 'socket.getaddrinfo', 'socket.sendto', 'urllib.Request'):\n"
        "        print('NETWORK', event, arguments[1:]); sys.stdout.flush()\n"
        "        raise RuntimeError(event)\n"
        "sys.addaudithook(refuse)\n"
        "from invoice_pipelines.intake.documents.ocr.engine import EngineSpec\n"
        "from invoice_pipelines.intake.documents.ocr.rapidocr import RapidOcrEngine\n"
        "from invoice_pipelines.intake.documents.ocr.self_check import check_reading\n"
        "check_reading(RapidOcrEngine(EngineSpec('rapidocr')))\n"
        "print('openvino_telemetry loaded:', bool(sys.modules.get('openvino_telemetry')))\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    assert run.stdout == "openvino_telemetry loaded: False\n"


def test_an_engine_that_is_not_installed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    with pytest.raises(EngineUnavailable, match="Install invoice-pipelines"):
        RapidOcrEngine(EngineSpec("rapidocr")).recognize([])


@pytest.mark.slow
@pytest.mark.corpus
@pytest.mark.timeout(1500)
@pytest.mark.skipif(not EXPECTED.exists(), reason="the shared corpus of real documents is not there")
@pytest.mark.parametrize("bad", [pytest.param(False, marks=only_at_full_size), True], ids=["clean", "bad scan"])
def test_pages_of_real_invoices_are_read_as_their_text_layer_has_them(engine: RapidOcrEngine, bad: bool) -> None:
    total = CharacterScore()
    sellers: set[str] = set()
    for row in map(json.loads, EXPECTED.read_text(encoding="utf-8").splitlines()):
        if row["seller"] in sellers or len(sellers) == size(3, 1000):
            continue
        sellers.add(row["seller"])
        data = (CORPUS / row["file"]).read_bytes()
        known = [page for page in read_pages(data, Limits()) if page.usable][:2]
        images = render_pages(data, [page.number for page in known], Limits())
        for page, image in zip(known, images, strict=True):
            scan = as_bad_scan(image.image, seed=1000 * len(sellers) + page.number) if bad else image.image
            total += score(page, words_in_points(read(engine, scan), DPI))
    print(f"{total}: characters {total.share:.2%}, digits {total.digit_share:.2%}")
    assert total.characters > size(1_000, 10_000)
    assert total.share >= 0.985
    assert total.digit_share >= 0.99
