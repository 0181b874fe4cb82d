"""What the lines below a total make of it: a deposit or an outlay is added to what net amount and tax make, something
is withheld, a credit is used up. Whatever words name them, the amounts tell.
"""

from __future__ import annotations

from collections.abc import Sequence

from invoice_pipelines.intake.documents.text_layer.totals.amounts import Amount, AmountLine

_MOST = 5  # lines
_MOST_STEPS = 3
_CALLED = 0.5
_APART = ("tax", "net", "base", "contained", "tendered", "change", "rounding", "rounded", "carried", "other")


def amount_below(lines: Sequence[AmountLine], total: Amount) -> Amount | None:
    """The last of the amounts right below a total that it becomes by adding or deducting those in between, none of
    which is a tax, cash or a discount for early payment. None without one; and where it is less than the total, which
    is printed once more: so that was paid."""
    money = [amount for line in lines for amount in line.amounts if amount.money]
    alone = [amounts[0] for line in lines if len(amounts := [one for one in line.amounts if one.money]) == 1]
    below = [amount for amount in alone if amount.line > total.line and amount.page == total.page][:_MOST]
    again = any(amount.value == total.value and amount.line != total.line for amount in money)
    reached, found = {total.value: 0}, None
    for amount in below:
        if amount.value in (0, total.value) or any(amount.roles.get(role, 0.0) >= _CALLED for role in _APART):
            continue
        less = abs(amount.value) < abs(total.value)
        if (reached.get(amount.value) or reached.get(-amount.value)) and not (less and again):
            found = amount
        for value, steps in list(reached.items()):
            if steps < _MOST_STEPS:
                reached.setdefault(value + amount.value, steps + 1)
                reached.setdefault(value - amount.value, steps + 1)
    return found
