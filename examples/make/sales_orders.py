"""Who orders what from the three organizations of the examples. All customers are invented."""

from __future__ import annotations

from itertools import cycle, islice
from typing import Any

from examples.make.orders import Book, Customer, Item, Line, Order

PIECES = ("2", "1", "12", "3", "24", "6", "40", "5")
MEASURES = ("0.500", "3", "1.250", "12.5", "2.375")
DISCOUNTS = ("0", "0", "0", "3", "0", "10", "0", "2.50")


def usual(items: list[Item], customers: list[str], count: int, dear: dict[str, str]) -> list[Order]:
    """Orders as they come every day: one to four lines each. `dear` maps customers to the price of all their lines,
    where they buy in another currency.
    """
    pieces, measures, discounts = cycle(PIECES), cycle(MEASURES), cycle(DISCOUNTS)
    orders = []
    for number, customer in enumerate(islice(cycle(customers), count)):
        chosen = dict.fromkeys(items[(number * 3 + place * 5) % len(items)] for place in range(1 + number % 4))
        orders.append(
            Order(
                [
                    Line(
                        item.sku,
                        next(pieces if item.unit == "C62" else measures),
                        price=dear.get(customer),
                        discount=next(discounts),
                    )
                    for item in chosen
                ],
                customer,
                status="reviewed" if number % 3 else "pending",
                discount="2" if number % 7 == 3 else "0",
                purchase_order=f"PO-{4100 + number}" if number % 2 else None,
            )
        )
    return orders


def mixed(orders: list[Order], special: list[Order]) -> list[Order]:
    """The special orders among the others, about every fourth."""
    result = list(orders)
    for number, order in enumerate(special):
        result.insert(2 + number * 5, order)
    return result


EXEMPTIONS = [
    {"tax_category": "AE", "rate": "0", "name": "Reverse charge", "exemption_reason": "Reverse charge",
     "exemption_reason_code": "VATEX-EU-AE"},
    {"tax_category": "K", "rate": "0", "name": "Intra-community supply", "exemption_reason": "Intra-community supply",
     "exemption_reason_code": "VATEX-EU-IC"},
    {"tax_category": "G", "rate": "0", "name": "Export", "exemption_reason": "Export outside the EU",
     "exemption_reason_code": "VATEX-EU-G"},
]  # fmt: skip


