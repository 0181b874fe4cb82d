"""Writes elements one after the other as text, and opens and closes those around them as their paths say.

Text takes a tenth of the time that a tree takes. What makes it safe is that no value gets in but through `escaped`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import takewhile

from invoice_pipelines.einvoice.model import Identifier, Invoice
from invoice_pipelines.einvoice.writing.xml_text import compact_date, escaped

_ATTRIBUTE = re.compile(r"\[@(\w+)='([^']*)'\]")


@dataclass(frozen=True, slots=True)
class Style:
    """What a syntax writes beside its terms.

    `inside` gives for a step of a path what stands in its element before and after the terms; `names` how an element is
    called that a path does not name. `days` gives the element within that of a date, by the name of the latter.
    """

    inside: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    days: Mapping[str, str] | None = None
    indicator: str | None = None
    amounts_have_currency: bool = False
    _steps: dict[str, tuple[tuple[str, ...], str, str]] = field(default_factory=dict)
    _moves: dict[tuple[tuple[str, ...], tuple[str, ...]], str] = field(default_factory=dict)

    def step(self, path: str) -> tuple[tuple[str, ...], str, str]:
        """The steps around the last one, its name and the attributes that its path asks for."""
        found = self._steps.get(path)
        if found is None:
            *around, last = path.split("/")
            attributes = "".join(f' {name}="{value}"' for name, value in _ATTRIBUTE.findall(last))
            found = self._steps[path] = (tuple(around), self.name(last), attributes)
        return found

    def name(self, step: str) -> str:
        return self.names.get(step) or step.partition("[")[0]

    def move(self, now: tuple[str, ...], then: tuple[str, ...]) -> str:
        """The tags that close and open elements until others are open."""
        found = self._moves.get((now, then))
        if found is None:
            common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(now, then, strict=False)))
            closed = [f"{self._inside(step)[1]}</{self.name(step)}>" for step in reversed(now[common:])]
            opened = [f"\n<{self.name(step)}>{self._inside(step)[0]}" for step in then[common:]]
            found = self._moves[now, then] = "".join(closed + opened)
        return found

    def _inside(self, step: str) -> tuple[str, str]:
        return self.inside.get(step, ("", ""))


class ElementWriter:
    """The elements of one invoice so far."""

    __slots__ = ("_open", "_parts", "_prefix", "_saved", "_style", "currency", "invoice")

    def __init__(self, style: Style, invoice: Invoice) -> None:
        self.invoice = invoice
        self.currency = f' currencyID="{escaped(invoice.currency or "")}"' if style.amounts_have_currency else ""
        """The attribute of amounts."""
        self._style = style
        self._parts: list[str] = []
        self._open: tuple[str, ...] = ()  # steps below the element that `begin` opened last
        self._prefix: tuple[str, ...] = ()
        self._saved: list[tuple[tuple[str, ...], tuple[str, ...], str]] = []

    def written(self) -> str:
        """All of it, with every element closed."""
        self._go(())
        return "".join(self._parts)

    def leaf(self, path: str, text: str, attributes: str = "") -> None:
        """An element with a text that is escaped already."""
        around, name, fixed = self._style.step(path)
        self._go(self._prefix + around)
        self._parts.append(f"<{name}{fixed}{attributes}>{text}</{name}>")

    def text(self, path: str, text: str, attributes: str = "", *, end: str = "") -> None:
        """An element with a text; none where there is nothing to say (PEPPOL-EN16931-R008)."""
        if written := escaped(text):
            self.leaf(path, written + end, attributes)

    def identifier(self, path: str, identifier: Identifier, scheme: str = "schemeID") -> None:
        """An element with an identifier, and its scheme as an attribute."""
        self.text(path, identifier.value, f' {scheme}="{escaped(identifier.scheme)}"' if identifier.scheme else "")

    def day(self, path: str, day: date) -> None:
        """An element with a date."""
        days = self._style.days
        if days is None:
            return self.leaf(path, day.isoformat())
        within = days.get(path.rpartition("/")[2], "udt:DateTimeString")
        return self.leaf(path, f'<{within} format="102">{compact_date(day)}</{within}>')

    def indicator(self, path: str, value: bool) -> None:
        """An element with a truth value."""
        within = self._style.indicator
        text = "true" if value else "false"
        self.leaf(path, f"<{within}>{text}</{within}>" if within else text)

    def begin(self, path: str, *, apart: bool = False) -> None:
        """Open an element of its own, for what is written until `end`; `apart`: those around it, too."""
        around, name, _ = self._style.step(path)
        if apart:
            self._go(self._prefix)
        self._go(self._prefix + around)
        self._saved.append((self._open, self._prefix, name))
        self._parts.append(f"\n<{name}>")
        self._open = self._prefix = ()

    def end(self) -> None:
        """Close what `begin` opened."""
        self._go(())
        self._open, self._prefix, name = self._saved.pop()
        self._parts.append(f"</{name}>")

    def enter(self, path: str) -> None:
        """Take paths as below this one until `leave`. What stands there already is continued."""
        self._saved.append((self._open, self._prefix, ""))
        self._prefix += tuple(path.split("/"))

    def leave(self) -> None:
        """Take paths as before `enter`."""
        self._prefix = self._saved.pop()[1]

    def _go(self, steps: tuple[str, ...]) -> None:
        if steps != self._open:
            self._parts.append(self._style.move(self._open, steps))
            self._open = steps
