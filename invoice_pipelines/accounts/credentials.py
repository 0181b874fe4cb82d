"""The secrets that browsers and programs hold. Only their fingerprints are stored."""

from __future__ import annotations

import hashlib
import secrets

TOKEN_PREFIX = "ip_live_"  # noqa: S105
"""How each token begins, so that one that leaked is found by scanners."""

_SHOWN = len(TOKEN_PREFIX) + 4


def fingerprint(secret: str) -> str:
    """SHA-256 of a secret, in hex: what is stored, and looked up. A secret has 256 random bits, so it needs no salt."""
    return hashlib.sha256(secret.encode()).hexdigest()


def new_secret() -> str:
    """A secret for a session or an invitation: 256 random bits."""
    return secrets.token_urlsafe(32)


def new_token() -> str:
    """The secret of an API token."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def shown_part(token: str) -> str:
    """The beginning of a token, by which people know it again."""
    return token[:_SHOWN]
