"""How likely each name on the first page is the seller's: by where it stands and what stands around it, as learned.

The weights are those of `workshop.training.sellers`, one for each of the words that `describe` says of a name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from itertools import islice
from statistics import median

from invoice_pipelines.intake.documents.text_layer.header import Found
from invoice_pipelines.intake.documents.text_layer.names import STREET, company, is_town, name_of, pieces
from invoice_pipelines.intake.documents.text_layer.page.labels import LabelledLines
from invoice_pipelines.intake.documents.text_layer.page.layout import Line
from invoice_pipelines.intake.documents.text_layer.page.notation import MONEY
from invoice_pipelines.intake.documents.text_layer.page.vocabulary import Vocabulary, key
from invoice_pipelines.intake.documents.text_layer.page.words import Box, Page
from invoice_pipelines.intake.documents.text_layer.ranking.ranker import shares
from invoice_pipelines.intake.documents.text_layer.ranking.spelling import KIND, SITE, WELL, Spelling

WEIGHTS = "sellers.json"
NONE = ("none",)
"""What is said of there being no such name, which stands beside the names."""

NAMED_APART = 0.9
"""From this confidence on, a name stands in the block of the seller behind the word for a name."""

_LINES_AT_THE_TOP = 14
_IDENTIFIERS = frozenset({"vat_id", "tax_number", "iban", "bic"})
_PHONE = re.compile(r"(?i)\b(tel|phone|t[ée]l|fon|telefon|fax)\b|^[+(]?\d[\d ()/+.-]{7,}$")
_SENDER = re.compile(r"\w ?[·•∙⋅] ?\w.*\d")  # a small line above the window of an envelope
_TRADE = re.compile(
    r"(?i)restaura|hotel|hostal|caf[eéè]|\bbar\b|bistro|brew|grill|pizz|burger|b[äa]ck|baker|boulang|muse|"
    r"marke?t|march|super|shop|store|apoth|pharm|drog|garage|taxi|trams?\b|bahn|rail|airport|gasth|kitchen"
)
_PAPER = re.compile(
    r"(?i)\badults?\b|\bsingle\b|one-way|\bvalid|geldig|g[üu]ltig|reserv|summary|booking|\broom\b|arrival|departure|folio|"
    r"\bagent|terminal|take ?away|to go\b|emporter|mitnehmen|survey|backup|\best\.|adres|naziv|company nam|karte\b|"
    r"bil(?:je|le)?t|entr[eé]e|eintritt|enjoy|receipt|ticket|order\b|table|tisch|server|guest|welcome|thank|merci|danke|kass[ae]|dat[eu]m?\b|time\b|page|"
    r"seite|fahrkarte|custom|kunde|client|cashier|check|number|\bnr|\bno\b|\bdine\b|beleg|vente|venta|sale\b|verkauf|invoice|rechnung|factur|fattur|copy|kopie|total"
)
_LABELLED = frozenset({"named letter", "named receipt"})
_BORNE_OUT = _LABELLED | frozenset(
    {"company", "town below", "phone below plain", "identifier near plain", "of a site", "label seller"}
    | {"at both ends", "times=2", "times=3"}
)
_TIED = _LABELLED | frozenset(
    {
        "label seller",
        "identifier near plain",
        "identifier near company",
        "of a site",
        "whole in a site",
        "first in a site",
    }
    | {"at both ends", "times=2", "times=3"}
)
"""What ties a name to whoever wrote the paper."""
_BESIDE_AN_ADDRESS = frozenset(
    f"{form} {side} of an address" for form in ("plain", "company") for side in ("left", "right")
)
_PLACED = frozenset({"town below", "street below", "phone below plain", "company"})
_MISREAD, _UNSURE, _SURE = 0.3, 0.5, 0.8
_STEPS = (1, 2, 4, 8)
_LARGE = 1.2
_WELL_ENOUGH = 3  # of these steps


@dataclass(frozen=True, slots=True)
class Name:
    """A name that may be the seller's, and what is to be said of it."""

    found: Found[str]
    features: tuple[str, ...]


