"""Finds the fields of an invoice: from words with boxes to a `Reading`, the same for a text layer and for OCR.

Each field has its own way in `header`, `totals`, `parties` and `table`; this module puts them in order, lets them
check each other, and writes down where each value stands.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any, TypeVar

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.einvoice.identifiers import vat_id_fault
from invoice_pipelines.einvoice.model import Delivery, Line, Party, Payment, PaymentAccount, TaxBreakdown
from invoice_pipelines.intake.documents.recipient import NOBODY, Recipient, compact
from invoice_pipelines.intake.documents.text_layer.dates import DateFinder
from invoice_pipelines.intake.documents.text_layer.header import (
    Found,
    bic_code,
    box_of,
    choose,
    choose_number,
    currency_code,
    document_number,
    find_labelled,
    free_text,
    number_candidates,
    numbers_of_credit_note,
    tax_number,
    vat_id,
    words_between,
)
from invoice_pipelines.intake.documents.text_layer.identifiers import (
    find_ibans,
    iban_is_misprinted,
    repaired_iban,
    spoiled_iban,
    vat_id_is_valid,
)
from invoice_pipelines.intake.documents.text_layer.learned import LearnedPlace, locate
from invoice_pipelines.intake.documents.text_layer.names import company, name_of
from invoice_pipelines.intake.documents.text_layer.origin.origin import origin, usual_currency
from invoice_pipelines.intake.documents.text_layer.origin.signs import Sign, find_signs
from invoice_pipelines.intake.documents.text_layer.other_documents import (
    CREDIT_NOTES,
    KINDS,
    LETTER,
    other_document,
    says_credit,
    says_invalid,
    titles_of,
)
from invoice_pipelines.intake.documents.text_layer.page.labels import Label, LabelledLines, Place, labelled_lines
from invoice_pipelines.intake.documents.text_layer.page.notation import AMOUNT, has_unknown_sign, usual_decimal
from invoice_pipelines.intake.documents.text_layer.page.vocabulary import Vocabulary, key
from invoice_pipelines.intake.documents.text_layer.page.words import Box, Page, Word
from invoice_pipelines.intake.documents.text_layer.parties import (
    cells_below,
    company_above,
    find_parties,
    section_of,
)
from invoice_pipelines.intake.documents.text_layer.ranking.agreement import find_agreed_totals
from invoice_pipelines.intake.documents.text_layer.several_documents import several_documents
from invoice_pipelines.intake.documents.text_layer.table import find_lines
from invoice_pipelines.intake.documents.text_layer.totals.amounts import find_amounts, with_learned
from invoice_pipelines.intake.documents.text_layer.totals.currencies import currencies_of, has_other_currency_beside
from invoice_pipelines.intake.documents.text_layer.totals.totals import Chosen, Totals
from invoice_pipelines.intake.reading import Discrepancy, DiscrepancyKind, Format, Provenance, Reading, Source

T = TypeVar("T")

_UNSURE = 0.6
_ALIKE = 0.7
_OF_COUNTRY = 0.9
_FOOTER = 0.8  # of the height of the page
_REFERENCES = ("order_reference", "sales_order_reference", "despatch_advice_reference", "contract_reference")


def find_fields(pages: Sequence[Page], learned: Sequence[LearnedPlace] = (), recipient: Recipient = NOBODY) -> Reading:
    """The fields of the invoice on these pages. `learned` are the places that people have shown for its layout,
    `recipient` is who has received it.

    What is missing or ambiguous stays None. Raises ReadingError NOT_AN_INVOICE where there is no word of an invoice,
    no total, and not even a date with amounts, which a person could make an invoice of.
    """
    labelled, vocabulary = labelled_lines(pages)
    reading = _Finder(pages, labelled, vocabulary, locate(learned, labelled, pages), recipient).reading()

    def read(some: Sequence[Page]) -> Reading | None:
        lines, _ = labelled_lines(some, vocabulary)
        if other_document(lines, some):
            return None  # a delivery note behind its invoice is no invoice to be missed
        try:
            return _Finder(some, lines, vocabulary, {}, recipient).reading()
        except ReadingError:
            return None

    several = several_documents(pages, labelled, vocabulary, read)
    return replace(reading, discrepancies=(*reading.discrepancies, several)) if several else reading


class _Finder:
    """Collects values and their provenance for one document."""

    def __init__(
        self,
        pages: Sequence[Page],
        labelled: LabelledLines,
        vocabulary: Vocabulary,
        learned: Mapping[str, Place],
        recipient: Recipient,
    ) -> None:
        self.pages = pages
        self.recipient = recipient
        self.learned = learned
        self.labelled = labelled
        self.vocabulary = vocabulary
        self.engines = {page.number: page.engine for page in pages}
        self.scanned = {page.number for page in pages if page.needs_ocr}
        self.provenance: dict[str, Provenance] = {}
        self.warnings: list[str] = []

    def reading(self) -> Reading:
        amounts = find_amounts(self.labelled)
        totals = find_agreed_totals(self.labelled, with_learned(amounts, self.learned))
        type_code = self.type_code()
        numbers = number_candidates(self.labelled)
        is_credit = type_code in CREDIT_NOTES or _is_negative(totals)
        if is_credit or not titles_of(self.labelled):
            numbers = numbers_of_credit_note(self.labelled, self.vocabulary, numbers, may_be=not is_credit)
        own_number = choose_number(numbers)
        number = self.keep("number", own_number, document_number)
        seller, buyer = self.parties()
        signs = find_signs(self.labelled, [seller.vat_id] if seller.vat_id else ())
        currency, at = self.currency(totals, signs), origin(signs)
        issue, due, delivery = self.dates(currency, at)
        if number is None and totals.gross is None and not self.labelled.titles():
            money = any(amount.money for line in amounts for amount in line.amounts)
            if issue is None or not money:
                raise ReadingError(
                    "NOT_AN_INVOICE", "The document has neither the word invoice nor a number or total of one."
                )
        another = (
            self.another_document(totals)
            or self.invalid()
            or self.credit_note(type_code, totals, own_number)
            or self.untitled(type_code)
        )
        currency = self.usual_currency(currency, signs, issue, totals)
        for index, row in enumerate(totals.rates):
            self.total(f"tax_breakdowns[{index}]", Chosen(row.tax, totals.tax.confidence if totals.tax else 0.0))
        if totals.before_rounding is not None and totals.gross:
            self.warnings.append(
                f"The total of {totals.before_rounding} was rounded to {totals.gross.amount.value} for cash, so the"
                " rounded total is given and there is no net amount."
            )
        if totals.contradicts:
            self.warnings.append("Net and tax do not add up to the gross amount as read.")
        allowances = self.total("allowance_total", totals.allowances)
        prepaid = self.total("prepaid_amount", totals.prepaid)
        if totals.prepaid and prepaid is not None and not totals.prepaid.amount.is_named("arrears"):
            prepaid = abs(prepaid)
        references: dict[str, Any] = {
            kind: self.keep(kind, self.labelled_as(kind, document_number, 0.85), document_number)
            for kind in _REFERENCES
        }
        return Reading(
            source=Source.OCR if any(self.engines.values()) else Source.TEXT,
            format=Format.PDF,
            number=number,
            issue_date=issue,
            type_code=type_code,
            currency=currency,
            due_date=due,
            due_dates=(due,) if due else (),
            **references,
            buyer_reference=self.keep("buyer_reference", self.labelled_as("buyer_reference", free_text)),
            seller=seller,
            buyer=buyer,
            delivery=Delivery(date=delivery) if delivery else None,
            payments=self.payments(),
            line_total=self.total("line_total", totals.line_total),
            allowance_total=None if allowances is None else -allowances,
            charge_total=self.total("charge_total", totals.charges),
            net_amount=self.total("net_amount", totals.net),
            tax_amount=self.total("tax_amount", totals.tax),
            gross_amount=self.total("gross_amount", totals.gross),
            prepaid_amount=prepaid,
            rounding_amount=totals.rounding,
            payable_amount=self.total("payable_amount", totals.payable),
            tax_breakdowns=tuple(
                TaxBreakdown(row.base.value if row.base else None, row.tax.value, rate=row.rate) for row in totals.rates
            ),
            lines=self.lines(totals),
            raw={"pages": [_raw(page) for page in self.pages]},
            provenance=self.provenance,
            warnings=tuple(self.warnings),
            discrepancies=(another,) if another else (),
        )

    def another_document(self, totals: Totals) -> Discrepancy | None:
        """What the title says, if that is not an invoice. Raises ReadingError NOT_AN_INVOICE where there is no total,
        either."""
        title = other_document(self.labelled, self.pages)
        if title is None:
            return None
        words = " ".join(word.text for word in self.labelled.words_of(title))
        if totals.gross is None:
            raise ReadingError(
                "NOT_AN_INVOICE", f"The document is titled {words!r}, so it is not an invoice, and it has no total."
            )
        kind, kind_de = KINDS[title.kind]
        return Discrepancy(
            DiscrepancyKind.ANOTHER_DOCUMENT,
            f"By its title {words!r} the document is {kind}, not an invoice.",
            f"Nach seinem Titel „{words}“ ist der Beleg {kind_de}, keine Rechnung.",
        )

    def invalid(self) -> Discrepancy | None:
        """That the document itself says that it is no valid invoice."""
        words = says_invalid(self.labelled, self.pages, self.vocabulary)
        if words is None:
            return None
        return Discrepancy(
            DiscrepancyKind.ANOTHER_DOCUMENT,
            f"It may not be a valid invoice: it says {words!r}.",
            f"Der Beleg ist vielleicht keine gültige Rechnung: „{words}“ steht darauf.",
        )

    def untitled(self, type_code: str | None) -> Discrepancy | None:
        """That nothing on a letter says that it is an invoice. What was recognized may have lost that word, and may be
        a receipt on a sheet of any width; and a person may have worked on a document like this before."""
        is_letter = all(page.engine is None and page.width >= LETTER for page in self.pages)
        if type_code is not None or not is_letter or self.learned:
            return None
        return Discrepancy(
            DiscrepancyKind.ANOTHER_DOCUMENT,
            "It may not be an invoice: no title and no number of one is on it.",
            "Der Beleg ist vielleicht keine Rechnung: Weder ein Titel noch eine Nummer sagt es.",
        )

    def credit_note(self, type_code: str | None, totals: Totals, number: Found[str] | None) -> Discrepancy | None:
        """That the document may be a credit note, where its title does not say so."""
        if type_code in CREDIT_NOTES or _is_negative(totals):
            return None
        label = says_credit(self.labelled, self.vocabulary, number)
        if label is None:
            return None
        words = " ".join(word.text for word in self.labelled.words_of(label))
        return Discrepancy(
            DiscrepancyKind.ANOTHER_DOCUMENT,
            f"It may be a credit note: it says {words!r}, and its title does not.",
            f"Der Beleg kann eine Gutschrift sein: „{words}“ steht darauf, und sein Titel sagt es nicht.",
        )

    def keep(
        self, field: str, found: Found[T] | None, parse: Callable[[Place], Found[T] | None] | None = None
    ) -> T | None:
        """The value, whose place is written down. With `parse`, what a person has shown may be taken instead."""
        found = self.taught(field, parse, found) if parse else found
        if found is None:
            return None
        page = found.words[0].page
        box = box_of([word for word in found.words if word.page == page])
        self.provenance[field] = self.found_at(page, box, round(found.confidence, 3), found.text)
        return found.value

    def labelled_as(
        self, kind: str, parse: Callable[[Place], Found[T] | None], weight: float = 0.92
    ) -> Found[T] | None:
        return choose(find_labelled(self.labelled, [kind], parse, weight))

    def taught(self, field: str, parse: Callable[[Place], Found[T] | None], found: Found[T] | None) -> Found[T] | None:
        """The value at the place where a person has shown the field to stand, if it is of the right type there; else
        what was found without. Where both agree, it is surer than either."""
        place = self.learned.get(field)
        value = parse(place) if place else None
        if place is None or value is None:
            return found
        value = replace(value, confidence=round(value.confidence * place.likelihood, 3))
        if found and found.value == value.value:
            return replace(value, confidence=max(value.confidence, found.confidence))
        return found if found and found.confidence > value.confidence else value

    def lines(self, totals: Totals) -> tuple[Line, ...]:
        sums = [chosen.amount.value for chosen in (totals.net, totals.line_total) if chosen]
        decimal = usual_decimal(match["number"] for line in self.labelled.lines for match in AMOUNT.finditer(line.text))
        found = find_lines(self.labelled, sums, decimal)
        for number, line in enumerate(found):
            self.provenance[f"lines[{number}]"] = self.found_at(line.page, line.box, 0.9 if line.multiplies else 0.6)
        return tuple(line.line for line in found)

    def is_text(self, page: int) -> bool:
        """Whether the words of a page are what its sender wrote, and not what any OCR recognized."""
        return not self.engines.get(page) and page not in self.scanned

    def total(self, field: str, chosen: Chosen | None) -> Decimal | None:
        if chosen is None:
            return None
        amount = chosen.amount
        self.provenance[field] = self.found_at(amount.page, amount.box, chosen.confidence, amount.text)
        return amount.value

    def found_at(self, page: int, box: Box, confidence: float, words: str | None = None) -> Provenance:
        engine = self.engines.get(page)
        source = Source.OCR if engine else Source.TEXT
        return Provenance(source, confidence, page, box, text=words, engine=engine)

    def type_code(self) -> str | None:
        """The code of the title that is set in the largest letters, of equals the first; without a title that of an
        invoice where a number is labelled as one."""
        titles = titles_of(self.labelled)
        if titles:
            title = max(titles, key=lambda label: round(label.box[3] - label.box[1]))
            words = self.labelled.words_of(title)
            return self.keep("type_code", Found(title.kind, words, 0.8 if len(titles) < 4 else 0.7))
        number = next(self.labelled.all("number"), None)
        if number is None:
            return None
        words = self.labelled.words_of(number)
        meanings = self.vocabulary.phrases.get(key(words[0].text), ())
        code = next((meaning.kind for meaning in meanings if meaning.group == "titles"), "380")
        return self.keep("type_code", Found(code, words, 0.6))

    def currency(self, totals: Totals, signs: Sequence[Sign]) -> str | None:
        """The currency of the total: by its label, by the total and its column, else the one that is named most often.
        Unsure where these do not agree, and where the total is printed in two currencies."""
        total = totals.gross.amount if totals.gross else None
        of_total = currencies_of(self.labelled, total) if total else set()
        labelled = self.taught("currency", currency_code, self.labelled_as("currency", currency_code, 0.98))
        if labelled:
            agrees = not of_total or of_total == {labelled.value}
            return self.keep("currency", labelled if agrees else labelled.at_most(_UNSURE))
        mentions = [
            (found, line.number)
            for line in self.labelled.lines
            for word in line.words
            if (found := currency_code(Place((word,), 1.0, line.number)))
        ]
        if not mentions:
            return None
        named = [found for found, _ in mentions]
        value, count = Counter(found.value for found in named).most_common(1)[0]
        if len(of_total) == 1 and of_total <= {found.value for found in named}:
            (value,) = of_total
        mention = max((found for found in named if found.value == value), key=lambda found: found.confidence)
        double = total is not None and has_other_currency_beside(self.labelled, total, value)
        # What is named once and not beside the total may be misread, and what is named below it only that of a card.
        of_country, _ = usual_currency(self.labelled, signs, self.recipient.country, None)
        below = total is not None and all(line > total.line for found, line in mentions if found.value == value)
        alone = (count == 1 or below) and not of_total and (total is None or of_country != value)
        contradicted = bool(of_total) and of_total != {value}  # also by one that stands in the amount and nowhere else
        contradicted |= total is not None and has_unknown_sign(self.labelled.lines[total.line].text)
        doubtful = double or contradicted or count <= len(named) / 2 or alone
        return self.keep("currency", mention.at_most(_UNSURE) if doubtful else mention)

    def usual_currency(
        self, currency: str | None, signs: Sequence[Sign], issue: date | None, totals: Totals
    ) -> str | None:
        """The currency of the country, where none is named, or by a sign that is that of several only. Where another
        than that is named, and not by the total, it may be but what the total is in it."""
        if "currency" in self.learned:
            return currency
        named = [
            word.text
            for line in self.labelled.lines
            for word in line.words
            if (found := _currency_of(word)) and found.value == currency
        ]
        certain = [_currency_of_several(text) is None for text in named]
        usual, proved = usual_currency(self.labelled, signs, self.recipient.country, issue)
        place = self.provenance.get("currency")
        if self.labelled_as("currency", currency_code):
            return currency
        if usual is None or any(certain):
            of_total = currencies_of(self.labelled, totals.gross.amount) if totals.gross else set()
            of_another = usual not in (None, currency) and of_total != {currency}
            if place and (of_another or (usual != currency and named and not all(certain))):
                self.provenance["currency"] = replace(place, confidence=min(place.confidence, _UNSURE))
            return currency
        source = Source.OCR if any(self.engines.values()) else Source.TEXT
        proved = proved and not any(has_unknown_sign(line.text) for line in self.labelled.lines)
        self.provenance["currency"] = replace(
            place or Provenance(source, 0.0), confidence=_OF_COUNTRY if proved else _UNSURE
        )
        self.warnings.append(f"No currency is named; {usual} is that of the country.")
        return usual

    def dates(self, currency: str | None, at: str | None) -> tuple[date | None, date | None, date | None]:
        """Issue, due and delivery date."""
        finder = DateFinder(self.labelled, self.pages, self.vocabulary, currency, at)
        issue, due, delivery = finder.dates()
        return (
            self.keep("issue_date", issue, finder.parse),
            self.keep("due_date", due, finder.parse),
            self.keep("delivery.date", delivery, finder.parse),
        )

    def parties(self) -> tuple[Party, Party]:
        seller, buyer = find_parties(self.labelled, self.pages, self.vocabulary, self.recipient)
        seller_vat, buyer_vat = self._vat_ids(buyer, seller)
        tax_numbers = find_labelled(self.labelled, ["tax_number"], tax_number, 0.85)
        seller_tax = choose(found for found in tax_numbers if compact(found.value) not in self.recipient.tax_numbers)

        def name(place: Place) -> Found[str] | None:
            return name_of(place.words, self.vocabulary, 1.0)

        return (
            Party(
                name=self.keep("seller.name", seller, name),
                vat_id=self.keep("seller.vat_id", seller_vat, vat_id),
                tax_id=self.keep("seller.tax_id", seller_tax, tax_number),
            ),
            Party(
                name=self.keep("buyer.name", buyer, name),
                vat_id=self.keep("buyer.vat_id", buyer_vat, vat_id),
            ),
        )

    def _vat_ids(
        self, buyer_name: Found[str] | None, seller_name: Found[str] | None
    ) -> tuple[Found[str] | None, Found[str] | None]:
        """The VAT ids of seller and buyer: by the label, by the heading or the name they stand under, else the
        seller's. What the recipient is known by is the buyer's; of two that may be the seller's, neither is sure."""
        own = self.recipient.vat_ids
        # A name that is only in the place of a buyer may be that of the letterhead.
        below = cells_below(self.labelled, buyer_name) if buyer_name and buyer_name.confidence > _UNSURE else set()
        sellers: list[Found[str]] = []
        buyers = find_labelled(self.labelled, ["buyer_vat_id"], vat_id)
        for label in self.labelled.all("vat_id"):
            section = "buyer" if (label.line, label.cell) in below else section_of(self.labelled, label)
            for place in self.labelled.places(label):
                if found := vat_id(place):
                    if self.is_text(found.words[0].page) and vat_id_fault(found.value) == "CHECK_DIGITS":
                        # Printed so: validation remarks it (IP-VAT-01). What was recognized may have been misread.
                        found = replace(found, confidence=0.95)
                    found = replace(found, confidence=found.confidence * place.likelihood)
                    if section == "buyer":
                        buyers.append(found)
                    elif section is None and not own and self._is_of_another(label, buyer_name, seller_name):
                        sellers.append(found.at_most(_UNSURE))
                    else:
                        # Footers have bank, management and tax data side by side under headings of their own.
                        beside = seller_name and self.is_in_footer(label, seller_name)
                        sure = 0.8 if section == "other_party" and not beside else 1.0
                        sellers.append(replace(found, confidence=found.confidence * sure))
                    break
        known = {found.value for found in (*sellers, *buyers)}
        if own or not sellers:
            # Where the recipient's own is known, or no buyer is named, one that stands alone is the other one's; but
            # not beside a label that more words belong to ("VAT id of the customer").
            labels = {label.line for label in self.labelled.all("vat_id")}
            sure = _UNSURE if buyer_name and not own else 0.85
            alone = (
                found.at_most(_UNSURE if line.number in labels and not own else sure)
                for line in self.labelled.lines
                for word in line.words
                if (found := vat_id(Place((word,), 1.0, line.number)))
            )
            new = [found for found in alone if found.value not in known and vat_id_is_valid(found.value)]
            sellers += [found for found in new if not sellers or found.value in own]
        buyers += [replace(found, confidence=0.97) for found in sellers if found.value in own]
        buyer = choose(buyers)
        sellers = [found for found in sellers if found.value not in own and (not buyer or found.value != buyer.value)]
        seller = choose(sellers)
        rivals = {
            found.value
            for found in sellers
            if found.confidence > 0.5 or (seller and not _is_misread_as(found.value, seller.value))
        }
        return seller.at_most(_UNSURE) if seller and len(rivals) > 1 else seller, buyer

    def _is_of_another(self, label: Label, buyer_name: Found[str] | None, seller_name: Found[str] | None) -> bool:
        """Whether a label belongs to a block that another company than the seller heads, or one who may be the
        buyer."""
        # A brand has no legal form, and the company below it is that of the seller.
        if seller_name and company(seller_name.words, self.vocabulary):
            name = company_above(self.labelled, label, self.vocabulary)
            if name:
                return not self._words_of(name) & self._words_of(seller_name)
        return bool(buyer_name and (label.line, label.cell) in cells_below(self.labelled, buyer_name))

    def _words_of(self, name: Found[str]) -> set[str]:
        return {known for word in name.words if len(known := key(word.text)) > 2} - self.vocabulary.legal_forms

    def is_in_footer(self, label: Label, seller_name: Found[str]) -> bool:
        """Whether a label stands beside the seller's name at the foot of a page."""
        line = self.labelled.lines[label.line]
        height = next(page.height for page in self.pages if page.number == line.page)
        return line.box[1] > _FOOTER * height and any(
            key(seller_name.value) == key(cell.text) for cell in line.cells[: label.cell]
        )

    def _collected(self) -> Iterator[int]:
        """The lines that say from which account the seller collects the money; the sentence may go on in the next."""
        lines = self.labelled.lines
        for label in self.labelled.all("debited_account"):
            yield label.line
            if label.line + 1 < len(lines) and not lines[label.line].text.rstrip().endswith((".", "!")):
                yield label.line + 1

    def payments(self) -> tuple[Payment, ...]:
        """The accounts to pay to. An IBAN with wrong check digits is given as it stands, with a remark; it is sure
        where the text of the PDF has it so in one piece (validation remarks it, IP-IBAN-01): that was not misread."""
        accounts: dict[str, PaymentAccount] = {}
        bic = self.labelled_as("bic", bic_code, 0.9)
        labelled_lines = {label.line for label in self.labelled.all("iban")}
        collected = set(self._collected())
        lines = [line for line in self.labelled.lines if line.number not in collected]
        for line in lines:
            words = line.words
            for value, start, end, valid in find_ibans(" ".join(word.text for word in words)):
                if not valid and self.engines.get(line.page) and repaired_iban(line.text):
                    continue
                if value in self.recipient.ibans:
                    continue  # from which the seller collects, not to which one pays
                if value in accounts or (not valid and not {line.number, line.number - 1} & labelled_lines):
                    continue
                field = f"payments[0].accounts[{len(accounts)}]"
                if not valid:
                    self.warnings.append(f"The check digits of the IBAN {value} are wrong.")
                taken = words_between(words, start, end)
                in_one = any(set(taken) <= set(cell.words) for cell in line.cells)
                printed = valid or (in_one and self.is_text(line.page) and iban_is_misprinted(value))
                self.keep(f"{field}.account_id", Found(value, taken, 0.98 if valid else 0.95 if printed else 0.4))
                accounts[value] = PaymentAccount(value)
        if len(accounts) == 1 and bic:
            bank = self.keep("payments[0].accounts[0].bic", bic)
            accounts = {account: PaymentAccount(account, bic=bank) for account in accounts}
        if not accounts:
            for line in lines:
                repaired = repaired_iban(line.text) if self.engines.get(line.page) else None
                if repaired and repaired not in self.recipient.ibans:
                    self.keep("payments[0].accounts[0].account_id", Found(repaired, line.words, 0.93))
                    accounts[repaired] = PaymentAccount(repaired)
                    break
        if not accounts:
            for label in self.labelled.all("iban"):
                place = next(self.labelled.right_of(label), None) if label.line not in collected else None
                spoiled = spoiled_iban(" ".join(word.text for word in place.words)) if place else None
                if place and spoiled and spoiled not in self.recipient.ibans:
                    self.keep("payments[0].accounts[0].account_id", Found(spoiled, place.words, 0.3))
                    accounts[spoiled] = PaymentAccount(spoiled)
                    break
        taught = self.learned.get("iban")
        shown = find_ibans(" ".join(word.text for word in taught.words)) if taught else []
        if taught and shown and shown[0][3] and shown[0][0] not in (*self.recipient.ibans, *list(accounts)[:1]):
            # The account that a person pointed at comes first.
            value = shown[0][0]
            self.keep("payments[0].accounts[0].account_id", Found(value, taught.words, taught.likelihood))
            accounts = {value: accounts.get(value, PaymentAccount(value))} | accounts
        return (Payment(accounts=tuple(accounts.values())),) if accounts else ()


