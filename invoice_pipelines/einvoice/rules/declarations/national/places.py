"""Where things stand in the two syntaxes, for the rules that are asked of single elements."""

from __future__ import annotations

TRANSACTION = "rsm:SupplyChainTradeTransaction/"
LINES = TRANSACTION + "ram:IncludedSupplyChainTradeLineItem"
AGREEMENT = TRANSACTION + "ram:ApplicableHeaderTradeAgreement/"
DELIVERY = TRANSACTION + "ram:ApplicableHeaderTradeDelivery/"
SETTLEMENT = TRANSACTION + "ram:ApplicableHeaderTradeSettlement/"
SELLER = AGREEMENT + "ram:SellerTradeParty"
BUYER = AGREEMENT + "ram:BuyerTradeParty"

UBL_SELLER = "cac:AccountingSupplierParty/cac:Party"
UBL_BUYER = "cac:AccountingCustomerParty/cac:Party"
UBL_LINES = "cac:InvoiceLine|cac:CreditNoteLine"