def ranked_sellers(names: Sequence[Name], weights: Mapping[str, float] | None = None) -> list[Found[str]]:
    """The names by how likely they are the seller's, which is their confidence. A company that is labelled so is sure;
    a name that nothing bears out is not, though it may be the only one: a heading, or one that was misread. Names of
    which one is part of the other ("dm", "dm-drogerie markt") are no rivals. What stands behind the word for a name in
    the block of the seller comes first, however likely others look."""
    ranked = []
    shares_of = likelihoods([name.features for name in names], weights)
    for name, likelihood in zip(names, shares_of, strict=True):
        said = frozenset(name.features)
        known = key(name.found.value)
        same = (other for one, other in zip(names, shares_of, strict=True) if _is_part(known, key(one.found.value)))
        most = 1.0 if _is_borne_out(said) else _MISREAD if _may_be_misread(said) else _UNSURE
        sure = min(sum(same), most)
        apart = "named apart" in said and likelihood >= _UNSURE
        if apart or ("company" in said and _LABELLED & said):
            sure = likelihood = max(sure, _SURE * min(word.confidence for word in name.found.words))
        ranked.append((("named apart" in said, likelihood), replace(name.found, confidence=round(sure, 3))))
    return [found for _, found in sorted(ranked, key=lambda one: one[0], reverse=True)]


def _is_part(one: str, other: str) -> bool:
    return one in other or other in one


def _is_borne_out(said: frozenset[str]) -> bool:
    """Whether more than its place speaks for a name. What was recognized may have been misread, however sure the engine
    is: it has to be on the page once more, or in an address of the web, or to have a legal form and be read well; or
    it is made of words, and stands over an address or beside an identifier. Of two addresses, the one beside
    or below the other may be the recipient's: here a legal form and a place say nothing."""
    one_of_two = _BESIDE_AN_ADDRESS & said or {"after an address", "town below"} <= said
    if "put right" in said or (one_of_two and not _TIED & said):
        return False
    if "printed" in said:
        return bool(_BORNE_OUT & said)
    well = _is_read(said, _WELL_ENOUGH)
    return "site itself" not in said and (
        bool(said & {"whole in a site", "plain printed again", "company printed again"})
        or (well and bool(said & {"first in a site", "company"}))
        or ("words" in said and (well or "company" in said) and bool(said & _PLACED))
    )


def _may_be_misread(said: frozenset[str]) -> bool:
    """Whether a recognized name is neither read well nor made of words, or has signs that names have not."""
    return "printed" not in said and ("odd letters" in said or not (_is_read(said, _WELL_ENOUGH) or "words" in said))


def _is_read(said: frozenset[str], steps: int) -> bool:
    return any(f"read {step}" in said for step in range(steps, len(WELL) + 1))


def likelihoods(features: Sequence[Sequence[str]], weights: Mapping[str, float] | None = None) -> list[float]:
    """How likely each of the names is the seller's; what is missing to 1 is how likely none is."""
    known = load_weights() if weights is None else weights
    return shares([sum(known.get(feature, 0.0) for feature in of_name) for of_name in (*features, NONE)])[:-1]


@cache
def load_weights() -> Mapping[str, float]:
    """The weights that the project carries."""
    weights: dict[str, float] = json.loads((resources.files(__package__) / WEIGHTS).read_text("utf-8"))
    return weights


