"""Tells other documents that look like invoices by their titles: offers, orders, delivery notes, reminders, statements,
reports of sales, payslips, contracts.

They name a number, a seller and a total, too. An invoice mentions them ("Order no. 17"), so only what is set as a title
counts: alone in its line or in large letters, and no title of an invoice that is as large.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from statistics import median

from invoice_pipelines.intake.documents.text_layer.header import Found, document_number
from invoice_pipelines.intake.documents.text_layer.page.labels import Label, LabelledLines
from invoice_pipelines.intake.documents.text_layer.page.vocabulary import Vocabulary, key
from invoice_pipelines.intake.documents.text_layer.page.words import Page

KINDS = {
    "proforma": ("a pro forma invoice", "eine Proforma-Rechnung"),
    "order": ("an order", "eine Bestellung"),
    "order_confirmation": ("an order confirmation", "eine Auftragsbestätigung"),
    "offer": ("an offer", "ein Angebot"),
    "reminder": ("a reminder", "eine Mahnung"),
    "delivery_note": ("a delivery note", "ein Lieferschein"),
    "statement": ("a statement of account", "ein Kontoauszug"),
    "remittance": ("an advice of payment", "ein Zahlungsavis"),
    "sales_report": ("a report of sales", "ein Kassenbericht"),
    "payslip": ("a payslip", "eine Gehaltsabrechnung"),
    "contract": ("a contract", "ein Vertrag"),
}
"""What the kinds of `other_titles` are called in English and German, with their articles."""

CREDIT_NOTES = frozenset({"381", "384", "396"})
"""The codes of titles (UNTDID 1001) under which money goes the other way, or may."""

_OF_CREDIT_NOTES = frozenset({"number", "issue_date", "total"})
_ORDINARY = frozenset({"order", "offer", "statement", "contract"})
"""Kinds of which one word alone is often no title, but a number on a receipt or the heading of a block."""

_INVALID = "invalid"
_SENTENCE = 3  # words

_LARGE = 1.25
_MONEY = re.compile(r"(?<![\d.])\d+[.,]\d\d(?![\d.])")
_ALIKE = 0.8
_MOST_AFTER = 5
LETTER = 350.0
"""The least width of a letter, in points. Receipts are narrower, number their orders in large letters, and often have
no title."""


def titles_of(labelled: LabelledLines) -> list[Label]:
    """The titles of an invoice; those of a credit note where they are set as one: alone or with a number, in large
    letters if an amount stands beside them."""
    usual = median([word.box[3] - word.box[1] for line in labelled.lines for word in line.words] or [0.0])
    return [
        title
        for title in labelled.titles()
        if title.kind not in CREDIT_NOTES
        or (
            _heads(labelled, title)
            and (_height(title) >= _LARGE * usual or not _MONEY.search(labelled.lines[title.line].text))
        )
    ]


def says_credit(labelled: LabelledLines, vocabulary: Vocabulary, own: Found[str] | None) -> Label | None:
    """The first words that only a credit note has beside its title: of the invoice that it belongs to, with its number;
    its own number, date or total ("Gutschriftsnummer", "Total credit"). None where there are none.

    What a later page belongs to is this invoice itself ("Annex to invoice 17"), if it has its `own` number.
    """
    credits = frozenset[str]().union(*(vocabulary.titles.get(kind, ()) for kind in CREDIT_NOTES))
    for labels, amounts in zip(labelled.labels, labelled.amounts, strict=True):
        for label in (*labels, *amounts):
            named = "".join(key(word.text) for word in labelled.words_of(label))
            if label.kind in _OF_CREDIT_NOTES and named not in credits and any(one in named for one in credits):
                return label
            if label.kind == "preceding_invoice":
                invoice = next(filter(None, map(document_number, labelled.right_of(label))), None)
                is_later = own is not None and labelled.lines[label.line].page > own.words[0].page
                if invoice and not (own and is_later and key(invoice.value) == key(own.value)):
                    return label
    return None


def says_invalid(labelled: LabelledLines, pages: Iterable[Page], vocabulary: Vocabulary) -> str | None:
    """The first words by which a paper is no valid invoice, though it may be titled as one: a sentence, or what stands
    alone in its line as a stamp does ("DRAFT"), or across the page. None where there are none."""
    for labels in labelled.other_titles:
        for label in labels:
            words, line = labelled.words_of(label), labelled.lines[label.line]
            stamped = len(line.cells) == 1 and _heads(labelled, label) and not _MONEY.search(line.text)
            if label.kind == _INVALID and (stamped or len(words) >= _SENTENCE):
                return " ".join(word.text for word in words)
    for page in pages:
        for text in (page.aslant, *page.aslant.split()):
            if any(meaning.kind == _INVALID for meaning in vocabulary.phrases.get(key(text), ())):
                return text
    return None


def other_document(labelled: LabelledLines, pages: Iterable[Page]) -> Label | None:
    """The title that says that this is no invoice; None for an invoice and for what has no title at all.

    Of several titles the one in the largest letters counts, of those alike the first.
    """
    first = next(iter(pages), None)
    if first is None:
        return None
    usual = median([word.box[3] - word.box[1] for word in first.words] or [0.0])
    others = [
        label
        for labels in labelled.other_titles
        for label in labels
        if label.kind != _INVALID
        and labelled.lines[label.line].page == first.number
        and label.box[1] < first.height / 2
        and _is_title(labelled, label, usual, first.width)
    ]
    if not others:
        return None
    largest = max(_height(label) for label in others)
    title = next(label for label in others if _height(label) >= _ALIKE * largest)
    for invoice in labelled.titles():
        within = invoice.line == title.line and invoice.cell == title.cell
        if (within and title.first <= invoice.first < title.last) or not _heads(labelled, invoice):
            continue
        if _height(invoice) < _ALIKE * _height(title):
            continue
        larger = _ALIKE * _height(invoice) > _height(title)
        if larger or invoice.line <= title.line or _is_ordinary(labelled, title):
            return None
    return title


def _is_title(labelled: LabelledLines, label: Label, usual: float, width: float) -> bool:
    if label.first or not _heads(labelled, label):
        return False
    if _is_ordinary(labelled, label) and width < LETTER:
        return False
    return _height(label) >= _LARGE * usual or len(labelled.lines[label.line].cells) == 1


def _is_ordinary(labelled: LabelledLines, label: Label) -> bool:
    return label.kind in _ORDINARY and len(labelled.words_of(label)) == 1


def _heads(labelled: LabelledLines, label: Label) -> bool:
    """Whether a title begins its cell and only a number or a date follows: "Reminder No. 2 of 5 May"."""
    cell = labelled.lines[label.line].cells[label.cell]
    words = cell.words[label.first : label.last]
    rest = [word.text for word in cell.words[label.last :] if key(word.text)]
    named = ":" in "".join(word.text for word in (*words, *cell.words[label.last : label.last + 1]))
    if any(
        amount.cell == label.cell and amount.first < label.first < amount.last
        for amount in labelled.amounts[label.line]
    ):
        return False  # "Total factura"
    if label.first > 1 or (named and rest) or words[-1].text.endswith(":"):
        return False
    return len(rest) <= _MOST_AFTER and (not rest or any(character.isdigit() for text in rest for character in text))


def _height(label: Label) -> float:
    return label.box[3] - label.box[1]
