"""In which country a document was made, and in which currency it is where it names none.

A receipt seldom says its currency, since who gets it knows. A wrong one is worse than none: two signs that have nothing
to do with each other must say the same, and none anything else.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date

from invoice_pipelines.intake.countries import countries
from invoice_pipelines.intake.documents.text_layer.origin.signs import (
    Kind,
    Sign,
    known,
    signs_of_money,
)
from invoice_pipelines.intake.documents.text_layer.page.labels import LabelledLines

_FEWEST_SIGNS = 2
_AS = {Kind.AREA: Kind.PHONE}  # these may be the same number
_TELLING = 2  # so many currencies may be meant by a law that bears another sign out


def origin(signs: Sequence[Sign]) -> str | None:
    """The country (ISO 3166-1) that all signs of one name; None where there are none, or several, or nothing but the
    area code of a telephone number."""
    if {sign.kind for sign in signs} <= {Kind.AREA, Kind.LAW}:
        return None
    named = {code for sign in signs if len(sign.countries) == 1 for code in sign.countries} & set(countries())
    return named.pop() if len(named) == 1 else None


def usual_currency(
    labelled: LabelledLines, signs: Sequence[Sign], home: str | None, issued: date | None
) -> tuple[str | None, bool]:
    """The currency of a document that names none, but perhaps a sign of several ("$", "kr"), and whether it is proved;
    None where nothing says which, or where signs contradict each other.

    It is proved by two signs of different kinds; also by language and rates of VAT that only one currency has, where
    that is the currency of `home`.
    """
    of_signs = [(_AS.get(sign.kind, sign.kind), _currencies(sign.countries, issued)) for sign in signs]
    of_money = [_currencies(having, issued) for having in signs_of_money(labelled)]
    told = {kind for kind, currencies in of_signs if len(currencies) == 1}
    all_sets = [*(currencies for _, currencies in of_signs), *of_money]
    common = frozenset.intersection(*all_sets) if all_sets else frozenset()
    if len(common) != 1 or not told:
        return None, False
    (value,) = common
    borne_out = {kind for kind, found in of_signs if len(found) <= _TELLING or kind is Kind.TILL}
    at_home = Kind.LAW in told and home is not None and home in known() and _currencies({home}, issued) == common
    return value, len(borne_out) + at_home >= _FEWEST_SIGNS


def _currencies(codes: Collection[str], issued: date | None) -> frozenset[str]:
    """The currencies that these countries have on a day; both where one changed its own and the day is not known."""
    found = set()
    for code in codes:
        shown = known()[code]
        if shown.since is None or issued is None or issued >= shown.since:
            found.add(shown.currency)
        if shown.since and shown.former and (issued is None or issued < shown.since):
            found.add(shown.former)
    return frozenset(found)
