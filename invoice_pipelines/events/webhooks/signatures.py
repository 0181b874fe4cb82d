"""Signatures of webhooks, as Standard Webhooks says (standardwebhooks.com): symmetric, `v1`. No database here."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime

PREFIX = "whsec_"
_BYTES = 32


def make_secret() -> str:
    """A new secret, as the receiver is given it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_BYTES)).decode()


def headers_of(webhook_id: str, at: datetime, body: bytes, valid_secrets: Sequence[str]) -> dict[str, str]:
    """The headers of a body that goes out at a moment (with a time zone): id, moment, and a signature for each secret.

    A receiver takes it if one of the signatures is that of a secret it knows, so secrets can be changed one side after
    the other.
    """
    timestamp = str(int(at.timestamp()))
    signed = b".".join((webhook_id.encode(), timestamp.encode(), body))
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(_signature(secret, signed) for secret in valid_secrets),
    }


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
