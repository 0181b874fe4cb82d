"""How the VAT categories differ from each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

from invoice_pipelines.einvoice.rules.engine.declaration import Find
from invoice_pipelines.einvoice.rules.engine.values import Stopped
from invoice_pipelines.einvoice.rules.engine.walk import Node, View


class Rate(Enum):
    """What rate a category has."""

    ZERO = auto()
    POSITIVE = auto()
    ANY = auto()
    NONE = auto()


class Parties(Enum):
    """Who must have which number where a category occurs."""

    SELLER = auto()
    """The seller, or its representative, a VAT identifier or (the seller) a tax number."""
    SELLER_AND_BUYER = auto()
    """As before, and the buyer a VAT identifier or a legal registration."""
    SELLER_VAT = auto()
    """The seller, or its representative, a VAT identifier."""
    BOTH_VAT = auto()
    """As before, and the buyer one as well."""
    NO_VAT = auto()
    """None of them has a VAT identifier."""


Has = Callable[[View], bool]


def identified(
    seller_number: Has, seller_vat: Has, representative: Has, buyer_vat: Has, buyer: Has
) -> dict[Parties, Has]:
    """Whether those have a number who must have one: by whether the seller has any tax number or a VAT identifier, its
    representative and the buyer a VAT identifier, and the buyer a registration."""
    return {
        Parties.SELLER: lambda view: seller_number(view) or representative(view),
        Parties.SELLER_AND_BUYER: lambda view: (
            (seller_number(view) or representative(view)) and (buyer_vat(view) or buyer(view))
        ),
        Parties.SELLER_VAT: lambda view: seller_vat(view) or representative(view),
        Parties.BOTH_VAT: lambda view: (seller_vat(view) or representative(view)) and buyer_vat(view),
        Parties.NO_VAT: lambda view: not (seller_vat(view) or representative(view) or buyer_vat(view)),
    }


@dataclass(frozen=True, slots=True)
class Family:
    """A category (UNTDID 5305), the prefix of its rules, and what these ask for."""

    prefix: str
    code: str
    rate: Rate
    parties: Parties
    name: tuple[str, str]
    """In English and in German."""
    reason: bool
    """Whether the breakdown says why no VAT is charged; else it must not."""

    @property
    def by_rate(self) -> bool:
        """Whether the breakdown has an entry for each rate."""
        return self.rate in (Rate.POSITIVE, Rate.ANY)


FAMILIES = (
    Family("S", "S", Rate.POSITIVE, Parties.SELLER, ("standard rate", "Regelsteuersatz"), reason=False),
    Family("Z", "Z", Rate.ZERO, Parties.SELLER, ("zero rate", "Nullsatz"), reason=False),
    Family("E", "E", Rate.ZERO, Parties.SELLER, ("exempt", "steuerbefreit"), reason=True),
    Family(
        "AE",
        "AE",
        Rate.ZERO,
        Parties.SELLER_AND_BUYER,
        ("reverse charge", "Umkehrung der Steuerschuldnerschaft"),
        reason=True,
    ),
    Family(
        "IC",
        "K",
        Rate.ZERO,
        Parties.BOTH_VAT,
        ("supply within the EU", "innergemeinschaftliche Lieferung"),
        reason=True,
    ),
    Family("G", "G", Rate.ZERO, Parties.SELLER_VAT, ("export", "Ausfuhr"), reason=True),
    Family("O", "O", Rate.NONE, Parties.NO_VAT, ("outside the scope of VAT", "nicht steuerbar"), reason=True),
    Family("AF", "L", Rate.ANY, Parties.SELLER, ("IGIC, Canary Islands", "IGIC, Kanarische Inseln"), reason=False),
    Family("AG", "M", Rate.ANY, Parties.SELLER, ("IPSI, Ceuta and Melilla", "IPSI, Ceuta und Melilla"), reason=False),
)


@dataclass(slots=True)
class Elements:
    """The VAT categories of lines, allowances, charges and of the breakdown, by code."""

    lines: dict[str, list[Node]] = field(default_factory=lambda: defaultdict(list))
    allowances: dict[str, list[Node]] = field(default_factory=lambda: defaultdict(list))
    charges: dict[str, list[Node]] = field(default_factory=lambda: defaultdict(list))
    entries: dict[str, list[Node]] = field(default_factory=lambda: defaultdict(list))


def elements(asked_of: Callable[[View], Elements], family: Family) -> tuple[Find, Find, Find]:
    """Of which lines, allowances and charges the rules of a category are asked."""
    return (
        lambda view: view.once(asked_of).lines.get(family.code, ()),
        lambda view: view.once(asked_of).allowances.get(family.code, ()),
        lambda view: view.once(asked_of).charges.get(family.code, ()),
    )


def is_so(kind: Callable[[Node], bool], node: Node) -> bool:
    """Whether an element is of a kind; one of which that cannot be said is not."""
    try:
        return kind(node)
    except Stopped:
        return False
