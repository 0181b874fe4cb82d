"""The people of the examples. All are invented.

IBANs are the sample numbers that banks and the SWIFT registry print; VAT ids and tax numbers have right check digits,
from the lowest numbers on.
"""

from __future__ import annotations

from examples.make.model import Party

# Buyers: the organizations

NORDWIND = Party(
    "Nordwind Handel GmbH", "Speicherstraße 18", "20457", "Hamburg", "DE",
    vat_id="DE100000008", registration="HRB 104711", contact="Buchhaltung", phone="+49 40 5550 1200",
    email="rechnung@nordwind-handel.example", iban="DE02120300000000202051", bic="BYLADEM1001",
)  # fmt: skip
HARBOUR = Party(
    "Harbour & Hill Ltd", "12 Quay Street", "D02 X285", "Dublin", "IE",
    vat_id="IE1234500K", registration="501234", contact="Accounts Payable", phone="+353 1 555 0142",
    email="invoices@harbour-and-hill.example", iban="IE29AIBK93115212345678", bic="AIBKIE2D",
)  # fmt: skip
MAPLE = Party(
    "Maple Ridge Outfitters Inc.", "480 Lakeshore Boulevard", "M5V 2T6", "Toronto", "CA", region="ON",
    tax_number="100000009RT0001", endpoint=("0088", "4000000000006"), contact="Accounts Payable",
    phone="+1 416 555 0123", email="ap@maple-ridge.example",
)  # fmt: skip

# Sellers

