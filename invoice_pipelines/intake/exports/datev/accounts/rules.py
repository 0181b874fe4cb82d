"""The account rules of an organization: which expense account a part of an invoice goes to.

A rule names conditions and an account. Of the rules that fit, the one with the lowest priority number holds, and among
equal ones the first of the file. Nothing is booked that no rule fits. Rules are imported as a whole and kept for good.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from sqlalchemy import Connection, text

from invoice_pipelines.einvoice.model import Party
from invoice_pipelines.intake.exports.datev.accounts.charts import Chart
from invoice_pipelines.intake.exports.datev.characters import is_cp1252
from invoice_pipelines.intake.exports.formats import lock_exports

COLUMNS = {
    "priority": "whole number, the lowest wins; 100 where empty",
    "seller": "VAT id, tax number or name; * stands for any characters; without case and blanks",
    "line_text": "what the name or description of a line contains; without case",
    "category": "VAT category (BT-118), such as S, AE, K, E",
    "rate": "VAT rate in percent (BT-119)",
    "region": "where the seller is taxed: DE, EU (other member states) or OTHER",
    "account": "expense account",
    "tax_key": "BU-Schlüssel, `none` for none; by the chart where empty",
    "cost_center": "KOST1",
}
"""Columns of a file of rules, and what they hold. All conditions of a row must fit; an empty one fits everything."""

REGIONS = ("DE", "EU", "OTHER")
NO_KEY = "none"
_COST_CENTER = re.compile(r"[\w ]{1,36}")
_DEFAULT_PRIORITY = 100


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `tax_key` is None where the chart says it, and empty for none."""

    position: int
    priority: int
    seller: str | None
    line_text: str | None
    category: str | None
    rate: Decimal | None
    region: str | None
    account: str
    tax_key: str | None
    cost_center: str | None


