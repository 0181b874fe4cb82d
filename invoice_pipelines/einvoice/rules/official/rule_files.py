"""Which schematron sheet decides for a rule set: the official release file of a directory where one is set, else none:
then the declarations of this project decide.
"""

from __future__ import annotations

import functools
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from invoice_pipelines.einvoice.rules.rule_sets import RuleSet
from invoice_pipelines.settings import SettingsError

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
    return official_sheets(rules_directory).get(rule_set) if rules_directory is not None else None


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


def _release(path: Path) -> str:
    """The release that a sheet says it is. A digest of the file where it says none: the version must stay provable."""
    content = path.read_bytes()
    stated = re.search(rb"[Ss]chematron [Vv]ersion ([0-9][0-9A-Za-z.-]*)", content)
    return stated.group(1).decode() if stated else "sha256:" + hashlib.sha256(content).hexdigest()[:12]