def _nordwind() -> Book:
    customers = [
        Customer("K1001", "Müller & Söhne Schreinerei GmbH", "Große Gärtnerstraße 5", "20095", "Hamburg", "DE",
                 "einkauf@mueller-soehne.example", "de"),
        Customer("K1002", "Weißbäckerei Strauß e.K.", "Königstraße 12b", "70173", "Stuttgart", "DE",
                 "buero@weissbaeckerei-strauss.example", "de"),
        Customer("K1003", "Stadtwerke Überlingen", "Seepromenade 1", "88662", "Überlingen", "DE",
                 "rechnung@sw-ueberlingen.example", "de", buyer_reference="08435059-12345-66"),
        Customer("K1004", "Jürgen Groß", "Süderelbbogen 104", "21109", "Hamburg", "DE", "j.gross@post.example"),
        Customer("K1005", "Blumen Van Dijk B.V.", "Bloemgracht 77", "1016 KG", "Amsterdam", "NL",
                 "inkoop@vandijk.example", "en", vat_id="NL001234567B01", category="K"),
        Customer("K1006", "Gruber Holzbau Ges.m.b.H.", "Getreidegasse 9", "5020", "Salzburg", "AT",
                 "office@gruber-holzbau.example", "de", vat_id="ATU12345675", category="AE"),
        Customer("K1007", "Zürcher Möbelhaus AG", "Löwenstrasse 31", "8001", "Zürich", "CH",
                 "beschaffung@zuercher-moebelhaus.example", "de", currency="CHF", category="G"),
    ]  # fmt: skip
    items = [
        Item("TISCH-EICHE", "Esstisch Eiche, geölt", "C62", "649.00", "19", stock="250"),
        Item("STUHL-BUCHE", "Stuhl Buche", "C62", "89.90", "19", stock="400"),
        Item("BIO-KAFFEE-1KG", "Bio-Kaffee, 1 kg", "KGM", "18.75", "7"),
        Item("BUCH-HOLZ", "Handbuch Holzverbindungen", "C62", "34.95", "7"),
        Item("MONTAGE", "Montage vor Ort", "HUR", "68.50", "19"),
        Item("LEIM-5L", "Holzleim D3, 5 l", "LTR", "7.4450", "19"),
        Item("SCHRAUBE-4X40", "Schrauben 4 x 40, Edelstahl", "C62", "0.0875", "19"),
        Item("LAMPE-MESSING", "Messinglampe »Elbe«", "C62", "219.00", "19", stock="5"),
        Item("REGAL-ALT", "Regal, ausgelaufen", "C62", "120.00", "19", is_active=False),
    ]
    usual_customers = [customer.number for customer in customers]
    special = [
        Order([Line("LAMPE-MESSING", "3")], "K1001"),
        Order([], "K1002", refused="NO_LINES"),
        Order([Line("LAMPE-MESSING", "3"), Line("STUHL-BUCHE", "4")], "K1004",
              note="Bitte nur vollständig liefern."),  # two lamps are left: nothing of it is taken
        Order([Line("LAMPE-MESSING", "2")], "K1003"),
        Order([Line("MONTAGE", "3.5")], "K1006", refused="WRONG_STATUS", status="draft"),
        Order([Line("REGAL-ALT", "1")], "K1001", refused="INACTIVE_ITEM"),
        Order([Line(None, "1", price="80", description="Sonderanfertigung", rate="16")], "K1002",
              refused="MISSING_TAX_RATE"),
        Order([Line("STUHL-BUCHE", "2", price="95.00")], "K1007", refused="CURRENCY_MISMATCH", currency="EUR"),
        # Done in Hamburg, so with German VAT, which an invoice in francs states in euros, too.
        Order([Line("MONTAGE", "6", price="72.00", category="S", rate="19", period=("2026-03-02", "2026-03-13")),
               Line("MONTAGE", "2.5", price="72.00", category="S", rate="19", period=("2026-03-23", "2026-03-27"))],
              "K1007", period=("2026-03-01", "2026-03-31")),
    ]  # fmt: skip
    return Book(
        "EUR", "AB-2026-",
        [{"tax_category": "S", "rate": "19", "name": "Umsatzsteuer 19 %"},
         {"tax_category": "S", "rate": "7", "name": "Umsatzsteuer 7 %"}, *EXEMPTIONS],
        customers, items, mixed(usual(items[:7], usual_customers, 31, {"K1007": "99.95"}), special),
        {("CHF", "2026-03-30"): "0.9412"},
    )  # fmt: skip


def _harbour() -> Book:
    customers = [
        Customer("C-201", "O'Sullivan's Bookshop", "4 Shop Street", "H91 X4F2", "Galway", "IE",
                 "orders@osullivans.example", "en"),
        Customer("C-202", "Café Níall & Daughters", "18 Parnell Place", "T12 W8P3", "Cork", "IE",
                 "accounts@cafe-niall.example", "en"),
        Customer("C-203", "Thornfield Estates Ltd", "22 Mill Lane", "LS1 4DY", "Leeds", "GB",
                 "ap@thornfield-estates.example", "en", currency="GBP", category="G"),
        Customer("C-204", "Librairie Çelik SARL", "7 rue des Œillets", "69001", "Lyon", "FR",
                 "achats@librairie-celik.example", "en", vat_id="FR40303265045", category="K"),
        Customer("C-205", "Lumen Contractors DAC", "Unit 3, Docklands", "D01 F5P2", "Dublin", "IE",
                 "office@lumen-contractors.example", "en", category="AE"),
        Customer("C-206", "Kerry Crafts (closed)", "1 Main Street", "V92 HX20", "Tralee", "IE",
                 "info@kerry-crafts.example", "en", is_active=False),
    ]  # fmt: skip
    items = [
        Item("LAMP-DESK", "Desk lamp, brass", "C62", "84.50", "23", stock="300"),
        Item("TEA-250", "Loose tea, 250 g", "C62", "6.20", "0", category="Z"),
        Item("BOOK-COAST", "Walking the West Coast", "C62", "22.95", "0", category="Z"),
        Item("FITTING", "Fitting of lamps", "HUR", "55.00", "13.50"),
        Item("PAPER-EVENING", "Evening paper, monthly", "C62", "31.4167", "9"),
        Item("RUG-WOOL", "Wool rug, per square metre", "MTK", "118.00", "23", stock="95.500"),
        Item("VASE-BLUE", "Vase, blue glass", "C62", "39.99", "23", stock="4"),
    ]
    special = [
        Order([], "C-201", refused="NO_LINES"),
        Order([Line("VASE-BLUE", "4")], "C-202"),
        Order([Line("VASE-BLUE", "1")], "C-201"),  # sold out by the order before
        Order([Line("TEA-250", "10")], "C-202", refused="WRONG_STATUS", status="draft"),
        Order([Line("FITTING", "8")], "C-205", refused="MISSING_BUYER_VAT_ID"),
        Order([Line("LAMP-DESK", "1")], "C-206", refused="INACTIVE_CUSTOMER"),
    ]
    return Book(
        "EUR", "SO",
        [{"tax_category": "S", "rate": "23", "name": "VAT 23%"},
         {"tax_category": "S", "rate": "13.5", "name": "VAT 13.5%"},
         {"tax_category": "S", "rate": "9", "name": "VAT 9%"}, {"tax_category": "Z", "rate": "0", "name": "Zero rated"},
         *EXEMPTIONS],
        customers, items,
        mixed(usual(items[:6], [one.number for one in customers[:4]], 34, {"C-203": "47.15"}), special),
    )  # fmt: skip