@dataclass(frozen=True, slots=True)
class RuleProblem:
    """What is wrong with a rule: its place in what was given, from 1, the column and the reason."""

    row: int
    field: str
    message: str


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The rules that hold, in the order in which they are tried. `number` is 0 where none were ever imported."""

    number: int
    rules: tuple[Rule, ...]

    @property
    def ask_for_line_texts(self) -> bool:
        """Whether lines of one rate may go to different accounts."""
        return any(rule.line_text is not None for rule in self.rules)

    def for_seller(self, seller: Party, region: str | None) -> RuleSet:
        """The rules that can fit an invoice of a seller."""
        names = [name for name in (seller.vat_id, seller.tax_id, seller.name) if name]
        return RuleSet(
            self.number,
            tuple(
                rule
                for rule in self.rules
                if (rule.seller is None or any(_like(name, rule.seller) for name in names))
                and (rule.region is None or rule.region == region)
            ),
        )

    def first(self, category: str | None, rate: Decimal | None, line_text: str | None) -> Rule | None:
        """The rule that holds for a line (or, without a text, for a whole rate); None where none fits."""
        for rule in self.rules:
            if rule.category is not None and rule.category != category:
                continue
            if rule.rate is not None and rule.rate != (rate or Decimal(0)):
                continue
            if rule.line_text is not None and rule.line_text.casefold() not in (line_text or "").casefold():
                continue
            return rule
        return None


def load_rules(connection: Connection) -> RuleSet:
    """The rules that hold for the organization in scope."""
    number = connection.execute(text("select coalesce(max(number), 0) from intake.datev_rule_set")).scalar_one()
    rows = connection.execute(
        text(
            """select position, priority, seller, line_text, category, rate, region, account, tax_key, cost_center
               from intake.datev_rule where rule_set = :number order by priority, position"""
        ),
        {"number": number},
    )
    return RuleSet(number, tuple(Rule(*row) for row in rows))


def check_rules(rows: Sequence[Mapping[str, str]], chart: Chart) -> tuple[list[Rule], list[RuleProblem]]:
    """Rows of texts, by the names of COLUMNS, as rules; and what is wrong with those that are none."""
    rules: list[Rule] = []
    found: list[RuleProblem] = []
    for position, row in enumerate(rows, start=1):
        problems = list(_problems(row, chart))
        found += [RuleProblem(position, field, message) for field, message in problems]
        if not problems:
            rules.append(_rule(position, row))
    return rules, found


def replace_rules(connection: Connection, rules: Sequence[Rule], created_by: str) -> int:
    """Stores rules as the ones that hold from now on, instead of all earlier ones; returns the number of the set."""
    lock_exports(connection)
    number: int = connection.execute(
        text(
            """insert into intake.datev_rule_set (organization_id, number, created_by)
               select organizations.current(), coalesce(max(number), 0) + 1, :created_by
               from intake.datev_rule_set
               returning number"""
        ),
        {"created_by": created_by},
    ).scalar_one()
    if rules:
        connection.execute(
            text(
                """insert into intake.datev_rule (organization_id, rule_set, position, priority, seller, line_text,
                                                  category, rate, region, account, tax_key, cost_center)
                   values (organizations.current(), :rule_set, :position, :priority, :seller,
                           :line_text, :category, :rate, :region, :account, :tax_key, :cost_center)"""
            ),
            [
                {
                    "rule_set": number,
                    **{field: getattr(rule, field) for field in ("position", *COLUMNS)},
                }
                for rule in rules
            ],
        )
    return number


def _rule(position: int, row: Mapping[str, str]) -> Rule:
    key = row.get("tax_key")
    return Rule(
        position=position,
        priority=int(row.get("priority", _DEFAULT_PRIORITY)),
        seller=row.get("seller"),
        line_text=row.get("line_text"),
        category=row.get("category"),
        rate=Decimal(row["rate"].replace(",", ".")) if "rate" in row else None,
        region=row.get("region"),
        account=row["account"],
        tax_key="" if key == NO_KEY else key,
        cost_center=row.get("cost_center"),
    )


def _problems(row: Mapping[str, str], chart: Chart) -> list[tuple[str, str]]:
    found = []
    account, key = row.get("account", ""), row.get("tax_key")
    if not (account.isascii() and account.isdigit() and len(account) == chart.account_length and account.strip("0")):
        found.append(("account", f"{account!r} is not an account of {chart.account_length} digits"))
    if not re.fullmatch(r"-?[0-9]{1,6}", row.get("priority", "0")):
        found.append(("priority", f"{row['priority']!r} is not a whole number"))
    if "rate" in row and not _is_rate(row["rate"]):
        found.append(("rate", f"{row['rate']!r} is not a percentage from 0 to 100"))
    if not re.fullmatch(r"[A-Z]{1,3}", row.get("category", "S")):
        found.append(("category", f"{row['category']!r} is not a VAT category such as S, AE, K, E, Z, O, G"))
    if row.get("region", "DE") not in REGIONS:
        found.append(("region", f"{row['region']!r} is none of {', '.join(REGIONS)}"))
    if key is not None and key != NO_KEY and not re.fullmatch(r"[0-9]{1,4}", key):
        found.append(("tax_key", f"{key!r} is neither a BU-Schlüssel of one to four digits nor `{NO_KEY}`"))
    if not (_COST_CENTER.fullmatch(row.get("cost_center", "x")) and is_cp1252(row.get("cost_center", ""))):
        found.append(("cost_center", "it may have (western) letters, digits and blanks, at most 36"))
    automatic = chart.automatic_account(account)
    if automatic is not None and key not in (None, NO_KEY):
        found.append(("tax_key", f"account {account} computes the tax itself and takes no BU-Schlüssel"))
    return found


def _is_rate(written: str) -> bool:
    try:
        return 0 <= Decimal(written.replace(",", ".")) <= 100
    except InvalidOperation:
        return False


def _like(name: str, pattern: str) -> bool:
    # Only the star is special: a name may well hold brackets or question marks.
    literal = re.sub(r"([\[\]?])", r"[\1]", _folded(pattern))
    return fnmatch.fnmatchcase(_folded(name), literal)


def _folded(text: str) -> str:
    return "".join(text.split()).casefold()
