"""What a program does with python-quickbooks, checked step by step. Runs where that is installed, and prints `done`.

Amounts are what an accountant would work out by hand, not what the sandbox says of itself.
"""

import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import loopback_plugin  # noqa: F401  # first of all: it leads the library to the sandbox
from intuitlib.client import AuthClient
from quickbooks import QuickBooks
from quickbooks.batch import batch_create, batch_delete, batch_update
from quickbooks.cdc import change_data_capture
from quickbooks.exceptions import ObjectNotFoundException, QuickbooksException, ValidationException
from quickbooks.objects import Account, Customer, Invoice, Item, Payment, PaymentLine
from quickbooks.objects.base import Address, LinkedTxn
from quickbooks.objects.detailline import SalesItemLine, SalesItemLineDetail

begin = datetime.now(UTC) - timedelta(seconds=2)
tokens = AuthClient("client", "secret", "http://localhost/callback", "sandbox")
qb = QuickBooks(
    auth_client=tokens,
    refresh_token=os.environ["REFRESH_TOKEN"],
    company_id=os.environ["COMPANY_ID"],
    minorversion=75,
    use_decimal=True,
)


def refused(code, call, *arguments, kind=QuickbooksException):
    try:
        call(*arguments)
        found = "nothing"
    except kind as error:
        found = error.error_code
    assert found == code, f"{found} instead of {code}"


# Customers: made, found by a name that must be escaped, changed, refused twice, deactivated.
customer = Customer()
customer.DisplayName = "O'Brien & Söhne"
customer.BillAddr = Address()
customer.BillAddr.City = "Springfield"
saved = customer.save(qb=qb)
assert Customer.filter(DisplayName="O'Brien & Söhne", qb=qb)[0].Id == saved.Id
saved.Notes = "changed"
changed = saved.save(qb=qb)
assert (changed.SyncToken, changed.BillAddr.City) == ("1", "Springfield")
refused(5010, saved.save, qb)  # with the token from before
twin = Customer()
twin.DisplayName = "o'brien & söhne"
refused(6240, twin.save, qb)
refused(610, Customer.get, 999999, qb, kind=ObjectNotFoundException)
refused(4001, Customer.where, "NoSuchField = '1'", "", "", "", qb, kind=ValidationException)

# Items.
item = Item()
item.Name, item.Type, item.UnitPrice = "Hour", "Service", 80
refused(2020, item.save, qb, kind=ValidationException)
item.IncomeAccountRef = Account.where("AccountType = 'Income'", max_results=1, qb=qb)[0].to_ref()
item.save(qb=qb)


def invoice(quantity, price, amount):
    detail = SalesItemLineDetail()
    detail.ItemRef, detail.Qty, detail.UnitPrice = item.to_ref(), quantity, price
    line = SalesItemLine()
    line.Amount, line.SalesItemLineDetail = amount, detail
    made = Invoice()
    made.CustomerRef = customer.to_ref()
    made.Line.append(line)
    return made


# Invoices: one that is paid in parts, one that is void, one that is deleted, one that is wrong.
first = invoice(2, 80, 160).save(qb=qb)
assert first.TotalAmt == Decimal("160.00")
assert first.Line[1].DetailType == "SubTotalLineDetail"
refused(6070, invoice(2, 80, 161).save, qb)
second = invoice(1, 80, 80).save(qb=qb)
second.void(qb=qb)
second = Invoice.get(second.Id, qb=qb)
assert (second.TotalAmt, second.Balance) == (0, 0)
assert "Voided" in second.PrivateNote
third = invoice(1, 80, 80).save(qb=qb, request_id="third")
assert invoice(1, 80, 80).save(qb=qb, request_id="third").Id == third.Id
third.delete(qb=qb)
assert Invoice.filter(Id=third.Id, qb=qb) == []

# Payments: they move the invoice, and keep it from being void.
line = PaymentLine()
line.Amount = 100
line.LinkedTxn.append(first.to_linked_txn())
payment = Payment()
payment.CustomerRef, payment.TotalAmt = customer.to_ref(), 130
payment.Line.append(line)
payment = payment.save(qb=qb)
assert payment.UnappliedAmt == 30
owed = Invoice.get(first.Id, qb=qb)
assert (owed.Balance, owed.SyncToken, owed.LinkedTxn[0].TxnType) == (60, "1", "Payment")
assert isinstance(owed.LinkedTxn[0], LinkedTxn)
refused(5010, first.void, qb)
refused(6000, owed.void, qb)
payment.void(qb=qb)
assert Invoice.get(first.Id, qb=qb).Balance == 160

# Batches: of more than 30, with a fault in the midst, updates and deletions.
crowd = []
for number in range(45):
    one = Customer()
    one.DisplayName = "Crowd 7" if number == 8 else f"Crowd {number}"
    crowd.append(one)
result = batch_create(crowd, qb=qb)
assert (len(result.successes), len(result.faults)) == (44, 1)
assert result.faults[0].Error[0].code == "6240"
for one in result.successes:
    one.Notes = "seen"
assert len(batch_update(result.successes, qb=qb).successes) == 44
assert Customer.count("DisplayName LIKE 'Crowd%'", qb=qb) == 44
pair = batch_create([invoice(1, 80, 80), invoice(3, 80, 240)], qb=qb).successes
assert len(batch_delete(pair, qb=qb).successes) == 2
pages = [Customer.all(order_by="Id", start_position=start, max_results=20, qb=qb) for start in (1, 21, 41)]
assert [len(page) for page in pages] == [20, 20, 5]
assert len({one.Id for page in pages for one in page}) == 45

# Change data capture.
changes = change_data_capture([Invoice, Customer, Payment], begin.isoformat(), qb=qb)
assert {one.Id for one in changes.Customer} == {one.Id for page in pages for one in page}
assert sum(1 for one in changes.Invoice if getattr(one, "status", "") == "Deleted") == 3
assert [one.TotalAmt for one in changes.Payment] == [0]

print("done")
