"""Holds the field finder: from words with boxes to a `Reading`, the same for a text layer and for OCR.

Each field has its own way in `header`, `totals`, `parties` and `table`; this module puts them in order, lets them
check each other, and writes down where each value stands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any, TypeVar

from invoice_pipelines.intake.readers.text_layer.amounts import exempt, find_amounts
from invoice_pipelines.intake.readers.text_layer.header import (
    Found,
    all_dates,
    bic_code,
    box_of,
    choose,
    currency_code,
    date_parser,
    dated_candidates,
    document_number,
    find_labelled,
    free_text,
    number_candidates,
    tax_number,
    vat_id,
    words_between,
)
from invoice_pipelines.intake.readers.text_layer.identifiers import (
    find_ibans,
    vat_id_is_valid,
)
from invoice_pipelines.intake.readers.text_layer.labels import LabelledLines, Place, find_labels
from invoice_pipelines.intake.readers.text_layer.layout import read_lines
from invoice_pipelines.intake.readers.text_layer.notation import AMOUNT, CURRENCIES, usual_decimal
from invoice_pipelines.intake.readers.text_layer.parties import find_parties, section_of
from invoice_pipelines.intake.readers.text_layer.table import find_lines
from invoice_pipelines.intake.readers.text_layer.totals import Chosen, Totals, find_totals
from invoice_pipelines.intake.readers.text_layer.vocabulary import Vocabulary, key, load_vocabulary
from invoice_pipelines.intake.readers.text_layer.words import Box, Page, Word
from invoice_pipelines.intake.reading import (
    Delivery,
    Format,
    Line,
    Party,
    Payment,
    PaymentAccount,
    Provenance,
    Reading,
    ReadingError,
    Source,
    TaxBreakdown,
)

T = TypeVar("T")
DateParser = Callable[[Place], Found[date] | None]


def find_fields(pages: Sequence[Page]) -> Reading:
    """The fields of the invoice on these pages.

    What is missing or ambiguous stays None. Raises ReadingError NOT_AN_INVOICE where there is no word of an invoice
    and no total.
    """
    vocabulary = load_vocabulary()
    labelled = find_labels(read_lines(pages), vocabulary)
    return _Finder(pages, labelled, vocabulary).reading()


class _Finder:
    """Collects values and their provenance for one document."""

    def __init__(self, pages: Sequence[Page], labelled: LabelledLines, vocabulary: Vocabulary) -> None:
        self.pages = pages
        self.labelled = labelled
        self.vocabulary = vocabulary
        self.engines = {page.number: page.engine for page in pages}
        self.provenance: dict[str, Provenance] = {}
        self.warnings: list[str] = []

    def reading(self) -> Reading:
        totals = find_totals(find_amounts(self.labelled), exempt(self.labelled))
        number = self.keep("number", choose(number_candidates(self.labelled)))
        titles = [label for labels in self.labelled.labels for label in labels if label.meaning.group == "titles"]
        if number is None and totals.gross is None and not titles:
            raise ReadingError(
                "NOT_AN_INVOICE", "The document has neither the word invoice nor a number or total of one."
            )
        currency = self.currency(totals)
        issue, due, delivery = self.dates(currency)
        seller, buyer = self.parties()
        lines = self.lines(totals)
        for index, row in enumerate(totals.rates):
            self.total(f"tax_breakdowns[{index}]", Chosen(row.tax, totals.tax.confidence if totals.tax else 0.0))
        if totals.contradicts:
            self.warnings.append("Net and tax do not add up to the gross amount as read.")
        return Reading(
            source=Source.OCR if any(self.engines.values()) else Source.TEXT,
            format=Format.PDF,
            number=number,
            issue_date=issue,
            type_code=self.type_code(),
            currency=currency,
            due_date=due,
            due_dates=(due,) if due else (),
            order_reference=self.reference("order_reference"),
            sales_order_reference=self.reference("sales_order_reference"),
            despatch_advice_reference=self.reference("despatch_advice_reference"),
            contract_reference=self.reference("contract_reference"),
            buyer_reference=self.keep(
                "buyer_reference", choose(find_labelled(self.labelled, ["buyer_reference"], free_text))
            ),
            seller=seller,
            buyer=buyer,
            delivery=Delivery(date=delivery) if delivery else None,
            payments=self.payments(),
            line_total=self.total("line_total", totals.line_total),
            allowance_total=-allowances
            if (allowances := self.total("allowance_total", totals.allowances)) is not None
            else None,
            charge_total=self.total("charge_total", totals.charges),
            net_amount=self.total("net_amount", totals.net),
            tax_amount=self.total("tax_amount", totals.tax),
            gross_amount=self.total("gross_amount", totals.gross),
            prepaid_amount=abs(prepaid)
            if (prepaid := self.total("prepaid_amount", totals.prepaid)) is not None
            else None,
            payable_amount=self.total("payable_amount", totals.payable),
            tax_breakdowns=tuple(
                TaxBreakdown(row.base.value if row.base else None, row.tax.value, rate=row.rate) for row in totals.rates
            ),
            lines=lines,
            raw={"pages": [_raw(page) for page in self.pages]},
            provenance=self.provenance,
            warnings=tuple(self.warnings),
        )

    def keep(self, field: str, found: Found[T] | None) -> T | None:
        if found is None:
            return None
        page = found.words[0].page
        box = box_of([word for word in found.words if word.page == page])
        self.provenance[field] = self.found_at(page, box, round(found.confidence, 3), found.text)
        return found.value

    def lines(self, totals: Totals) -> tuple[Line, ...]:
        sums = [chosen.amount.value for chosen in (totals.net, totals.line_total) if chosen]
        decimal = usual_decimal(match["number"] for line in self.labelled.lines for match in AMOUNT.finditer(line.text))
        found = find_lines(self.labelled, sums, decimal)
        for number, line in enumerate(found):
            self.provenance[f"lines[{number}]"] = self.found_at(line.page, line.box, 0.9 if line.multiplies else 0.6)
        return tuple(line.line for line in found)

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

    def reference(self, kind: str) -> str | None:
        return self.keep(kind, choose(find_labelled(self.labelled, [kind], document_number, 0.85)))

    def type_code(self) -> str | None:
        """The code of the title that is set in the largest letters, of equals the first; without a title that of an
        invoice where a number is labelled as one."""
        titles = [label for labels in self.labelled.labels for label in labels if label.meaning.group == "titles"]
        title = max(titles, key=lambda label: round(label.box[3] - label.box[1]), default=None)
        if title is None:
            number = next(self.labelled.all("number"), None)
            if number is None:
                return None
            cell = self.labelled.lines[number.line].cells[number.cell]
            meanings = self.vocabulary.phrases.get(key(cell.words[number.first].text), ())
            code = next((meaning.kind for meaning in meanings if meaning.group == "titles"), "380")
            return self.keep("type_code", Found(code, cell.words[number.first : number.last], 0.6))
        words = self.labelled.lines[title.line].cells[title.cell].words[title.first : title.last]
        return self.keep("type_code", Found(title.kind, words, 0.8 if len(titles) < 4 else 0.7))

    def currency(self, totals: Totals) -> str | None:
        """The currency by its label, else the one that is named most often; a dollar alone may be another's."""
        labelled = choose(find_labelled(self.labelled, ["currency"], currency_code, 0.98))
        if labelled:
            return self.keep("currency", labelled)
        named = [
            found
            for line in self.labelled.lines
            for word in line.words
            if (found := currency_code(Place((word,), 1.0, line.number)))
        ]
        if not named:
            return None
        value, count = Counter(found.value for found in named).most_common(1)[0]
        gross = totals.gross.amount.currency if totals.gross else None
        value = gross if gross in CURRENCIES else value
        mention = max(
            (found for found in named if found.value == value), key=lambda found: found.confidence, default=None
        )
        if mention is None:
            return None
        sure = mention.confidence if count > len(named) / 2 else 0.6
        return self.keep("currency", replace(mention, confidence=sure))

    def dates(self, currency: str | None) -> tuple[date | None, date | None, date | None]:
        """Issue, due and delivery date. Days come first unless the document shows or suggests the American order."""
        day_first, order_known = self._order_of_dates(currency)
        parse = date_parser(self.vocabulary, day_first, order_known)
        issue = choose(
            [
                *find_labelled(self.labelled, ["issue_date"], parse, 0.96),
                *dated_candidates(self.labelled, parse),
                *find_labelled(self.labelled, ["generic_date"], parse, 0.8),
            ]
        ) or self._only_date(parse)
        due_dates = find_labelled(self.labelled, ["due_date"], parse, 0.96)
        if issue:
            # What would be due before it was issued is another date (BR-CO-25 has none without a sense).
            due_dates = [found for found in due_dates if found.value >= issue.value]
        return (
            self.keep("issue_date", issue),
            self.keep("due_date", choose(due_dates)),
            self.keep("delivery.date", choose(find_labelled(self.labelled, ["delivery_date"], parse, 0.96))),
        )

    def _order_of_dates(self, currency: str | None) -> tuple[bool, bool]:
        """Whether the day comes first, and whether the document proves it."""
        numeric = [found for found in all_dates(self.labelled, self.vocabulary, day_first=True) if found.slashed]
        proofs = [found for found in numeric if found.other is None and found.value.day != found.value.month]
        if proofs:
            # Read with the day first, an American date could only be read the other way round.
            swapped = sum(found.swapped for found in proofs)
            return swapped < len(proofs) / 2, True
        languages = Counter(
            label.meaning.language for labels in self.labelled.labels for label in labels if label.kind != "dated"
        )
        language = languages.most_common(1)[0][0] if languages else "en"
        return self.vocabulary.day_first[language] and not (currency == "USD" and language == "en"), False

    def _only_date(self, parse: DateParser) -> Found[date] | None:
        """The date that stands without a label in the upper half of the first page, if there is only one: alone in
        its cell ("24. Januar 2014"), or after a place ("Berlin, 24. Januar 2014")."""
        found: list[Found[date]] = []
        for line in self.labelled.lines:
            if line.page != self.pages[0].number or line.box[1] > self.pages[0].height / 2:
                break
            for index, cell in enumerate(line.cells):
                value = parse(Place(cell.words, 1.0, line.number))
                named = any(label.cell == index for label in self.labelled.labels[line.number])
                if value and not named and cell.words[-1] is value.words[-1]:
                    before = cell.words[: -len(value.words)]
                    if len(before) <= 3 and all(
                        word.text[0].isupper() and not word.text.endswith(":") for word in before
                    ):
                        found.append(value)
        if len({value.value for value in found}) != 1:
            return None
        return replace(found[0], confidence=found[0].confidence * 0.6)

    def parties(self) -> tuple[Party, Party]:
        names = find_parties(self.labelled, self.pages, self.vocabulary)
        seller_vat, buyer_vat = self._vat_ids()
        seller_tax = choose(find_labelled(self.labelled, ["tax_number"], tax_number, 0.85))
        for field, name in (("seller.name", names.seller), ("buyer.name", names.buyer)):
            if name:
                self.keep(field, Found(name.value, name.words, name.confidence))
        return (
            Party(
                name=names.seller.value if names.seller else None,
                vat_id=self.keep("seller.vat_id", seller_vat),
                tax_id=self.keep("seller.tax_id", seller_tax),
            ),
            Party(name=names.buyer.value if names.buyer else None, vat_id=self.keep("buyer.vat_id", buyer_vat)),
        )

    def _vat_ids(self) -> tuple[Found[str] | None, Found[str] | None]:
        """The VAT ids of seller and buyer: by the label, by the heading they stand under, else the seller's."""
        sellers: list[Found[str]] = []
        buyers = find_labelled(self.labelled, ["buyer_vat_id"], vat_id)
        for label in self.labelled.all("vat_id"):
            section = section_of(self.labelled, label)
            for place in self.labelled.places(label):
                if found := vat_id(place):
                    found = replace(found, confidence=found.confidence * place.likelihood)
                    if section == "buyer":
                        buyers.append(found)
                    else:
                        # Footers have bank, management and tax data side by side under headings of their own.
                        sure = 0.8 if section == "other_party" else 1.0
                        sellers.append(replace(found, confidence=found.confidence * sure))
                    break
        known = {found.value for found in (*sellers, *buyers)}
        if not sellers:
            for line in self.labelled.lines:
                for word in line.words:
                    found_alone = vat_id(Place((word,), 1.0, line.number))
                    if found_alone and found_alone.value not in known and vat_id_is_valid(found_alone.value):
                        sellers.append(replace(found_alone, confidence=0.6))
        buyer = choose(buyers)
        return choose(found for found in sellers if not buyer or found.value != buyer.value), buyer

    def payments(self) -> tuple[Payment, ...]:
        """The accounts to pay to. An IBAN with wrong check digits is given as it stands, unsure and with a remark."""
        accounts: dict[str, PaymentAccount] = {}
        bic = choose(find_labelled(self.labelled, ["bic"], bic_code, 0.9))
        labelled_lines = {label.line for label in self.labelled.all("iban")}
        for line in self.labelled.lines:
            words = line.words
            for value, start, end, valid in find_ibans(" ".join(word.text for word in words)):
                if value in accounts or (not valid and not {line.number, line.number - 1} & labelled_lines):
                    continue
                field = f"payments[0].accounts[{len(accounts)}]"
                if not valid:
                    self.warnings.append(f"The check digits of the IBAN {value} are wrong.")
                self.keep(
                    f"{field}.account_id",
                    Found(value, words_between(words, start, end), 0.98 if valid else 0.4),
                )
                accounts[value] = PaymentAccount(value)
        if len(accounts) == 1 and bic:
            bank = self.keep("payments[0].accounts[0].bic", bic)
            accounts = {account: PaymentAccount(account, bic=bank) for account in accounts}
        return (Payment(accounts=tuple(accounts.values())),) if accounts else ()


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
