"""A small company to look at: some customers, items, invoices and payments."""

from __future__ import annotations

from invoice_pipelines.workshop.sandbox.quickbooks.books.accountant import Accountant

_CUSTOMERS = ("Amber Bakery", "Birch Furniture", "Cedar Books", "Dune Travel", "Elm Garden Care", "Fjord Fishing")
_ITEMS = (("Consulting hour", "120.00"), ("Delivery", "15.00"), ("Assembly", "49.90"), ("Support plan", "300.00"))


def add_sample(accountant: Accountant) -> None:
    """Adds it; each customer has an invoice that is paid and one that is open."""
    items = [accountant.item(name, price)["Id"] for name, price in _ITEMS]
    for number, name in enumerate(_CUSTOMERS):
        domain = name.split()[0].lower()
        customer = accountant.customer(name, PrimaryEmailAddr={"Address": f"office@{domain}.example.com"})["Id"]
        paid = accountant.invoice(customer, 100 + number, item=items[number % len(items)])
        accountant.pay(paid["Id"])
        accountant.invoice(customer, 200 + number, item=items[number % len(items)])
