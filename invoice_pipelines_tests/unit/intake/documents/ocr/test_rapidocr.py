"""What the embedded engine reads of clean, bad, turned and empty pages, and that it stays on this machine."""

from __future__ import annotations

import json
import subprocess
import sys

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
from invoice_pipelines.intake.documents.ocr.self_check import check_reading
from invoice_pipelines.intake.documents.text_layer.page.words import read_pages
from invoice_pipelines_tests.conftest import CORPUS
from invoice_pipelines_tests.support.intake.documents.ocr import drawn
from invoice_pipelines_tests.support.intake.documents.text_layer.drawing import draw
from invoice_pipelines_tests.support.sizes import size
from invoice_pipelines_tests.unit.intake.documents.ocr.degrade import as_bad_scan
from invoice_pipelines_tests.unit.intake.documents.ocr.scoring import Score, distance, score, words_in_points

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


def wrong(page: RecognizedPage, lines: tuple[str, ...]) -> int:
    return distance(drawn.squeezed(rows(page)), drawn.squeezed(lines))


def test_the_self_check_reads_its_picture(engine: RapidOcrEngine) -> None:
    check_reading(engine)


@pytest.mark.parametrize("bad", [False, True], ids=["clean", "bad scan"])
def test_german_letters_signs_and_digits_come_out_right(engine: RapidOcrEngine, bad: bool) -> None:
    image = drawn.lines_picture(drawn.INVOICE)
    page = read(engine, as_bad_scan(image, seed=7) if bad else image)
    assert wrong(page, drawn.INVOICE) <= 0.015 * len(drawn.squeezed(drawn.INVOICE))
    text = drawn.squeezed(rows(page))
    for word in ("Müßiggang&Söhne", "Äpfel", "Übergrößen", "12.345,60€", "§4", "RE-2024-0815", "DE123456789"):
        assert word in text
    assert all(0 < word.confidence <= 1 for word in page.words)


def test_french_letters_come_out_right(engine: RapidOcrEngine) -> None:
    page = read(engine, drawn.lines_picture(drawn.FRENCH))
    assert wrong(page, drawn.FRENCH) <= 0.015 * len(drawn.squeezed(drawn.FRENCH))


def test_polish_letters_come_out_right(engine: RapidOcrEngine) -> None:
    font = drawn.polish_font()
    if font is None:
        pytest.skip("no font of this machine is known to have Polish letters")
    page = read(engine, drawn.lines_picture(drawn.POLISH, font))
    assert wrong(page, drawn.POLISH) <= 0.015 * len(drawn.squeezed(drawn.POLISH))


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_page_that_lies_on_its_side_or_head_is_read_upright(engine: RapidOcrEngine, turns: int) -> None:
    upright = drawn.lines_picture(drawn.INVOICE)
    page = read(engine, upright.transpose(TURNS[turns]))
    assert page.quarter_turns == -turns % 4
    assert (page.width, page.height) == upright.size
    assert wrong(page, drawn.INVOICE) <= 0.02 * len(drawn.squeezed(drawn.INVOICE))
    for word in page.words:
        assert 50 < word.box[0] < word.box[2] < upright.width
        assert word.box[2] - word.box[0] > 0.4 * (word.box[3] - word.box[1])


@pytest.mark.parametrize("degrees", [-4.0, -1.3, 2.0])
def test_words_of_a_row_are_level_on_a_skewed_page(engine: RapidOcrEngine, degrees: float) -> None:
    image = Image.new("L", (1200, 700), 255)
    draw = ImageDraw.Draw(image)
    font = ImageFont.truetype(str(drawn.latin_font()), 26)
    for number in range(8):
        for x, text in ((80, f"Position {number}"), (500, "Stück"), (1000, "123,45")):
            draw.text((x, 90 + 60 * number), text, fill=0, font=font)
    page = read(engine, image.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=255))
    for number in range(8):
        level = [word for word in page.words if abs((word.box[1] + word.box[3]) / 2 - (105 + 60 * number)) < 25]
        middles = [(word.box[1] + word.box[3]) / 2 for word in level]
        assert len(level) >= 3
        assert max(middles) - min(middles) < 8


def test_columns_are_not_mixed(engine: RapidOcrEngine) -> None:
    image = Image.new("L", (1200, 420), 255)
    draw = ImageDraw.Draw(image)
    font = ImageFont.truetype(str(drawn.latin_font()), 24)
    for number in range(6):
        draw.text((60, 40 + 55 * number), f"Links steht die Zeile {number} ganz", fill=0, font=font)
        draw.text((640, 40 + 55 * number), f"Rechts eine andere {number}", fill=0, font=font)
    page = read(engine, image)
    assert all(word.box[2] < 640 or word.box[0] > 620 for word in page.words)
    left = [word.text for word in page.words if word.box[2] < 640]
    assert left.count("Links") == 6
    assert not any("Rechts" in text for text in left)


def test_single_digits_of_a_column_are_not_taken_for_lines_that_run_downwards(engine: RapidOcrEngine) -> None:
    image = Image.new("L", (700, 600), 255)
    draw = ImageDraw.Draw(image)
    font = ImageFont.truetype(str(drawn.latin_font()), 28)
    for number in range(1, 9):
        draw.text((60, 60 * number), str(number), fill=0, font=font)
        draw.text((300, 60 * number), "Schrauben", fill=0, font=font)
    page = read(engine, image)
    assert [word.text for word in page.words if word.box[2] < 200] == [str(number) for number in range(1, 9)]


@pytest.mark.parametrize("lines", [1, 2, 4])
def test_a_nearly_empty_clean_page_is_read(engine: RapidOcrEngine, lines: int) -> None:
    texts = [(72.0, 100.0 + 30 * number, f"Gesamtbetrag {number} 1.234,56") for number in range(lines)]
    (image,) = render_pages(draw(texts), [1], Limits())
    page = read(engine, image.image)
    assert drawn.squeezed(rows(page)) == drawn.squeezed(text for _, _, text in texts)


@pytest.mark.parametrize("shade", [255, 200, 0])
def test_a_blank_page_has_no_words_and_is_no_error(engine: RapidOcrEngine, shade: int) -> None:
    page = read(engine, Image.new("L", (800, 1000), shade))
    assert page.words == ()
    assert page.quarter_turns == 0


@pytest.mark.parametrize("size", [(1, 1), (3, 5000), (5000, 3), (100, 100), (2600, 40)])
def test_odd_sizes_are_read_without_an_error(engine: RapidOcrEngine, size: tuple[int, int]) -> None:
    assert read(engine, Image.new("L", size, 255)).words == ()


def test_colours_are_read_as_well(engine: RapidOcrEngine) -> None:
    page = read(engine, drawn.lines_picture(drawn.INVOICE[:2]).convert("RGB"))
    assert wrong(page, drawn.INVOICE[:2]) <= 1


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
@pytest.mark.parametrize("bad", [False, True], ids=["clean", "bad scan"])
def test_pages_of_real_invoices_are_read_as_their_text_layer_has_them(engine: RapidOcrEngine, bad: bool) -> None:
    total = Score()
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
