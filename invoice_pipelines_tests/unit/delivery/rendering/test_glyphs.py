"""Every character that is said to be shown is shown: PDF/A is refused for a page with one that is not."""

from __future__ import annotations

import json

import pytest
import typst

from invoice_pipelines.delivery.rendering import renderer
from invoice_pipelines.delivery.rendering.glyphs import FAMILIES, covered, plainest, shown, without_marks

PAGE = b"""#set page(height: auto)
#set text(font: json(bytes(sys.inputs.fonts)), weight: sys.inputs.weight)
#for sign in json(bytes(sys.inputs.signs)) [#sign #h(1pt) ]"""


def set_all(signs: list[str], weight: str) -> None:
    compiler = typst.Compiler(font_paths=renderer._fonts(), ignore_system_fonts=True)
    for some in range(0, len(signs), 4000):
        compiler.compile(
            PAGE,
            sys_inputs={
                "fonts": json.dumps(FAMILIES),
                "signs": json.dumps(signs[some : some + 4000]),
                "weight": weight,
            },
            pdf_standards=["a-3b"],
            pdf_tags=False,
        )


def test_a_sample_of_what_the_fonts_cover_can_be_set() -> None:
    set_all(sorted(covered())[::40], "regular")


@pytest.mark.slow
@pytest.mark.parametrize("weight", ["regular", "medium", "semibold"])
def test_all_that_the_fonts_cover_can_be_set(weight: str) -> None:
    set_all(sorted(covered()), weight)


def test_what_is_replaced_and_what_is_left_out() -> None:
    assert shown("plain") == ("plain", None)
    assert shown("Cafe\u0301 10\u202f€") == ("Café 10\u202f€", None)
    assert shown("a\x00b\tc\nd") == ("a b c\nd", None)
    assert shown("a\u202eb\u2066c") == ("abc", None)
    assert shown("x\ue000y\U000f0000") == ("x\ufffdy\ufffd", "\ue000\U000f0000")
    assert without_marks("🥣\u0653 🏳\ufe0f\u200d🌈") == ("🥣 🏳🌈", "\u0653\u200d\ufe0f")
    assert plainest("Ünï 字 „x“ 🥣\u0653") == ("Ünï \ufffd „x“ \ufffd\ufffd", "\u0653字🥣")
    assert {"ß", "ő", "ϑ", "Ж", "ش", "ש", "字", "한", "あ", "ก", "€", "😀", "☎"} <= covered()