def _maple() -> Book:
    customers = [
        Customer("1", "Bouchard Plein Air inc.", "900, boulevard René-Lévesque", "H3B 4W5", "Montréal", "CA",
                 "achats@bouchard.example", "en"),
        Customer("2", "North Shore Canoe Co-op", "15 Lakeview Drive", "P7B 2K9", "Thunder Bay", "CA",
                 "books@northshore.example", "en"),
        Customer("3", "Cascade Trail Supply LLC", "77 Pine Street", "98101", "Seattle", "US",
                 "ap@cascade-trail.example", "en", currency="USD", category="Z"),
        Customer("4", "山田アウトドア株式会社", "千代田区丸の内1-1", "100-0005", "東京", "JP",
                 "keiri@yamada-outdoor.example", "en", currency="JPY", category="Z"),
    ]  # fmt: skip
    items = [
        Item("TENT-2P", "Tent for two", "C62", "329.00", "13", stock="500"),
        Item("PADDLE", "Paddle, ash", "C62", "74.99", "13", stock="900"),
        Item("GUIDE-ON", "Guide to Ontario's rivers", "C62", "29.95", "5"),
        Item("ROPE", "Rope, per metre", "MTR", "1.3333", "13"),
        Item("RATION", "Trail rations", "C62", "11.45", "0", category="Z"),
        Item("REPAIR", "Repair of tents", "HUR", "62.00", "13"),
        Item("CANOE-16", "Canoe, 16 ft", "C62", "2450.00", "13", stock="2"),
    ]
    special = [
        Order([Line("CANOE-16", "1"), Line("PADDLE", "2")], "2"),
        Order([Line("CANOE-16", "2")], "1"),  # one is left
        Order([], "2", refused="NO_LINES"),
        Order([Line("CANOE-16", "1", discount="5")], "2"),
        Order([Line("ROPE", "-10")], "1", refused="QUANTITY_NOT_POSITIVE"),
        Order([Line("RATION", "6")], None, refused="UNKNOWN_CUSTOMER"),
        Order([Line("REPAIR", "2")], "2", refused="WRONG_STATUS", status="draft"),
    ]
    return Book(
        "CAD", "MR-",
        [{"tax_category": "S", "rate": "13", "name": "HST 13%"}, {"tax_category": "S", "rate": "5", "name": "GST 5%"},
         {"tax_category": "Z", "rate": "0", "name": "Zero rated"}],
        customers, items,
        mixed(usual(items[:6], ["1", "2", "3", "4"], 33, {"3": "21.90", "4": "3405"}), special),
    )  # fmt: skip


def books() -> list[dict[str, Any]]:
    """The organizations with all they sell, and what must become of each order."""
    return [
        _nordwind().as_json("nordwind-handel"),
        _harbour().as_json("harbour-and-hill"),
        _maple().as_json("maple-ridge"),
    ]