def describe(
    labelled: LabelledLines,
    pages: Sequence[Page],
    vocabulary: Vocabulary,
    named: Found[str] | None,
    addressed: Found[str] | None,
) -> list[Name]:
    """The names of the first page with what is to be said of each, in the order of the page. `named` is labelled as the
    seller's, `addressed` stands where a letter is addressed."""
    first = pages[0] if pages else None
    lines = [line for line in labelled.lines if first and line.page == first.number]
    if first is None or not lines:
        return []
    places: dict[str, list[tuple[Found[str], Line, int]]] = {}
    height = max(median(word.box[3] - word.box[1] for line in lines for word in line.words), 1.0)
    spelled = Spelling(lines, vocabulary, first.engine is not None)
    single = list(_names(labelled, lines, vocabulary, spelled))
    for line, index, found in _with_two_lines(single, vocabulary, spelled, _LARGE * height):
        places.setdefault(key(found.value), []).append((found, line, index))
    if named and (first_line := next((line for line in labelled.lines if named.words[0] in line.words), None)):
        places.setdefault(key(named.value), []).append((named, first_line, 0))
    money = next((line.number for line in lines if MONEY.search(line.text)), lines[-1].number + 1)
    sites = "".join(key(match[1]) for line in lines for match in SITE.finditer(line.text))
    tallest = max((_height(found.words[0].box) for [(found, *_), *_] in places.values()), default=0.0)
    towns = {key(cell.text) for line in lines for cell in line.cells if is_town(cell.text)}
    names: list[Name] = []
    companies = 0
    kind_above = False
    for order, (name, found_at) in enumerate(places.items()):
        found, line, index = found_at[0]
        narrow = "receipt" if first.width < 0.6 * first.height else "letter"
        form = "company" if (is_company := company(found.words, vocabulary) is not None) else "plain"
        lower = sum(other.box[1] > 0.85 * first.height for _, other, _ in found_at)
        said = {
            form,
            f"{form} {narrow}",
            f"{form} nth={min(order, 3)}",
            f"{form} nth company={min(companies, 2)}",
            f"{narrow} line={_step(line.number - lines[0].number)}",
            f"times={min(len(found_at), 3)}",
            f"height={_ratio(_height(found.words[0].box) / height)}",
            *(["one word"] if len(found.words) == 1 else ["long"] if len(found.words) > 5 else []),
            *(["tallest"] if _height(found.words[0].box) > 0.95 * tallest > 1.2 * height else []),
            *(["at the bottom", f"{form} bottom"] if lower == len(found_at) else ["at both ends"] if lower else []),
            *([f"named {narrow}"] if named and key(named.value) == name else []),
            *(["named apart"] if named and key(named.value) == name and named.confidence >= NAMED_APART else []),
            *([f"addressed {narrow}"] if addressed and key(addressed.value) == name else []),
            *(["of the town"] if any(town.endswith(name) for town in towns) else []),
            *(["begins another"] if any(other != name and other.startswith(name) for other in places) else []),
            *(["begins with another"] if any(other != name and name.startswith(other) for other in places) else []),
            *(["after money"] if line.number >= money else []),
            *(["of a site"] if any(len(known := key(w.text)) > 3 and known in sites for w in found.words) else []),
            *_form_of(found.value, is_company),
            *spelled.said_of(found, form),
            *([f"kind {narrow}", f"{form} kind"] if (is_kind := _is_kind(found.value)) else []),
            *(["below kind"] if kind_above else []),
            *_around(labelled, lines, line, index, found, form),
        }
        companies += is_company
        kind_above = is_kind
        names.append(Name(found, tuple(sorted(said))))
    return names


def _names(
    labelled: LabelledLines, lines: Sequence[Line], vocabulary: Vocabulary, spelled: Spelling
) -> Iterator[tuple[Line, int, Found[str]]]:
    """What looks like a company anywhere, and whatever is a name at the top or stands there, too."""
    known: set[str] = set()
    for place, line in enumerate(lines):
        for index, cell in enumerate(line.cells):
            starts = [label for label in labelled.labels[line.number] if label.cell == index and label.first == 0]
            if any(label.kind in ("buyer", "other_party") for label in starts):
                continue
            amounts = any(label.cell == index and label.first == 0 for label in labelled.amounts[line.number])
            top = place < _LINES_AT_THE_TOP and not amounts
            top = top and all(
                label.kind in ("name", "address") or label.last <= len(cell.words) / 2 for label in starts
            )
            for words in pieces(cell, vocabulary):
                found = company(words, vocabulary) or name_of(words, vocabulary, 0.3)
                found = found and spelled.put_right(found)
                if found and (top or key(found.value) in known or company(words, vocabulary)):
                    known.add(key(found.value))
                    yield line, index, found


def _with_two_lines(
    names: Sequence[tuple[Line, int, Found[str]]], vocabulary: Vocabulary, spelled: Spelling, large: float
) -> Iterator[tuple[Line, int, Found[str]]]:
    """The names, and those of two lines: both large, or together with a legal form, or printed elsewhere in one."""
    for place, (line, index, found) in enumerate(names):
        yield line, index, found
        if place + 1 == len(names) or found.words[-1] is not line.cells[index].words[-1]:
            continue
        below, other_index, other = names[place + 1]
        near = below.number - line.number == 1 and other.words[0] is below.cells[other_index].words[0]
        one, two = found.words[0].box, other.words[0].box
        heights = sorted((_height(one), _height(two)))
        words = (*found.words, *other.words)
        forms = [company(part, vocabulary) for part in (found.words, other.words, words)]
        if not near or forms[0] or forms[1] or one[0] > other.words[-1].box[2] or two[0] > found.words[-1].box[2]:
            continue
        joined = Found(f"{found.value} {other.value}", words, min(found.confidence, other.confidence))
        if (
            (heights[0] > large and heights[1] < 1.5 * heights[0])
            or forms[2]
            or spelled.is_elsewhere(key(joined.value), words)
        ):
            yield line, index, joined