def _is_negative(totals: Totals) -> bool:
    """Whether the total is below zero, so that money goes the other way."""
    return totals.gross is not None and totals.gross.amount.value < 0


def _is_misread_as(value: str, other: str) -> bool:
    """Whether two identifiers are one that was read differently: most characters are the same."""
    same = sum(one == another for one, another in zip(value, other, strict=False))
    return same >= _ALIKE * max(len(value), len(other))


def _currency_of(word: Word) -> Found[str] | None:
    return currency_code(Place((word,), 1.0, 0))


def _currency_of_several(text: str) -> str | None:
    """The sign of several currencies that a word bears; None where it says which one it is."""
    return "$" if re.fullmatch(r"[^A-Za-z]*\$[^A-Za-z]*", text) else None


def pages_of_raw(raw: Mapping[str, Any]) -> tuple[Page, ...]:
    """The pages that a reading was made from, out of its `raw`; none where it was made from XML."""
    return tuple(
        Page(
            page["number"],
            page["width"],
            page["height"],
            tuple(
                Word(text, (left, top, right, bottom), page["number"], confidence)
                for text, left, top, right, bottom, confidence in page["words"]
            ),
            engine=page.get("engine"),
        )
        for page in raw.get("pages", ())
    )


def _raw(page: Page) -> dict[str, object]:
    return {
        "number": page.number,
        "width": page.width,
        "height": page.height,
        "engine": page.engine,
        "words": [[word.text, *word.box, word.confidence] for word in page.words],
    }
