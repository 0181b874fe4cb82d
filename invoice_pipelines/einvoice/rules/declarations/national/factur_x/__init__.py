"""Factur-X MINIMUM, BASIC WL and EXTENDED: the rules of EN 16931 that each profile keeps, and those it has of its own.

A profile below EN 16931 has no lines, so it leaves out what is asked of them. EXTENDED is above it: it has lines of
lines, charges for logistics and reasons of exemption for each line, so its sums are taken otherwise (BR-FXEXT-*), and
each may deviate by a cent for each amount that is summed. A profile takes an element for stated where it has any
character in it, even a blank.
"""

from __future__ import annotations

from invoice_pipelines.einvoice.rules.declarations import decimals, required, sums, vat
from invoice_pipelines.einvoice.rules.declarations.national.factur_x.basic_wl import ONLY_BASIC_WL, of_any_type
from invoice_pipelines.einvoice.rules.declarations.national.factur_x.categories import FAMILIES, sums_of_category
from invoice_pipelines.einvoice.rules.declarations.national.factur_x.extended import ONLY_EXTENDED
from invoice_pipelines.einvoice.rules.declarations.national.factur_x.header import ALL_PROFILES, FROM_BASIC_WL
from invoice_pipelines.einvoice.rules.declarations.national.factur_x.lines import STATED
from invoice_pipelines.einvoice.rules.declarations.national.factur_x.syntax import (
    SYNTAX,
    SYNTAX_FROM_BASIC_WL,
    SYNTAX_OF_EXTENDED,
)
from invoice_pipelines.einvoice.rules.engine.declaration import Declaration

# The rules of EN 16931 that a profile of Factur-X takes over as they are, without the BR- of their ids.
_TAKEN_OVER = {
    "MINIMUM": (
        "13 14 15 CO-09 CO-26 DEC-12 DEC-13 DEC-14 DEC-18 E-02 E-03 E-04 E-05 E-06 E-07 E-10 G-02 G-03 G-04 G-05 "
        "G-06 G-07 G-08 G-09 G-10 IC-02 IC-03 IC-04 IC-05 IC-06 IC-07 IC-08 IC-09 IC-10 IC-11 IC-12 O-03 O-04 O-06 "
        "O-08 O-09 O-10 O-11 O-12 O-13 O-14 "
    ),
    "BASIC_WL": (
        "12 13 14 15 17 18 19 20 29 31 32 33 36 37 38 49 50 53 61 62 63 AE-03 AE-04 AE-06 AE-07 AE-09 "
        "AE-10 AF-03 AF-04 AF-06 AF-07 AF-09 AF-10 AG-03 AG-04 AG-06 AG-07 AG-09 AG-10 CO-09 CO-11 CO-13 "
        "CO-14 CO-16 CO-19 CO-21 CO-22 CO-26 DEC-01 DEC-02 DEC-05 DEC-06 DEC-09 DEC-10 DEC-11 DEC-12 DEC-13 "
        "DEC-14 DEC-15 DEC-16 DEC-17 DEC-18 DEC-19 DEC-20 E-03 E-04 E-06 E-07 E-09 E-10 G-03 G-04 G-06 G-07 G-09 "
        "G-10 IC-03 IC-04 IC-06 IC-07 IC-09 IC-10 IC-11 IC-12 O-03 O-04 O-06 O-07 O-09 O-10 O-11 O-13 O-14 S-03 "
        "S-04 S-06 S-07 S-09 S-10 Z-03 Z-04 Z-06 Z-07 Z-09 Z-10 "
    ),
    "EXTENDED": (
        "12 13 14 15 16 17 18 19 20 29 30 31 32 33 36 37 41 42 43 49 50 51 53 61 62 63 "
        "AE-02 AE-03 AE-04 AE-05 AE-06 AE-07 AE-09 AE-10 AF-02 AF-03 AF-04 AF-05 AF-06 AF-07 AF-09 AG-02 AG-03 "
        "AG-04 AG-05 AG-06 AG-07 AG-09 CO-09 CO-14 CO-19 CO-20 CO-21 CO-23 CO-26 DEC-01 DEC-02 DEC-05 DEC-06 "
        "DEC-09 DEC-10 DEC-11 DEC-12 DEC-13 DEC-14 DEC-15 DEC-16 DEC-17 DEC-18 DEC-19 DEC-20 DEC-23 DEC-24 DEC-25 "
        "DEC-27 DEC-28 E-02 E-03 E-04 E-05 E-06 E-07 E-09 E-10 G-02 G-03 G-04 G-05 G-06 G-07 G-09 G-10 IC-02 IC-03 "
        "IC-04 IC-05 IC-06 IC-07 IC-09 IC-10 IC-11 IC-12 O-05 O-06 O-07 O-09 O-10 S-02 S-03 S-04 S-05 S-06 S-07 "
        "Z-02 Z-03 Z-04 Z-05 Z-06 Z-07 Z-09 "
    ),
}


def _profile(name: str, *own: Declaration) -> tuple[Declaration, ...]:
    taken_over = {f"BR-{number}" for number in _TAKEN_OVER[name].split()}
    core = (*required.RULES, *sums.RULES, *decimals.RULES, *vat.RULES)
    return (*own, *(rule for rule in core if rule.id in taken_over))


MINIMUM: tuple[Declaration, ...] = _profile(
    "MINIMUM",
    *ALL_PROFILES,
    *SYNTAX,
    *(rule for family in ("G", "IC", "O", "Z") for rule in sums_of_category(family, FAMILIES[family])),
)
BASIC_WL: tuple[Declaration, ...] = tuple(
    of_any_type(rule)
    for rule in _profile("BASIC_WL", *ALL_PROFILES, *FROM_BASIC_WL, *ONLY_BASIC_WL, *SYNTAX, *SYNTAX_FROM_BASIC_WL)
)
EXTENDED: tuple[Declaration, ...] = _profile(
    "EXTENDED",
    *ALL_PROFILES,
    *FROM_BASIC_WL,
    *STATED,
    *ONLY_EXTENDED,
    *SYNTAX,
    *SYNTAX_FROM_BASIC_WL,
    *SYNTAX_OF_EXTENDED,
)