ALPENBLICK = Party(
    "Alpenblick Papier GmbH", "Isarweg 4", "80331", "München", "DE",
    vat_id="DE100000016", tax_number="143/215/08157", registration="HRB 208144", contact="Verena Huber",
    phone="+49 89 5550 310", email="faktura@alpenblick-papier.example", iban="DE89370400440532013000",
    bic="COBADEFFXXX",
)  # fmt: skip
ELBTAL = Party(
    "Elbtal Energie AG", "Am Kraftwerk 2", "01067", "Dresden", "DE",
    vat_id="DE100000024", registration="HRB 31102", contact="Kundenservice", phone="+49 351 5550 77",
    email="rechnung@elbtal-energie.example", iban="DE02500105170137075030", bic="INGDDEFFXXX",
)  # fmt: skip
SONNENKORN = Party(
    "Bäckerei Sonnenkorn e.K.", "Lindenallee 9", "22765", "Hamburg", "DE",
    vat_id="DE100000032", registration="HRA 55013", contact="Jette Petersen", phone="+49 40 5550 8890",
    email="buero@sonnenkorn.example", iban="DE02200505501015871393", bic="HASPDEHHXXX",
)  # fmt: skip
JAEGER = Party(
    "Werkstatt Jäger & Söhne KG", "Hafenstraße 77", "28195", "Bremen", "DE",
    vat_id="DE100000049", tax_number="60/123/45678", registration="HRA 21877", contact="Uwe Jäger",
    phone="+49 421 5550 16", email="info@jaeger-soehne.example", iban="DE02300209000106531065", bic="CMCIDEDDXXX",
)  # fmt: skip
KOBALT = Party(
    "Kobalt IT-Systeme GmbH", "Technologiepark 21", "33100", "Paderborn", "DE",
    vat_id="DE100000057", registration="HRB 9921", contact="Dr. Selma Aydın", phone="+49 5251 5550 40",
    email="billing@kobalt-it.example", iban="DE02100500000054540402", bic="BELADEBEXXX",
)  # fmt: skip
HANSEKONTOR = Party(
    "Hansekontor Logistik GmbH", "Veddeler Damm 103", "20539", "Hamburg", "DE",
    vat_id="DE100000065", registration="HRB 77410", contact="Disposition", phone="+49 40 5550 6100",
    email="faktura@hansekontor.example", iban="DE02500105170137075030", bic="INGDDEFFXXX",
)  # fmt: skip
STEINMETZ_BAU = Party(
    "Steinmetz Bau GmbH", "Kiesgrube 1", "21079", "Hamburg", "DE",
    vat_id="DE100000073", registration="HRB 60233", contact="Paul Steinmetz", phone="+49 40 5550 4410",
    email="bau@steinmetz.example", iban="DE02300209000106531065", bic="CMCIDEDDXXX",
)  # fmt: skip
LINDNER = Party(
    "Moritz Lindner Fotografie", "Kastanienweg 30", "20259", "Hamburg", "DE",
    tax_number="42/123/01234", identifier="70455", contact="Moritz Lindner", phone="+49 40 5550 2291",
    email="moritz@lindner-foto.example", endpoint=("EM", "moritz@lindner-foto.example"),
    iban="DE89370400440532013000", bic="COBADEFFXXX",
)  # fmt: skip
POLDER = Party(
    "Polder Bloemen B.V.", "Veilingweg 200", "1431 GB", "Aalsmeer", "NL",
    vat_id="NL100000009B01", registration="34099001", contact="Anouk de Wit", phone="+31 297 555 010",
    email="facturen@polder-bloemen.example", iban="NL91ABNA0417164300", bic="ABNANL2A",
)  # fmt: skip
GALWAY = Party(
    "Galway Bay Roasters Ltd", "3 Spanish Parade", "H91 W2KC", "Galway", "IE",
    vat_id="IE1234511P", registration="612345", contact="Niamh Joyce", phone="+353 91 555 020",
    email="accounts@galwaybayroasters.example", iban="IE29AIBK93115212345678", bic="AIBKIE2D",
)  # fmt: skip
LUMEN = Party(
    "Lumen & Co Electric Ltd", "Unit 7 Ballymount Road", "D12 K5N2", "Dublin", "IE",
    vat_id="IE1000003N", registration="598765", phone="+353 1 555 0177", email="office@lumen-electric.example",
    contact="Sean Byrne", iban="IE29AIBK93115212345678", bic="AIBKIE2D",
)  # fmt: skip
THORNFIELD = Party(
    "Thornfield Press Ltd", "41 Mill Lane", "LS1 4DY", "Leeds", "GB",
    vat_id="GB100000034", registration="04567890", contact="Harriet Cole", phone="+44 113 496 0150",
    email="sales@thornfield-press.example", iban="GB29NWBK60161331926819", bic="NWBKGB2L",
)  # fmt: skip
BRISSON = Party(
    "Atelier Brisson SARL", "8 rue des Tanneurs", "69002", "Lyon", "FR",
    vat_id="FR68900000001", registration="900000001", contact="Claire Brisson", phone="+33 4 55 50 12 34",
    email="compta@atelier-brisson.example", iban="FR1420041010050500013M02606", bic="PSSTFRPPLYO",
)  # fmt: skip
FJORDLYS = Party(
    "Fjordlys Design AS", "Strandgaten 22", "5013", "Bergen", "NO",
    vat_id="NO987654309MVA", registration="987654309", endpoint=("0192", "987654309"), contact="Ingrid Moe",
    phone="+47 55 55 01 00", email="faktura@fjordlys.example", iban="NO9386011117947", bic="DNBANOKK",
)  # fmt: skip
CEDAR = Party(
    "Cedar & Birch Supply Inc.", "2200 Industrial Road", "L4K 1B7", "Vaughan", "CA", region="ON",
    tax_number="100000017RT0001", phone="905-555-0148", email="billing@cedarbirch.example",
    account="Institution 003, transit 00102, account 1000244",
)  # fmt: skip
LOOM = Party(
    "Northern Loom Textiles Ltd.", "915 rue Saint-Paul Ouest", "H3C 1M2", "Montréal", "CA", region="QC",
    tax_number="100000025RT0001", phone="514-555-0172", email="ar@northernloom.example",
    account="Institution 006, transit 00481, account 4410087",
)  # fmt: skip
CASCADE = Party(
    "Cascade Trail Gear LLC", "1450 Pine Street", "98101", "Seattle", "US", region="WA",
    tax_number=None, phone="206-555-0109", email="receivables@cascadetrail.example",
    account="Routing 125000024, account 0047110815",
)  # fmt: skip
