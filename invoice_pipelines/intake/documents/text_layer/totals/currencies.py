"""In which currency an amount is: by its own sign, by what stands beside it, or by the heading of its column.

Documents in two currencies print each amount twice; the currency of the invoice is that of the total that was taken.
"""

from __future__ import annotations

from collections.abc import Sequence

from invoice_pipelines.intake.documents.text_layer.header import currency_code
from invoice_pipelines.intake.documents.text_layer.page.labels import LabelledLines, Place
from invoice_pipelines.intake.documents.text_layer.page.notation import AMOUNT, CURRENCIES
from invoice_pipelines.intake.documents.text_layer.page.words import Word
from invoice_pipelines.intake.documents.text_layer.totals.amounts import Amount

_FARTHEST_BELOW_HEADING = 260.0
_LONGEST_HEADING = 6  # words


def currencies_of(labelled: LabelledLines, amount: Amount) -> set[str]:
    """What says the currency of an amount: one, none where nothing does, and several where that is not clear."""
    words = labelled.lines[amount.line].words
    if amount.currency in CURRENCIES:
        return {amount.currency}
    return _codes(_neighbours(words, amount)) or _heading(labelled, amount)


def has_other_currency_beside(labelled: LabelledLines, amount: Amount, currency: str) -> bool:
    """Whether the line of an amount names another currency, too."""
    return bool(_codes(labelled.lines[amount.line].words) - {currency})


def _codes(words: Sequence[Word]) -> set[str]:
    return {found.value for word in words if (found := currency_code(Place((word,), 1.0, 0)))}


def _neighbours(words: Sequence[Word], amount: Amount) -> list[Word]:
    """The words right before and right after an amount."""
    before = [word for word in words if word.box[2] <= amount.box[0] + 1]
    after = [word for word in words if word.box[0] >= amount.box[2] - 1]
    return [*before[-1:], *after[:1]]


def _heading(labelled: LabelledLines, amount: Amount) -> set[str]:
    """The currencies in the nearest cell above that is no amount and names one."""
    for number in range(amount.line - 1, -1, -1):
        line = labelled.lines[number]
        if line.page != amount.page or amount.box[1] - line.box[3] > _FARTHEST_BELOW_HEADING:
            break
        for cell in line.cells:
            overlaps = cell.box[0] < amount.box[2] + 4 and cell.box[2] > amount.box[0] - 4
            heads = overlaps and len(cell.words) <= _LONGEST_HEADING and not AMOUNT.search(cell.text)
            if heads and (codes := _codes(cell.words)):
                return codes
    return set()
