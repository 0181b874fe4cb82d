"""Webhooks are signed as Standard Webhooks says."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from invoice_pipelines.events.webhooks.signatures import headers_of, make_secret

secrets = st.binary(min_size=24, max_size=64).map(lambda key: "whsec_" + base64.b64encode(key).decode())


def test_the_example_of_the_specification() -> None:
    """That of its reference implementations, with its secret, id, time and body."""
    headers = headers_of(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        datetime.fromtimestamp(1614265330, UTC),
        b'{"test": 2432232314}',
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@given(valid=st.lists(secrets, min_size=1, max_size=4, unique=True), other=secrets, body=st.text())
def test_whoever_knows_one_of_the_valid_secrets_can_verify_and_nobody_else(
    valid: list[str], other: str, body: str
) -> None:
    headers = headers_of("evt_1", datetime.now(UTC), body.encode("utf-8", "replace"), valid)
    content = body.encode("utf-8", "replace")
    for secret in valid:
        Webhook(secret).verify(content, headers, json_parse=False)
    if other not in valid:
        with pytest.raises(WebhookVerificationError):
            Webhook(other).verify(content, headers, json_parse=False)
    for name in ("webhook-id", "webhook-timestamp"):
        with pytest.raises(WebhookVerificationError):
            Webhook(valid[0]).verify(content, headers | {name: headers[name] + "1"}, json_parse=False)
    with pytest.raises(WebhookVerificationError):
        Webhook(valid[0]).verify(content + b"x", headers, json_parse=False)


def test_secrets_differ_and_have_256_bits() -> None:
    made = {make_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(len(base64.b64decode(secret.removeprefix("whsec_"))) == 32 for secret in made)