def _is_kind(text: str) -> bool:
    return all(KIND.fullmatch(word.strip(".,:;-")) for word in text.split())


def _form_of(text: str, is_company: bool) -> Iterator[str]:
    if any(map(str.isdigit, text)):
        yield "digits"
        if re.fullmatch(r"[^\d#]+#? ?\d+", text):
            yield "digits at the end"
        elif text[0].isdigit():
            yield "digits first"
    if _TRADE.search(text):
        yield "trade"
    if STREET.search(text):
        yield "street"
    if _PAPER.search(text):
        yield "word of the paper"
    if text.isupper():
        yield "capitals"
    if not is_company and text[-1:] in ".!?:" and not text[-2:-1].isupper():
        yield "sentence"
    if text[:1].islower():
        yield "small"
    if sum(map(str.isalpha, text)) < 4:
        yield "short"
    if re.search(r"(?i)www\.|@|://", text):
        yield "site itself"


def _around(
    labelled: LabelledLines, lines: Sequence[Line], line: Line, index: int, found: Found[str], form: str
) -> Iterator[str]:
    """What stands beside, above and below."""
    if MONEY.search(line.text):
        yield "amount beside"
    cell = line.cells[min(index, len(line.cells) - 1)]
    if any(label.cell == index and label.first == 0 for label in labelled.amounts[line.number]):
        yield "amount named"
    labels = [label for label in labelled.labels[line.number] if label.cell == index and label.kind != "dated"]
    for kind in {label.kind for label in labels}:
        begins = any(label.first == 0 for label in labels if label.kind == kind)
        known = kind if kind in ("name", "address", "380", "seller") else ""
        yield f"label {known}{' first' if begins else ''}"
    after_it = cell.words[-1].text if found.words[-1] is not cell.words[-1] else ""
    if found.words[-1].text.endswith(":") or (after_it and not key(after_it) and ":" in after_it):
        yield "before a colon"
    elif ":" in found.value:
        yield "around a colon"
    if found.words[0] is not cell.words[0] and any(any(map(str.isdigit, word.text)) for word in cell.words[:2]):
        yield "after digits"
    if len(line.cells) > 1:
        yield f"{form} beside {'left' if index == 0 else 'right'}"
        if len(line.cells) > 2:
            yield "of a row"
    if len(cell.words) > len(found.words) + 2:
        yield "part of a line"
    after = list(islice(_column(lines, line, found.words[0].box, 1), 4))
    for distance, text in enumerate(after):
        if distance < 3 and is_town(text):
            yield "town below"
        elif distance == 0 and any(map(str.isdigit, text)) and any(map(str.isalpha, text)):
            yield "digits below"
        if distance < 3 and STREET.search(text) and any(map(str.isdigit, text)):
            yield "street below"
        if _PHONE.search(text):
            yield f"phone below {form}"
    above = (cell.text for other in lines if other.number < line.number for cell in other.cells)
    if any(is_town(text) or _SENDER.search(text) for text in above):
        yield "after an address"
    # Seller and buyer side by side.
    for other in line.cells:
        if other is not cell and any(map(is_town, islice(_column(lines, line, other.box, 1), 3))):
            yield f"{form} {'right' if other.box[0] < cell.box[0] else 'left'} of an address"
    if any(is_town(text) for text in islice(_column(lines, line, found.words[0].box, -1), 2)):
        yield "town above"
    below = range(line.number, min(line.number + 7, len(labelled.lines)))
    if any(label.kind in _IDENTIFIERS for number in below for label in labelled.labels[number]):
        yield f"identifier near {form}"


def _column(lines: Sequence[Line], line: Line, box: Box, step: int) -> Iterator[str]:
    """The cells below or above a box, from the nearest on."""
    start = next((place for place, other in enumerate(lines) if other.number == line.number), len(lines))
    for other in lines[start + step :: step] if start + step >= 0 else ():
        for cell in other.cells:
            if cell.box[0] < box[2] and cell.box[2] > box[0]:
                yield cell.text


def _height(box: Box) -> float:
    return box[3] - box[1]


def _ratio(ratio: float) -> str:
    return "large" if ratio > 1.6 else "larger" if ratio > 1.2 else "small" if ratio < 0.85 else "usual"


def _step(distance: int) -> int:
    return sum(distance >= step for step in _STEPS)
