"""Passwords: which ones are taken, and what is made of them before they leave the process. See ASVS 5.0, V6.2."""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import dataclass

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from invoice_pipelines.accounts.errors import AccountError

SHORTEST, LONGEST = 12, 256
PARAMETERS = "m=19456,t=2,p=1"
"""Of Argon2id for new passwords: KiB of memory, passes, lanes (OWASP's password storage cheat sheet)."""

_COMMON = frozenset(FREQUENCY_LISTS["passwords"])
_FORM = re.compile(r"^m=(\d{1,8}),t=(\d{1,3}),p=(\d{1,2})$")


@dataclass(frozen=True, slots=True)
class Derived:
    """What is stored of a password, but for a SHA-256 that PostgreSQL puts around `secret`."""

    salt: bytes
    parameters: str
    secret: bytes


def check_password(password: str, *personal: str) -> None:
    """Raises AccountError for a password that is too short, too long, common, or one of the person's own words."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise AccountError(f"A password needs {SHORTEST} to {LONGEST} characters.", "WEAK_PASSWORD")
    plain = password.lower()
    words = {word.lower() for text in personal for word in (text, *re.split(r"[@.\s]", text)) if len(word) > 3}
    if plain in _COMMON or len(set(plain)) < 5 or any(plain.replace(word, "").isdigit() for word in words):
        raise AccountError(
            "That password is one of the first that somebody would try; choose another.", "WEAK_PASSWORD"
        )


def derive(password: str, salt: bytes | None = None, parameters: str | None = None) -> Derived:
    """What Argon2id makes of a password; without a salt with a new one."""
    known = _FORM.match(parameters or PARAMETERS)
    if known is None:
        raise ValueError("not the parameters of Argon2id")
    memory, passes, lanes = map(int, known.groups())
    salt = salt or os.urandom(16)
    kdf = Argon2id(salt=salt, length=32, iterations=passes, lanes=lanes, memory_cost=memory)
    secret = kdf.derive(unicodedata.normalize("NFC", password).encode())
    return Derived(salt, parameters or PARAMETERS, secret)
