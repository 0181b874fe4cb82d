"""The commands of `ocr`, as a person types them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from invoice_pipelines.intake.documents.ocr.engine import RecognizedPage, RecognizedWord
from invoice_pipelines.intake.documents.ocr.self_check import LINES
from invoice_pipelines.organizations import OrganizationSettings, change_organization
from invoice_pipelines.workshop.sandbox.vision import VisionSandbox
from invoice_pipelines.workshop.sandbox.vision_faults import Fault
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.support.terminal import Ended, Terminal


@pytest.fixture
def run_ocr(database: TestDatabase, make_organization: Callable[[str], UUID], tmp_path: Path) -> Callable[..., Ended]:
    """Runs a command of `ocr` where there are two organizations, of which acme has chosen Cloud Vision."""
    for slug in ("acme", "beta"):
        make_organization(slug)
    change_organization(database.engine, "acme", settings=OrganizationSettings(ocr_engine="cloud_vision"))
    url = database.app_url.render_as_string(hide_password=False)

    terminal = Terminal(tmp_path, url)
    return lambda *words, **variables: terminal.run("ocr", *words, **variables)


def as_a_perfect_service(_: object) -> RecognizedPage:
    """What stands on the test picture."""
    words = [
        RecognizedWord(text, (40.0 + 200 * place, 40.0 + 60 * row, 200.0 + 200 * place, 80.0 + 60 * row), 0.99)
        for row, line in enumerate(LINES)
        for place, text in enumerate(line.split())
    ]
    return RecognizedPage(tuple(words), 1100, 300)


def test_each_engine_in_use_is_checked_once_and_says_for_whom(run_ocr: Callable[..., Ended]) -> None:
    chosen = run_ocr("use", "cloud_vision", "--organization", "beta")
    assert chosen.returncode == 0, chosen.stderr
    assert "beta uses cloud_vision" in chosen.stdout
    with VisionSandbox(as_a_perfect_service) as sandbox:
        endpoint = {"INVOICE_PIPELINES_VISION_ENDPOINT": sandbox.endpoint}
        checked = run_ocr("check", INVOICE_PIPELINES_OCR_ENGINE="none", **endpoint)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        (line,) = [line for line in checked.stdout.splitlines() if "cloud_vision" in line]
        assert "acme, beta" in line
        assert "reads" in line
        assert sum(sandbox.billed.values()) == 1


def test_google_is_reached_over_tls_with_the_key_of_a_service_account(
    run_ocr: Callable[..., Ended], tmp_path: Path
) -> None:
    key, certificate = certificate_for_localhost()
    (tmp_path / "roots.pem").write_bytes(certificate)
    account = {
        "type": "service_account",
        "project_id": "acme",
        "private_key_id": "1",
        "private_key": key.decode(),
        "client_email": "ocr@acme.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    (tmp_path / "account.json").write_text(json.dumps(account))
    with VisionSandbox(as_a_perfect_service, certificate=(key, certificate)) as sandbox:
        checked = run_ocr(
            *("check", "--organization", "acme"),
            INVOICE_PIPELINES_VISION_ENDPOINT=sandbox.endpoint,
            GOOGLE_APPLICATION_CREDENTIALS=str(tmp_path / "account.json"),
            GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=str(tmp_path / "roots.pem"),
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert str(sandbox.last_metadata["authorization"]).startswith("Bearer ")
        assert sum(sandbox.billed.values()) == 1


def certificate_for_localhost() -> tuple[bytes, bytes]:
    """A private key and a certificate that it signed itself, in PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    today = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private, certificate.public_bytes(Encoding.PEM)


def test_an_organization_goes_back_to_the_engine_of_the_deployment(
    run_ocr: Callable[..., Ended],
) -> None:
    back = run_ocr("use", "default", "--organization", "acme")
    assert back.returncode == 0, back.stderr
    checked = run_ocr("check", "--organization", "acme", INVOICE_PIPELINES_OCR_ENGINE="none")
    assert (checked.returncode, checked.stdout.strip()) == (0, "No OCR engine is in use.")


def test_an_engine_that_cannot_work_says_what_to_do(run_ocr: Callable[..., Ended], tmp_path: Path) -> None:
    with VisionSandbox(as_a_perfect_service) as sandbox:
        sandbox.fail(Fault.PERMISSION_DENIED)
        endpoint = {"INVOICE_PIPELINES_VISION_ENDPOINT": sandbox.endpoint}
        refused = run_ocr("check", "--organization", "acme", **endpoint)
    assert refused.returncode == 1
    assert "enable the Cloud Vision API" in refused.stdout
    nobody = {"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "gone.json"), "NO_GCE_CHECK": "true"}
    checked = run_ocr("check", "--organization", "acme", **nobody)
    assert checked.returncode == 1
    assert "set GOOGLE_APPLICATION_CREDENTIALS" in checked.stdout
    assert "Traceback" not in checked.stdout + checked.stderr


def test_an_engine_that_there_is_not_is_named(run_ocr: Callable[..., Ended]) -> None:
    unknown = run_ocr("use", "abbyy", "--organization", "acme")
    assert unknown.returncode == 2
    assert "abbyy" in unknown.stderr
