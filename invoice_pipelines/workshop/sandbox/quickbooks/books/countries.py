"""The three-letter codes by which QuickBooks gives countries back."""

from __future__ import annotations

_CODES = (
    "AD-AND AE-ARE AL-ALB AM-ARM AR-ARG AT-AUT AU-AUS AZ-AZE BA-BIH BD-BGD BE-BEL BG-BGR BR-BRA BY-BLR CA-CAN CH-CHE "
    "CL-CHL CN-CHN CO-COL CR-CRI CY-CYP CZ-CZE DE-DEU DK-DNK DZ-DZA EC-ECU EE-EST EG-EGY ES-ESP FI-FIN FO-FRO FR-FRA "
    "GB-GBR GE-GEO GI-GIB GL-GRL GR-GRC HK-HKG HR-HRV HU-HUN ID-IDN IE-IRL IL-ISR IN-IND IS-ISL IT-ITA JP-JPN KE-KEN "
    "KR-KOR KW-KWT KZ-KAZ LB-LBN LI-LIE LK-LKA LT-LTU LU-LUX LV-LVA MA-MAR MC-MCO MD-MDA ME-MNE MK-MKD MT-MLT MX-MEX "
    "MY-MYS NG-NGA NL-NLD NO-NOR NZ-NZL OM-OMN PA-PAN PE-PER PH-PHL PK-PAK PL-POL PT-PRT QA-QAT RO-ROU RS-SRB RU-RUS "
    "SA-SAU SE-SWE SG-SGP SI-SVN SK-SVK SM-SMR TH-THA TN-TUN TR-TUR TW-TWN UA-UKR US-USA UY-URY VA-VAT VN-VNM ZA-ZAF"
)
_THREE_LETTERS = dict(pair.split("-") for pair in _CODES.split())


def three_letters(country: str) -> str:
    """`US` as `USA`; what is no known two-letter code stays as it is."""
    return _THREE_LETTERS.get(country.strip().upper(), country)
