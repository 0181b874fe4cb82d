"""The query language of QuickBooks: the statement that a text says, or the error that the service gives for it.

No OR, no joins, no grouping, no choice of columns. What a statement finds is in `search`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NoReturn

from invoice_pipelines.workshop.sandbox.quickbooks.queries.properties import PROPERTIES
from invoice_pipelines.workshop.sandbox.quickbooks.wire.refusals import Refusal

_CLAUSES = ("SELECT", "COUNT", "FROM", "WHERE", "ORDERBY", "ORDER", "BY", "ASC", "DESC", "STARTPOSITION", "MAXRESULTS")
_KEYWORDS = frozenset([*_CLAUSES, "AND", "OR", "NOT", "IN", "LIKE", "TRUE", "FALSE"])
_TOKEN = re.compile(
    r"(?P<blank>\s+)|(?P<string>'(?:[^'\\]|\\.)*')|(?P<number>-?\d+(?:\.\d+)?)(?![\w.])|(?P<operator><=|>=|!=|=|<|>)"
    r"|(?P<sign>[(),*])|(?P<word>[A-Za-z_][\w.]*)",
    re.DOTALL,
)
_KINDS = {"string": "<STRING>", "number": "<NUMBER>", "word": "<IDENTIFIER>", "operator": "<OPERATOR>"}
MOST_ROWS = 1000
USUAL_ROWS = 100


@dataclass(frozen=True)
class Condition:
    """A property, how it compares, and with what: one value, or several for IN."""

    property: str
    operator: str
    values: tuple[str | bool, ...]


@dataclass
class Statement:
    """What is asked for."""

    entity: str
    count: bool = False
    conditions: list[Condition] = field(default_factory=list)
    order: list[tuple[str, bool]] = field(default_factory=list)
    """Property, and whether downwards."""
    start: int = 1
    most: int = USUAL_ROWS


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    column: int
    line: int

    @property
    def word(self) -> str:
        return self.text.upper() if self.kind == "word" else ""


def parser_error(detail: str) -> Refusal:
    """A text that is no statement."""
    return Refusal("4000", "Error parsing query", f"QueryParserError: {detail}")


def validation_error(detail: str, code: str = "4001") -> Refusal:
    """A statement that cannot be answered."""
    return Refusal(code, "Invalid query", f"QueryValidationError: {detail}")


def parse(text: str, *, zero_starts: bool = False, capped: bool = False) -> Statement:
    """The statement of a text; raises Refusal 4000 or 4001. The switches are those of `Switches`."""
    statement = _Parser(_tokens(text)).statement()
    _validate(statement)
    if statement.start < 1 and not (zero_starts and statement.start == 0):
        raise validation_error(f"value {statement.start} is too small. Min allowed value is 1.")
    statement.start = max(statement.start, 1)
    if statement.most < 0:
        raise validation_error(f"value {statement.most} is too small. Min allowed value is 0.")
    if statement.most > MOST_ROWS:
        if not capped:
            raise validation_error(f"value {statement.most} is too large. Max allowed value is {MOST_ROWS}.")
        statement.most = MOST_ROWS
    return statement


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    while at < len(text):
        line = text.count("\n", 0, at) + 1
        column = at - text.rfind("\n", 0, at)
        match = _TOKEN.match(text, at)
        if match is None:
            tokens.append(_Token("bad", text[at], column, line))  # matters only if one reads on until there
            return tokens
        if match.lastgroup != "blank":
            tokens.append(_Token(str(match.lastgroup), match.group(), column, line))
        at = match.end()
    line = text.count("\n") + 1
    tokens.append(_Token("end", "", len(text) - text.rfind("\n"), line))
    return tokens


class _Parser:
    """Reads tokens from left to right."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def statement(self) -> Statement:
        self._expect_word("SELECT")
        count = self._columns()
        self._expect_word("FROM")
        statement = Statement(self._take("word").text, count)
        if self._accept("WHERE"):
            statement.conditions.append(self._condition())
            while self._accept("AND"):
                statement.conditions.append(self._condition())
        if self._accept("ORDERBY") or (self._next.word == "ORDER" and self._order_by()):
            statement.order.append(self._order())
            while self._accept_sign(","):
                statement.order.append(self._order())
        while self._next.kind != "end":
            if self._accept("STARTPOSITION"):
                statement.start = self._whole_number()
            elif self._accept("MAXRESULTS"):
                statement.most = self._whole_number()
            else:
                self._fail()
        return statement

    def _columns(self) -> bool:
        """Whether it is a count; otherwise everything, beside which properties may be named."""
        if self._accept("COUNT"):
            for sign in "(*)":
                if not self._accept_sign(sign):
                    self._fail()
            return True
        if not self._accept_sign("*"):
            self._fail()
        while self._accept_sign(","):
            self._take("word")
        return False

    def _order_by(self) -> bool:
        self._at += 1
        self._expect_word("BY")
        return True

    def _order(self) -> tuple[str, bool]:
        name = self._property()
        if self._accept("DESC"):
            return name, True
        self._accept("ASC")
        return name, False

    def _condition(self) -> Condition:
        name = self._property()
        if self._accept("IN"):
            if not self._accept_sign("("):
                self._fail()
            values = [self._value()]
            while self._accept_sign(","):
                values.append(self._value())
            if not self._accept_sign(")"):
                self._fail()
            return Condition(name, "IN", tuple(values))
        if self._accept("LIKE"):
            return Condition(name, "LIKE", (self._value(),))
        if self._next.kind != "operator" or self._next.text == "!=":
            self._fail()
        return Condition(name, self._take("operator").text, (self._value(),))

    def _property(self) -> str:
        if self._next.word in _KEYWORDS:
            self._fail()
        return self._take("word").text

    def _value(self) -> str | bool:
        token = self._next
        if token.word in ("TRUE", "FALSE"):
            self._at += 1
            return token.word == "TRUE"
        if token.kind == "number":
            self._at += 1
            return token.text
        text = self._take("string").text[1:-1]
        return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)

    def _whole_number(self) -> int:
        token = self._take("number")
        if "." in token.text:
            self._fail(token)
        return int(token.text)

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self, kind: str) -> _Token:
        token = self._next
        if token.kind != kind:
            self._fail()
        self._at += 1
        return token

    def _accept(self, word: str) -> bool:
        if self._next.word == word:
            self._at += 1
            return True
        return False

    def _accept_sign(self, sign: str) -> bool:
        if self._next.kind == "sign" and self._next.text == sign:
            self._at += 1
            return True
        return False

    def _expect_word(self, word: str) -> None:
        if not self._accept(word):
            self._fail()

    def _fail(self, token: _Token | None = None) -> NoReturn:
        token = token or self._next
        if token.kind == "bad":
            met = "<EOF>" if token.text == "'" else f'"{token.text}" ({ord(token.text)})'
            place = f"line {token.line}, column {token.column}"
            raise parser_error(f'Lexical error at {place}.  Encountered: {met} after : ""')
        if token.kind == "end":
            met = '"<EOF>"'
        elif token.word in _KEYWORDS or token.kind == "sign":
            met = f'" "{token.text}" "{token.text} ""'
        else:
            met = f'" {_KINDS[token.kind]} "{token.text} ""'
        raise parser_error(f"Encountered {met} at line {token.line}, column {token.column}.")


def _validate(statement: Statement) -> None:
    known = PROPERTIES.get(statement.entity)
    if known is None:
        raise validation_error(f"Entity {statement.entity} not found.")
    for name in [condition.property for condition in statement.conditions] + [name for name, _ in statement.order]:
        if name not in known:
            raise validation_error(f"Property {name} not found for Entity {statement.entity}")
