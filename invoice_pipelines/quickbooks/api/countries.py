"""How countries are written: ISO 3166-1 codes of two and three letters, and usual names of the frequent ones."""

from __future__ import annotations

import re

# alpha-2 and alpha-3 of ISO 3166-1 in turn
_CODES = """
AD AND AE ARE AF AFG AG ATG AI AIA AL ALB AM ARM AO AGO AQ ATA AR ARG AS ASM AT AUT AU AUS AW ABW AX ALA AZ AZE
BA BIH BB BRB BD BGD BE BEL BF BFA BG BGR BH BHR BI BDI BJ BEN BL BLM BM BMU BN BRN BO BOL BQ BES BR BRA BS BHS BT BTN
BV BVT BW BWA BY BLR BZ BLZ CA CAN CC CCK CD COD CF CAF CG COG CH CHE CI CIV CK COK CL CHL CM CMR CN CHN CO COL CR CRI
CU CUB CV CPV CW CUW CX CXR CY CYP CZ CZE DE DEU DJ DJI DK DNK DM DMA DO DOM DZ DZA EC ECU EE EST EG EGY EH ESH ER ERI
ES ESP ET ETH FI FIN FJ FJI FK FLK FM FSM FO FRO FR FRA GA GAB GB GBR GD GRD GE GEO GF GUF GG GGY GH GHA GI GIB GL GRL
GM GMB GN GIN GP GLP GQ GNQ GR GRC GS SGS GT GTM GU GUM GW GNB GY GUY HK HKG HM HMD HN HND HR HRV HT HTI HU HUN ID IDN
IE IRL IL ISR IM IMN IN IND IO IOT IQ IRQ IR IRN IS ISL IT ITA JE JEY JM JAM JO JOR JP JPN KE KEN KG KGZ KH KHM KI KIR
KM COM KN KNA KP PRK KR KOR KW KWT KY CYM KZ KAZ LA LAO LB LBN LC LCA LI LIE LK LKA LR LBR LS LSO LT LTU LU LUX LV LVA
LY LBY MA MAR MC MCO MD MDA ME MNE MF MAF MG MDG MH MHL MK MKD ML MLI MM MMR MN MNG MO MAC MP MNP MQ MTQ MR MRT MS MSR
MT MLT MU MUS MV MDV MW MWI MX MEX MY MYS MZ MOZ NA NAM NC NCL NE NER NF NFK NG NGA NI NIC NL NLD NO NOR NP NPL NR NRU
NU NIU NZ NZL OM OMN PA PAN PE PER PF PYF PG PNG PH PHL PK PAK PL POL PM SPM PN PCN PR PRI PS PSE PT PRT PW PLW PY PRY
QA QAT RE REU RO ROU RS SRB RU RUS RW RWA SA SAU SB SLB SC SYC SD SDN SE SWE SG SGP SH SHN SI SVN SJ SJM SK SVK SL SLE
SM SMR SN SEN SO SOM SR SUR SS SSD ST STP SV SLV SX SXM SY SYR SZ SWZ TC TCA TD TCD TF ATF TG TGO TH THA TJ TJK TK TKL
TL TLS TM TKM TN TUN TO TON TR TUR TT TTO TV TUV TW TWN TZ TZA UA UKR UG UGA UM UMI US USA UY URY UZ UZB VA VAT VC VCT
VE VEN VG VGB VI VIR VN VNM VU VUT WF WLF WS WSM YE YEM YT MYT ZA ZAF ZM ZMB ZW ZWE
"""
_NAMES = {
    "US": "united states, united states of america, u.s., u.s.a., america, vereinigte staaten, usa",
    "DE": "germany, deutschland, allemagne, federal republic of germany, bundesrepublik deutschland, ger",
    "AT": "austria, österreich, oesterreich, autriche",
    "CH": "switzerland, schweiz, suisse, svizzera",
    "GB": "united kingdom, uk, u.k., great britain, england, scotland, wales, northern ireland",
    "IE": "ireland, republic of ireland, éire",
    "FR": "france, frankreich",
    "IT": "italy, italia, italien",
    "ES": "spain, españa, espana, spanien",
    "PT": "portugal",
    "NL": "netherlands, the netherlands, nederland, holland, niederlande",
    "BE": "belgium, belgique, belgië, belgien",
    "LU": "luxembourg, luxemburg",
    "DK": "denmark, danmark, dänemark",
    "SE": "sweden, sverige, schweden",
    "NO": "norway, norge, norwegen",
    "FI": "finland, suomi, finnland",
    "IS": "iceland, ísland, island",
    "PL": "poland, polska, polen",
    "CZ": "czech republic, czechia, česko, tschechien",
    "SK": "slovakia, slovensko, slowakei",
    "HU": "hungary, magyarország, ungarn",
    "SI": "slovenia, slovenija, slowenien",
    "HR": "croatia, hrvatska, kroatien",
    "RO": "romania, românia, rumänien",
    "BG": "bulgaria, българия, bulgarien",
    "GR": "greece, ελλάδα, griechenland",
    "CY": "cyprus, zypern",
    "MT": "malta",
    "EE": "estonia, eesti, estland",
    "LV": "latvia, latvija, lettland",
    "LT": "lithuania, lietuva, litauen",
    "LI": "liechtenstein",
    "TR": "turkey, türkiye, turkiye, türkei",
    "UA": "ukraine",
    "RS": "serbia, serbien",
    "BA": "bosnia and herzegovina",
    "CA": "canada, kanada",
    "MX": "mexico, méxico, mexiko",
    "BR": "brazil, brasil, brasilien",
    "AR": "argentina",
    "CL": "chile",
    "CO": "colombia",
    "PE": "peru",
    "AU": "australia, australien",
    "NZ": "new zealand",
    "JP": "japan",
    "CN": "china, people's republic of china",
    "HK": "hong kong",
    "TW": "taiwan",
    "KR": "south korea, korea, republic of korea",
    "IN": "india, indien",
    "SG": "singapore",
    "MY": "malaysia",
    "TH": "thailand",
    "VN": "vietnam, viet nam",
    "PH": "philippines",
    "ID": "indonesia",
    "PK": "pakistan",
    "AE": "united arab emirates, uae",
    "SA": "saudi arabia",
    "QA": "qatar",
    "KW": "kuwait",
    "IL": "israel",
    "EG": "egypt",
    "MA": "morocco",
    "ZA": "south africa",
    "NG": "nigeria",
    "KE": "kenya",
    "RU": "russia, russian federation",
    "PR": "puerto rico",
}
_ALPHA_2 = dict(zip(_CODES.split()[1::2], _CODES.split()[0::2], strict=True))
_ALPHA_3 = {two: three for three, two in _ALPHA_2.items()}
_BY_NAME = {name: code for code, names in _NAMES.items() for name in names.split(", ")}


def alpha_2(written: str | None) -> str | None:
    """The ISO 3166-1 alpha-2 code of a country as people and programs write it; None for what is not known.

    QuickBooks keeps the country of an address as free text, and gives back `USA` for a `US` that was sent.
    """
    if written is None:
        return None
    word = re.sub(r"\s+", " ", written).strip()
    code = word.upper()
    if code in _ALPHA_2.values():
        return code
    return _ALPHA_2.get(code) or _BY_NAME.get(word.casefold())


def alpha_3(code: str) -> str:
    """The ISO 3166-1 alpha-3 code of an alpha-2 code; what is none stays as it is.

    Intuit wants the country of an international address as three letters or as its full name
    (developer.intuit.com/app/developer/qbo/docs/api/accounting/most-commonly-used/customer, BillAddr).
    """
    return _ALPHA_3.get(code, code)
