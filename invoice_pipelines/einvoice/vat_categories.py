"""The VAT categories (UNTDID 5305) that invoices are issued with, and what EN 16931 asks for where one occurs.

PostgreSQL goes by the same in `billing/vat_categories.sql`; a test compares them. Received invoices may have any other.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VatCategory:
    """A category. `needs` are a `rate` above zero, the `reason` why there is no VAT (BT-120, BT-121), `seller_vat_id`,
    `buyer_vat_id`, and the date and place of `delivery`.
    """

    code: str
    name: str
    needs: frozenset[str] = frozenset()
    only_reason: str | None = None
    """The code of its reason (VATEX list), where it has but one. What E is exempt for, only the organization knows."""
    tax_number_will_do: bool = False
    """Whether EN 16931 takes the seller's tax number in place of the VAT id, which the law asks for all the same."""
    rules: str = ""
    """What its rules are called in EN 16931, where that is not the code."""

    def rule(self, number: str) -> str:
        """The id of one of its rules, such as BR-AE-02."""
        return f"BR-{self.rules or self.code}-{number}"


VAT_CATEGORIES = {
    category.code: category
    for category in (
        VatCategory("S", "the standard rate", frozenset({"rate"})),
        VatCategory("Z", "the zero rate"),
        VatCategory("E", "exemption from VAT", frozenset({"reason"})),
        VatCategory(
            "AE",
            "reverse charge",
            frozenset({"reason", "seller_vat_id", "buyer_vat_id"}),
            "VATEX-EU-AE",
            tax_number_will_do=True,
        ),
        VatCategory(
            "K",
            "an intra-community supply",
            frozenset({"reason", "seller_vat_id", "buyer_vat_id", "delivery"}),
            "VATEX-EU-IC",
            rules="IC",
        ),
        VatCategory("G", "an export", frozenset({"reason", "seller_vat_id"}), "VATEX-EU-G"),
    )
}
