"""How a setting is typed, read and shown, by what its value is. The values themselves are judged by the domain."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from invoice_pipelines.web.pages.errors import N_
from invoice_pipelines.web.pages.languages import Language

Choices = Callable[[Language], Sequence[tuple[str, str]]]
"""Pairs of what is stored and the words for it, in a language."""
_WHOLE = re.compile(r"[0-9]{1,9}")
_LARGE = 200


class WrongValue(Exception):
    """What was typed is no such value."""


@dataclass(frozen=True)
class Kind:
    """A text. `control` is what it is typed into; `most` is its length, or its largest value."""

    can_be_empty: bool = True
    least: int | None = None
    most: int | None = None
    choices: Choices | None = None
    control: str = "text"
    must: str = N_("This cannot be used here.")

    def read(self, typed: Sequence[str]) -> Any:
        """The value of what was typed; None: nothing, which stands for the default. Raises WrongValue."""
        written = typed[0].strip() if typed else ""
        if self.most is not None and len(written) > self.most:
            raise WrongValue
        return written or None

    def written(self, value: Any, language: Language) -> list[str]:
        """The value as it would be typed."""
        return [] if value is None else [str(value)]

    def shown(self, value: Any, language: Language) -> str:
        """The value for who only looks."""
        return "–" if value in (None, "") else str(value)

    def said(self, language: Language) -> str:
        """What a value must be, for who typed another one."""
        text = language.gettext(self.must)
        return text % {"least": self.least, "most": self.most} if "%(" in text else text


@dataclass(frozen=True)
class Whole(Kind):
    """A whole number from `least` to `most`."""

    control: str = "number"
    must: str = N_("Write a whole number from %(least)s to %(most)s.")

    def read(self, typed: Sequence[str]) -> int | None:
        """As of Kind."""
        written = typed[0].strip() if typed else ""
        if not written:
            return None
        if not (_WHOLE.fullmatch(written) and (self.least or 0) <= int(written) <= (self.most or 10**9)):
            raise WrongValue
        return int(written)


@dataclass(frozen=True)
class Share(Kind):
    """A share of 1, as a percentage."""

    control: str = "number"
    must: str = N_("Write a percentage from 0 to 100, such as 95 or 97.5.")

    def read(self, typed: Sequence[str]) -> float | None:
        """As of Kind."""
        written = (typed[0] if typed else "").replace("%", "").replace(",", ".").strip()
        if not written:
            return None
        try:
            share = Decimal(written) / 100
        except InvalidOperation:
            raise WrongValue from None
        if not (share.is_finite() and 0 <= share <= 1):
            raise WrongValue
        return float(share)

    def written(self, value: Any, language: Language) -> list[str]:
        """As of Kind."""
        return [] if value is None else [language.number(Decimal(str(value)) * 100)]

    def shown(self, value: Any, language: Language) -> str:
        """As of Kind."""
        return language.percent(value)


@dataclass(frozen=True)
class Numbers(Kind):
    """Whole numbers that rise, with commas between them."""

    control: str = "number"
    must: str = N_("Write whole numbers that rise, from %(least)s to %(most)s, such as 1, 14, 30.")

    def read(self, typed: Sequence[str]) -> list[int] | None:
        """As of Kind."""
        parts = [part for part in re.split(r"[,;\s]+", typed[0] if typed else "") if part]
        if not all(_WHOLE.fullmatch(part) for part in parts):
            raise WrongValue
        return [int(part) for part in parts] or None

    def written(self, value: Any, language: Language) -> list[str]:
        """As of Kind."""
        return [", ".join(map(str, value))]

    def shown(self, value: Any, language: Language) -> str:
        """As of Kind."""
        return "–" if value is None else ", ".join(map(str, value))


@dataclass(frozen=True)
class Codes(Kind):
    """Codes of digits, with commas between them."""

    must: str = N_("Write numbers of up to three digits, such as 386, 877.")

    def read(self, typed: Sequence[str]) -> list[str] | None:
        """As of Kind."""
        return [part for part in re.split(r"[,;\s]+", typed[0] if typed else "") if part] or None

    def written(self, value: Any, language: Language) -> list[str]:
        """As of Kind."""
        return [", ".join(value)]

    def shown(self, value: Any, language: Language) -> str:
        """As of Kind."""
        return ", ".join(value or ()) or "–"


@dataclass(frozen=True)
class YesNo(Kind):
    """Yes or no."""

    control: str = "check"

    def read(self, typed: Sequence[str]) -> bool:
        """As of Kind."""
        return bool(typed)

    def written(self, value: Any, language: Language) -> list[str]:
        """As of Kind."""
        return ["yes"] if value else []

    def shown(self, value: Any, language: Language) -> str:
        """As of Kind."""
        return language.gettext("Yes") if value else language.gettext("No")


@dataclass(frozen=True)
class OneOf(Kind):
    """One of some choices."""

    control: str = "select"
    must: str = N_("Choose one of the list.")

    def shown(self, value: Any, language: Language) -> str:
        """As of Kind."""
        assert self.choices is not None
        stored = "" if value is None else str(value)
        return dict(self.choices(language)).get(stored, stored or "–")


@dataclass(frozen=True)
class SomeOf(Kind):
    """Any of some choices. Where it `can_be_empty`, none stands for the default."""

    control: str = "checks"
    must: str = N_("Choose from the list.")

    def read(self, typed: Sequence[str]) -> list[str] | None:
        """As of Kind."""
        return list(typed) or (None if self.can_be_empty else [])

    def written(self, value: Any, language: Language) -> list[str]:
        """As of Kind."""
        return list(value or ())

    def shown(self, value: Any, language: Language) -> str:
        """As of Kind."""
        assert self.choices is not None
        words = dict(self.choices(language))
        return ", ".join(words.get(each, each) for each in value or ()) or "–"


def kind_of(schema: dict[str, Any], choices: Choices | None = None) -> Kind:
    """How a value is typed that a JSON schema describes; `choices` where there are some."""
    options = [option for option in schema.get("anyOf", [schema]) if option.get("type") != "null"]
    can_be_empty = "anyOf" in schema
    (plain,) = options
    match plain["type"]:
        case "boolean":
            return YesNo()
        case "integer" if choices is None:
            return Whole(least=plain.get("minimum"), most=plain.get("maximum"))
        case "number":
            return Share()
        case "array" if choices is None and plain["items"].get("type") == "string":
            return Codes()
        case "array" if choices is None:
            return Numbers(least=plain["items"].get("minimum"), most=plain["items"].get("maximum"))
        case "array":
            return SomeOf(choices=choices, can_be_empty=can_be_empty)
    if choices is not None:
        return OneOf(choices=choices, can_be_empty=can_be_empty)
    if "#" in plain.get("pattern", ""):
        return Kind(control="color", must=N_("Choose a colour."))
    if ":" in plain.get("pattern", ""):
        return Kind(most=5, must=N_("Write a time of day, such as 21:00."))
    longest = plain.get("maxLength")
    is_large = longest is not None and longest > _LARGE
    return Kind(
        most=longest,
        control="textarea" if is_large else "text",
        must=N_("Write at most %(most)s characters.") if longest else N_("This cannot be used here."),
    )
